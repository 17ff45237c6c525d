"""The append-only record of every run. State is its fold; the engine that holds the lease is its only writer."""
