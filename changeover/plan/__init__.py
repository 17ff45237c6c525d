"""From a runbook to a graph with times: pure, no I/O, no clock of its own."""
