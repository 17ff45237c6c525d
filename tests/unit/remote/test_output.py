from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from changeover.remote.output import Kept


@given(pieces=st.lists(st.binary(max_size=30)), limit=st.integers(5, 40))
def test_beginning_and_end_are_kept_and_what_is_left_out_is_counted(pieces: Any, limit: Any) -> None:
    kept = Kept(limit)
    told = "".join([*(kept.add(piece) for piece in pieces), kept.add(b"", final=True)])
    assert told == b"".join(pieces).decode(errors="replace")
    if len(told) <= 2 * limit:
        assert kept.text() == told
    else:
        assert kept.text() == f"{told[:limit]}\n... {len(told) - 2 * limit} characters left out ...\n{told[-limit:]}"


def test_a_character_cut_in_two_comes_whole() -> None:
    kept = Kept()
    first, second = "ű".encode()[:1], "ű".encode()[1:]
    assert (kept.add(first), kept.add(second)) == ("", "ű")
