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
from changeover.remote.hosts import Hosts, RemoteHost
from changeover.remote.login import Deadlines, Login
from changeover.runbook.systems import HostEntry, Systems


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


def test_a_crowded_group_makes_its_hosts_wait_and_nothing_is_sent() -> None:
    crowded = threading.BoundedSemaphore(1)
    crowded.acquire()
    login = Login("a", "192.0.2.1", 22, "somebody", Path("none"))
    host = RemoteHost("a", lambda: login, Connections(Deadlines()), [crowded])
    with pytest.raises(HostSetback, match="or on hosts of its groups, kept it waiting") as waited:
        host.run("true", timeout=0.1)
    assert waited.value.verdict is HostVerdict.TIME_OUT
    crowded.release()
    assert crowded.acquire(timeout=0)


def test_a_limit_of_a_group_is_shared_by_all_its_hosts() -> None:
    systems = Systems(
        hosts={"a": HostEntry("x"), "b": HostEntry("y"), "c": HostEntry("z")}, groups={"g": ("a", "b")}, limits={"g": 1}
    )
    with Hosts(systems, base=Path(), secret=str) as hosts:
        a, b, c = hosts.select(["a", "b", "c"])
        turns = [host._turns for host in (a, b, c)]  # noqa: SLF001 - nobody else has to know them
    assert [len(turn) for turn in turns] == [2, 2, 1]
    assert turns[0][1] is turns[1][1]
