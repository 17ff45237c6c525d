"""What a service bears is found out once, and never exceeded again."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import example, given, settings
from hypothesis import strategies as st

from changeover.transfer.safe_rate import SafeRate


@dataclass
class Bucket:
    """A service that serves so many requests a second, and a burst; in its own time."""

    per_second: float
    burst: float
    left: float = 0.0
    now: float = 0.0
    exceeded: int = 0

    def __post_init__(self) -> None:
        self.left = self.burst

    def ask(self, rate: SafeRate) -> bool:
        wait = rate.wait(self.now)
        self.now += wait
        self.left = min(self.burst, self.left + wait * self.per_second)
        rate.sent(self.now)
        if self.left < 1:
            self.exceeded += 1
            rate.refused(self.now, 1.0)
            return False
        self.left -= 1
        rate.answered(0.001)
        return True


@settings(max_examples=60, deadline=None)
@given(per_second=st.floats(0.5, 40), burst=st.floats(1, 60), most=st.floats(1, 100), kill=st.integers(1, 300))
@example(per_second=10, burst=15, most=50, kill=100)
@example(per_second=0.99999, burst=2.0, most=2.0, kill=1)
def test_a_limit_is_found_and_from_then_on_kept_also_by_whoever_goes_on(
    per_second: float, burst: float, most: float, kill: int
) -> None:
    service, rate = Bucket(per_second, burst), SafeRate(most)
    for number in range(3_000):
        if number == kill:
            rate = SafeRate.of(rate.kept, most)  # another process goes on
        assert rate.now <= most
        service.ask(rate)
    found = service.exceeded
    unseen = burst / 3_000  # the part by which a rate may be too high before the burst is used up
    assert rate.safe <= (per_second / (1 - unseen) if rate.settled else most)
    rate = SafeRate.of(rate.kept, most)
    hidden = int(rate.settled and rate.safe > per_second)
    for _ in range(1_000):
        assert service.ask(rate) or hidden
    assert found <= service.exceeded <= found + hidden <= 8
    if most > 2 * per_second:
        assert rate.settled
        assert rate.safe >= min(per_second, 1.0) / 4


def test_a_process_that_goes_on_waits_before_its_first_request_too() -> None:
    rate = SafeRate.of({"settled": True, "safe": 4.0, "refusals": 1}, 50)
    assert rate.wait(100.0) == 0.25
    assert rate.wait(100.25) == 0.0


def test_however_long_a_request_is_on_its_way_two_never_arrive_closer_than_at_twice_the_rate() -> None:
    rate = SafeRate.of({"settled": True, "safe": 4.0, "refusals": 1}, 50)
    rate.wait(100.0)
    rate.sent(100.25)
    rate.came(100.75)  # it may have arrived just now
    assert rate.wait(100.75) == 0.125


def test_a_service_that_becomes_slow_ends_the_search_and_is_given_time() -> None:
    rate = SafeRate(50)
    for second in range(10):
        rate.wait(second)
        rate.sent(float(second))
        rate.answered(0.05)
    assert rate.now > 5
    was = rate.now
    assert [rate.answered(1.0) for _ in range(3)] == [False, False, True]
    assert rate.settled
    assert rate.safe == was * 0.8
    for _ in range(3):
        rate.answered(1.0)
    assert rate.now < rate.safe
    assert "because it answers slowly" in rate.words
    for _ in range(20):
        rate.answered(0.05)
    assert rate.now == rate.safe


def test_a_wait_that_the_service_asked_for_is_kept() -> None:
    rate = SafeRate(50)
    rate.wait(0.0)
    rate.sent(1.0)
    rate.refused(1.0, 30.0)
    assert rate.wait(2.0) == 29.0
