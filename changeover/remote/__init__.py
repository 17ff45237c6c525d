"""Work on machines reached over SSH: strict host keys, one connection per host, a deadline on every operation."""
