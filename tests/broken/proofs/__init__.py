"""Functions that the broken runbooks name."""
