"""Finding out whether two databases say the same: questions of many kinds, differences down to the row, a readable report."""
