"""The runbook language: strict YAML in, a frozen model out, with findings that name file, line and column."""
