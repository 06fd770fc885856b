"""What earlier releases rely on: their statements, which must work on the schema of this one (docs/upgrading.md)."""
