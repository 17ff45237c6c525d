"""Under strace the N-th system call on the journal kills the engine, or finds no space: no boundary is too small to be found."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import pytest

from tests.chaos.conftest import needed, violations

if TYPE_CHECKING:
    from tests.chaos.conftest import Scale

pytestmark = pytest.mark.timeout(3600)

GoThrough = Callable[[Iterable[dict[str, Any]]], list[dict[str, Any]]]

KILL = ("pwrite64:signal=KILL:when=", "fdatasync:signal=KILL:when=")
FULL = ("pwrite64:error=ENOSPC:when={}+", "fdatasync:error=EIO:when={}+")
LIMIT = 400


@pytest.fixture(autouse=True)
def traceable() -> None:
    needed(shutil.which("strace"), "strace")


def until_untouched(go_through: GoThrough, inject: str, night: str, *, most: int = LIMIT) -> list[dict[str, Any]]:
    """Let it happen at the first call, the second, and so on, until a run passes in which it does not happen."""
    told: list[dict[str, Any]] = []
    for number in range(1, most + 1):
        order = {"what": "trace", "night": night, "inject": inject.format(number) if "{}" in inject else f"{inject}{number}"}
        told += go_through([order])
        if not told[-1]["hit"]:
            return told
    raise AssertionError(f"after {most} calls a run is still touched")


def some(go_through: GoThrough, inject: str, night: str, dice: random.Random, number: int) -> list[dict[str, Any]]:
    numbers = [dice.randint(1, 12) for _ in range(number)]
    return go_through(
        {"what": "trace", "night": night, "inject": inject.format(n) if "{}" in inject else f"{inject}{n}"} for n in numbers
    )


@pytest.mark.parametrize("inject", [*KILL, *FULL])
@pytest.mark.parametrize("night", ["forward", "backward-by-policy"])
def test_a_system_call_that_fails_or_kills_loses_nothing_whichever_it_is(
    inject: str, night: str, go_through: GoThrough, scale: Scale, record: Callable[..., None]
) -> None:
    if scale.soak:
        told = until_untouched(go_through, inject, night)
    else:
        told = some(go_through, inject, night, random.Random(f"{scale.seed} {inject} {night}"), 2)  # noqa: S311
    found = violations(told)
    call, error = inject.partition(":")[0], inject.partition("=")[2].partition(":")[0]
    what = "killed at the N-th" if error == "KILL" else f"{error} from the N-th on:"
    record(
        f"{what} {call} of the journal: {night}",
        runs=len(told),
        kills=sum(len(one["kills"]) for one in told),
        violations=len(found),
    )
    assert found == []
    assert any(one["hit"] for one in told)
