"""Rules that several kinds share, as sentences for their ``problems()``.

In lint a field may hold a text with ``${...}`` whatever its type says: what is not a number yet breaks no rule on numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta


def exactly_one(**fields: object) -> Iterator[str]:
    """Exactly one of *fields* is written. A final underscore keeps a word clear of Python's own."""
    given = [name for name, value in fields.items() if value not in (None, "", ())]
    words = [name.rstrip("_") for name in fields]
    if len(given) != 1:
        found = " and ".join(name.rstrip("_") for name in given) if given else "none"
        yield f"write exactly one of {', '.join(words[:-1])} and {words[-1]}; there is {found}"


def at_least_one(word: str, number: object) -> Iterator[str]:
    """A count that counts."""
    if isinstance(number, int) and number < 1:
        yield f"`{word}` is at least 1"


def positive(word: str, duration: object) -> Iterator[str]:
    """A pause that is one."""
    if isinstance(duration, timedelta) and duration <= timedelta():
        yield f"`{word}` is more than nothing"


def not_empty(word: str, text: str | Iterable[object]) -> Iterator[str]:
    """Something is written."""
    if not (text.strip() if isinstance(text, str) else tuple(text)):
        yield f"`{word}` is empty"
