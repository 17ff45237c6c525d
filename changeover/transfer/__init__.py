"""The migration engine: databases, chunked exact copy with its checkpoint in the target, checksums, undo."""
