"""Two engines that start at once: one owns the run, each step has one effect, the other ends with its documented code."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import pytest

from tests.chaos.conftest import violations

if TYPE_CHECKING:
    from tests.chaos.conftest import Scale

pytestmark = pytest.mark.timeout(3600)

GoThrough = Callable[[Iterable[dict[str, Any]]], list[dict[str, Any]]]


def test_of_two_engines_that_start_at_once_one_is_refused_and_nothing_happens_twice(
    go_through: GoThrough, scale: Scale, record: Callable[..., None]
) -> None:
    told = go_through({"what": "race", "night": "long"} for _ in range(scale.many(8, 200)))
    found = violations(told)
    record("two engines started at once", runs=len(told), kills=0, violations=len(found))
    assert found == []
