"""How a journal of an older changeover becomes one of this."""
