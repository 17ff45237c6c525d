"""The engine is killed with -9 at every failpoint, and then at random; what it did is counted, and its journal judged.

Each night is a run of its own sort: see nights.py, and judging.py for what has to be true at its end.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import pytest

from changeover.engine.failpoints import POINTS
from changeover.journal.events import EventKind
from tests.chaos.conftest import violations
from tests.chaos.nights import NIGHTS

if TYPE_CHECKING:
    from tests.chaos.conftest import Scale

pytestmark = [pytest.mark.timeout(3600), pytest.mark.usefixtures("scale")]

GoThrough = Callable[[Iterable[dict[str, Any]]], list[dict[str, Any]]]

#: Kinds of events without a boundary of their own, and why.
NO_BOUNDARY = {
    EventKind.RUN_PLANNED: "it stands in the transaction that creates the run",
    EventKind.RUN_TAKEN_OVER: "it shares the transaction of engine_started, and needs a living owner: see test_frozen.py",
}
SAMPLE = 8


def passages(points: list[str], dice: random.Random, seeds: int) -> list[str]:
    """Each point as often as there are seeds: when it is passed first, and at random later ones."""
    counts = Counter(points)
    found: list[str] = []
    for name, times in counts.items():
        found.append(f"{name}:1")
        found += [f"{name}:{dice.randint(1, times)}" for _ in range(seeds - 1)]
    return found


def test_no_failpoint_is_missed(go_through: GoThrough, scale: Scale) -> None:
    told = go_through({"night": night.name, "seed": scale.seed, "list_points": True} for night in NIGHTS)
    assert violations(told) == []
    passed = {point for one in told for point in one["points"]}
    boundaries = {f"{side}.{kind}" for kind in EventKind if kind not in NO_BOUNDARY for side in ("before", "after")}
    assert (boundaries | set(POINTS)) - passed == set()
    assert passed - boundaries - set(POINTS) == set(), "a failpoint that POINTS does not name"


@pytest.mark.parametrize("night", [night.name for night in NIGHTS])
def test_whenever_the_engine_is_killed_the_run_comes_to_its_end_and_nothing_is_lost_doubled_or_invented(
    night: str, go_through: GoThrough, scale: Scale, record: Callable[..., None]
) -> None:
    dice = random.Random(f"{scale.seed} {night}")  # noqa: S311 - it has to repeat itself
    (dry,) = go_through([{"night": night, "seed": scale.seed, "list_points": True}])
    assert dry["complaints"] == []
    points = passages(dry["points"], dice, scale.many(1, 3))
    if not scale.soak:
        points = dice.sample(points, SAMPLE)
    told = go_through({"night": night, "seed": dice.getrandbits(31), "point": point} for point in points)
    found = violations(told)
    kills = sum(len(one["kills"]) for one in told)
    record(f"killed at every failpoint, then at random: {night}", runs=len(told), kills=kills, violations=len(found))
    assert found == []
    assert kills >= len(told) // 2
