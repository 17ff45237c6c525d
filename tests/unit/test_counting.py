from __future__ import annotations

import pytest

from changeover.counting import counted


@pytest.mark.parametrize(("number", "said"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (147_449, "147,449 rows")])
def test_one_is_one_and_all_else_is_many(number: int, said: str) -> None:
    assert counted(number, "row") == said


def test_a_word_may_have_a_plural_of_its_own() -> None:
    assert [counted(number, "person", "people") for number in (1, 2)] == ["1 person", "2 people"]
