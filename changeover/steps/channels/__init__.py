"""Customer channels: how each sort is switched, and how it is seen from outside."""
