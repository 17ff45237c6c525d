from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.transfer.encoding import copied_text

TEXTS = st.text(
    st.sampled_from("aé😀\\\t\n\r\x1d\x1e\x1f N.'\"") | st.characters(exclude_categories=["Cs"], exclude_characters="\0")
)
VALUES = st.none() | TEXTS | st.integers() | st.booleans() | st.binary(max_size=5)
_ESCAPES = {"\\\\": "\\", "\\n": "\n", "\\r": "\r", "\\\x1d": "\x1d", "\\\x1f": "\x1f"}


def read_back(text: bytes) -> list[list[str | None]]:
    """As PostgreSQL's documentation says that COPY's text is read."""
    assert text.endswith(b"\n")
    assert b"\r" not in text
    lines = text.decode().split("\n")[:-1]
    return [
        [None if field == "\x1d" else re.sub(r"\\.", lambda m: _ESCAPES[m[0]], field) for field in _split(line)] for line in lines
    ]


def _split(line: str) -> list[str]:
    """At every mark without a backslash before it."""
    return [found[1] for found in re.finditer(r"(?:^|\x1f)((?:\\.|[^\\\x1f])*)", line)]


def shown(value: Any) -> str | None:
    match value:
        case None:
            return None
        case bool():
            return "t" if value else "f"
        case bytes():
            return f"\\x{value.hex()}"
        case _:
            return str(value)


@given(st.integers(1, 4).flatmap(lambda width: st.lists(st.tuples(*[VALUES] * width), min_size=1, max_size=6)))
def test_copy_reads_back_what_was_written(rows: list[tuple[Any, ...]]) -> None:
    columns = list(zip(*rows, strict=True))
    assert read_back(copied_text(columns, len(rows))) == [[shown(value) for value in row] for row in rows]


def test_numbers_keep_every_digit() -> None:
    columns: list[list[Any]] = [[0.1, 1e-7], [Decimal("1E-10"), Decimal("12345678901234567890.10")]]
    assert copied_text(columns, 2) == b"0.1\x1f1E-10\n1e-07\x1f12345678901234567890.10\n"


def test_what_no_column_is_made_of_is_refused() -> None:
    with pytest.raises(TypeError):
        copied_text([[object()]], 1)
