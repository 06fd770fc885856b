"""Requests that nobody would write, thousands of them, always the same ones for a seed: none may end in a 5xx."""
