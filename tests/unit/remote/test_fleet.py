from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from changeover.contracts import Host
from changeover.errors import Setback, Stopped, Unclear
from changeover.remote.connections import Connections
from changeover.remote.errors import CommandRefused, HostSetback, HostUnclear, HostVerdict
from changeover.remote.fleet import on_each
from changeover.remote.hosts import RemoteHost
from changeover.remote.login import Deadlines, Login


def named(name: str) -> Host:
    return RemoteHost(name, lambda: Login(name, "192.0.2.1", 22, "somebody", Path("none")), Connections(Deadlines()))


class Odd(Setback):
    """Something else."""


@pytest.mark.parametrize(
    ("error", "verdict", "unclear"),
    [
        (HostSetback("a", HostVerdict.AUTH, "no"), HostVerdict.AUTH, False),
        (HostUnclear("cut", "a", HostVerdict.TIME_OUT), HostVerdict.TIME_OUT, True),
        (Unclear("cut"), HostVerdict.LOST, True),
        (CommandRefused("a", "holds NUL"), HostVerdict.FAILED, False),
        (Odd("odd"), HostVerdict.FAILED, False),
    ],
)
def test_every_error_becomes_a_verdict(error: Any, verdict: Any, unclear: Any) -> None:
    def work(_host: Any) -> None:
        raise error

    outcome = on_each([named("a")], work)["a"]
    assert (outcome.verdict, outcome.unclear, outcome.detail) == (verdict, unclear, str(error))


def test_hosts_keep_their_order_and_no_more_work_at_once_than_allowed() -> None:
    working, most, lock = 0, 0, threading.Lock()

    def work(host: Any) -> Any:
        nonlocal working, most
        with lock:
            working += 1
            most = max(most, working)
        time.sleep(0.005)
        with lock:
            working -= 1
        return host.name

    hosts = [named(f"h{number}") for number in range(20)]
    outcomes = on_each(hosts, work, at_once=4)
    assert [outcome.value for outcome in outcomes.values()] == [host.name for host in hosts]
    assert 1 < most <= 4


def test_a_stop_is_passed_on() -> None:
    def work(_host: Any) -> None:
        raise Stopped("abort")

    with pytest.raises(Stopped):
        on_each([named("a"), named("b")], work)


def test_a_bug_is_not_hidden_as_a_verdict() -> None:
    with pytest.raises(ZeroDivisionError):
        on_each([named("a")], lambda _host: 1 / 0)


def test_no_hosts_no_outcomes() -> None:
    assert on_each([], lambda _host: 1) == {}
