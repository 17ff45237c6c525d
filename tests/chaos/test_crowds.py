"""A hundred of the same word while engine after engine is killed, and readers who never look away."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import pytest

from tests.chaos.conftest import violations

if TYPE_CHECKING:
    from tests.chaos.conftest import Scale

pytestmark = pytest.mark.timeout(3600)

GoThrough = Callable[[Iterable[dict[str, Any]]], list[dict[str, Any]]]


def test_a_hundred_identical_commands_while_the_engine_is_killed_have_one_effect(
    go_through: GoThrough, scale: Scale, record: Callable[..., None]
) -> None:
    crowds = (("hold", "stoppable"), ("approve", "gated"), ("abort", "stoppable"), ("rollback", "stoppable"))
    told = go_through(
        {"what": "crowd", "night": night, "verb": verb, "seed": scale.seed + number}
        for number in range(scale.many(1, 25))
        for verb, night in crowds
    )
    found = violations(told)
    kills = sum(len(one["kills"]) for one in told)
    record("a hundred identical commands while it is killed", runs=len(told), kills=kills, violations=len(found))
    assert found == []
    assert kills >= len(told)


def test_readers_neither_fail_when_the_engine_is_killed_nor_make_it_wait(
    go_through: GoThrough, scale: Scale, record: Callable[..., None]
) -> None:
    told = go_through({"what": "readers", "night": "long", "seed": scale.seed + number} for number in range(scale.many(2, 40)))
    found = violations(told)
    kills = sum(len(one["kills"]) for one in told)
    record("readers while it is killed", runs=len(told), kills=kills, violations=len(found))
    assert found == []
    assert kills >= len(told)
