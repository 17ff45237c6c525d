"""Names that stand for many: ``seat[001:200]``, ``rack[a:f]``, ``port[1:9:2]``."""

from __future__ import annotations

import itertools
import re
import string
from dataclasses import dataclass
from typing import Final

from changeover.errors import Mistake

#: Names that one pattern may stand for.
MOST: Final = 10_000
_RANGE: Final = re.compile(r"\[([^\[\]]*)\]")
_INSIDE: Final = re.compile(r"(\d+|[A-Za-z]):(\d+|[A-Za-z])(?::(\d+))?")


@dataclass(eq=False)
class RangeInvalid(Mistake):
    """A range that stands for nothing, or for too much."""

    written: str
    why: str

    def __str__(self) -> str:
        return f"`{self.written}` is no range: {self.why}"

    @property
    def hint(self) -> str:
        return "write first and last, such as seat[001:200], rack[a:f], or with a step port[1:9:2]"


def has_range(text: str) -> bool:
    """Whether *text* holds anything in brackets."""
    return "[" in text or "]" in text


def expanded(text: str) -> tuple[str, ...]:
    """The names that *text* stands for; itself when there is no range in it. Raises RangeInvalid."""
    if not has_range(text):
        return (text,)
    parts = _RANGE.split(text)
    if any(has_range(part) for part in parts[::2]):
        raise RangeInvalid(text, "a bracket has no partner")
    choices = [_spread(part) if number % 2 else (part,) for number, part in enumerate(parts)]
    total = 1
    for choice in choices:
        total *= len(choice)
    if total > MOST:
        raise RangeInvalid(text, f"it stands for {total:,} names, and {MOST:,} are the most")
    return tuple("".join(pieces) for pieces in itertools.product(*choices))


def _spread(written: str) -> tuple[str, ...]:
    match = _INSIDE.fullmatch(written)
    if match is None:
        raise RangeInvalid(f"[{written}]", "it is not first:last")
    first, last, step = match[1], match[2], int(match[3] or 1)
    if step == 0:
        raise RangeInvalid(f"[{written}]", "a step of 0 never gets anywhere")
    if first.isdecimal() != last.isdecimal():
        raise RangeInvalid(f"[{written}]", "one end is a number and the other a letter")
    if first.isdecimal():
        return _numbers(written, first, last, step)
    letters = string.ascii_letters
    begin, end = letters.index(first), letters.index(last)
    if begin > end:
        raise RangeInvalid(f"[{written}]", "the first comes after the last")
    return tuple(letters[begin : end + 1 : step])


def _numbers(written: str, first: str, last: str, step: int) -> tuple[str, ...]:
    if len(first) > len(str(10**9)) or len(last) > len(str(10**9)):
        raise RangeInvalid(f"[{written}]", "its numbers are too large")
    begin, end = int(first), int(last)
    if begin > end:
        raise RangeInvalid(f"[{written}]", "the first comes after the last")
    padded = first.startswith("0") and len(first) > 1
    if padded and len(first) != len(last):
        raise RangeInvalid(f"[{written}]", "with leading zeros both ends are equally long")
    if (end - begin) // step >= MOST:
        raise RangeInvalid(f"[{written}]", f"it stands for more than {MOST:,} names")
    return tuple(str(number).zfill(len(first) if padded else 0) for number in range(begin, end + 1, step))
