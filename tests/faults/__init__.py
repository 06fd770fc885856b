"""Faults on purpose, with a seed: `make chaos`."""
