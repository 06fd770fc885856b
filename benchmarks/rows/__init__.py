"""The measurements of rows, one file for each kind."""
