"""Reads requests strictly: JSON, instants, shapes; what is wrong is gathered field by field."""
