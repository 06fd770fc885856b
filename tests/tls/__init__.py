"""Servers behind TLS, with certificates of an authority of their own."""
