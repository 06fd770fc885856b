"""Servers behind TLS, with certificates of an authority for tests."""
