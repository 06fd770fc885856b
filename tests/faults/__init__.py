"""Injection of faults, drawn from a seed: `make chaos`."""
