"""Chat: a reader of the journal that tells people elsewhere. It never slows or stops the engine, and loses nothing."""
