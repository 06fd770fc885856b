"""Strict reading of requests: JSON, shapes and query parameters; errors are collected field by field."""
