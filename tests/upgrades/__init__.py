"""The statements of earlier releases, which must work on the schema of this one (docs/upgrading.md)."""
