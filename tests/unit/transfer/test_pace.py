"""How fast a copy may go, on a clock that stands still."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from changeover.errors import Stopped
from changeover.testing import FakeContext
from changeover.transfer.pace import KEPT_S, Allowance, ChunkGivenBack, Paced


class Desk:
    """What is allowed, which changes when a moment has come."""

    def __init__(self) -> None:
        self.context = FakeContext()
        self.now = Allowance()
        self.later: list[tuple[float, Allowance]] = []
        self.told = 0

    def allowed(self) -> Allowance:
        while self.later and self.context.clock.monotonic() >= self.later[0][0]:
            self.now = self.later.pop(0)[1]
        return self.now

    def after(self, seconds: float, allowance: Allowance) -> None:
        self.later.append((self.context.clock.monotonic() + seconds, allowance))

    def tell(self, rows: int) -> None:
        self.told += rows

    def paced(self) -> Paced:
        context = self.context
        return Paced(self.allowed, context.check_stopped, context.sleep, context.clock, self.tell)

    def lasts(self, act: Callable[[], None]) -> float:
        began = self.context.clock.monotonic()
        act()
        return self.context.clock.monotonic() - began


def test_without_a_limit_nobody_waits() -> None:
    desk = Desk()
    assert desk.lasts(lambda: desk.paced().went(1_000_000)) == 0.0
    assert desk.told == 1_000_000


@pytest.mark.parametrize("block", [10, 100, 2_500])
def test_rows_go_as_fast_as_is_allowed_whatever_the_size_of_a_block(block: int) -> None:
    desk = Desk()
    desk.now = Allowance(rows_per_s=500)
    paced = desk.paced()

    def go() -> None:
        for _ in range(10_000 // block):
            paced.between_chunks()
            paced.went(block)

    assert desk.lasts(go) == pytest.approx(20.0, rel=0.05)


def test_a_limit_that_goes_up_in_the_middle_of_a_wait_counts_at_once() -> None:
    desk = Desk()
    desk.now = Allowance(rows_per_s=10)
    desk.after(5, Allowance())
    assert desk.lasts(lambda: desk.paced().went(10_000)) == pytest.approx(5.0, abs=0.5)


def test_a_short_hold_keeps_the_chunk() -> None:
    desk = Desk()
    desk.now = Allowance(held=True)
    desk.after(KEPT_S / 2, Allowance())
    assert desk.lasts(lambda: desk.paced().went(5)) == pytest.approx(KEPT_S / 2, abs=0.5)


def test_a_long_hold_gives_the_chunk_back_and_waits_without_a_transaction() -> None:
    desk = Desk()
    desk.now = Allowance(held=True)
    desk.after(3600, Allowance())
    paced = desk.paced()
    with pytest.raises(ChunkGivenBack):
        paced.went(5)
    assert desk.lasts(paced.between_chunks) == pytest.approx(3600 - KEPT_S, abs=1.0)


def test_a_slow_pace_asks_for_chunks_that_take_half_of_what_would_give_them_back() -> None:
    desk = Desk()
    paced = desk.paced()
    assert paced.longest_chunk() is None
    for rate, rows in ((1_000, 5_000), (10, 50), (0.01, 1)):
        desk.now = Allowance(rows_per_s=rate)
        assert paced.longest_chunk() == rows
    desk.now = Allowance(rows_per_s=10)
    assert desk.lasts(lambda: paced.went(50)) == pytest.approx(KEPT_S / 2, abs=0.5)


def test_a_chunk_that_is_too_long_for_its_pace_is_given_back_and_the_rest_of_the_wait_is_without_a_transaction() -> None:
    desk = Desk()
    desk.now = Allowance(rows_per_s=10)
    paced = desk.paced()

    def given_back() -> None:
        with pytest.raises(ChunkGivenBack):
            paced.went(3_000)

    assert desk.lasts(given_back) == pytest.approx(KEPT_S, abs=0.5)
    assert desk.lasts(paced.between_chunks) == pytest.approx(300 - KEPT_S, abs=1.0)
    assert desk.lasts(lambda: paced.went(50)) == pytest.approx(5.0, abs=0.5)


def test_who_waits_hears_that_the_step_has_to_stop() -> None:
    desk = Desk()
    desk.now = Allowance(held=True)
    paced = desk.paced()
    desk.context.stopped = "abort"
    with pytest.raises(Stopped):
        paced.went(1)
    with pytest.raises(Stopped):
        paced.between_chunks()


def test_several_workers_share_what_is_allowed() -> None:
    assert Allowance(rows_per_s=900).share(3) == Allowance(rows_per_s=300)
    assert Allowance(held=True, rows_per_s=900).share(3) == Allowance(held=True, rows_per_s=300)
    assert Allowance().share(3) == Allowance()
