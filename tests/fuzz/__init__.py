"""Fuzzing of the API with corrupted requests, which a seed determines. No answer may be a 5xx."""
