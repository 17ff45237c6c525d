"""Owners that are frozen by SIGSTOP at a failpoint, outlived by their lease, and thawed when another has done the work."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import pytest

from tests.chaos.conftest import violations

if TYPE_CHECKING:
    from tests.chaos.conftest import Scale

pytestmark = pytest.mark.timeout(3600)

GoThrough = Callable[[Iterable[dict[str, Any]]], list[dict[str, Any]]]


def test_a_thawed_owner_stops_itself_by_code_7_and_has_written_nothing(
    go_through: GoThrough, scale: Scale, record: Callable[..., None]
) -> None:
    nights = ("forward", "long", "included")  # nobody has to be asked in them
    told = go_through(
        {"what": "freeze", "night": nights[number % len(nights)], "seed": scale.seed + number}
        for number in range(scale.many(6, 60))
    )
    found = violations(told)
    frozen = sum(one["frozen"] for one in told)
    record("frozen, succeeded by another, and thawed", runs=len(told), kills=frozen, violations=len(found))
    assert found == []
    assert frozen >= len(told) // 3
