"""Functions that rollback steps name."""
