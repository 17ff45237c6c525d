"""How many of something there are, as people say it."""

from __future__ import annotations


def counted(number: int, word: str, more: str = "") -> str:
    """``1 row``, ``2 rows``, ``12,000 rows``; *more* is the plural of a word that does not take an s."""
    return f"{number:,} {word if number == 1 else more or f'{word}s'}"
