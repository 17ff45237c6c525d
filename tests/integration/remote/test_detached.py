"""Detached jobs on a real sshd: whatever happens to the connection, to the server or to us, the command runs once."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from changeover.errors import Stopped
from changeover.remote import detached
from changeover.remote.detached import Detached
from changeover.remote.errors import CommandRefused, HostSetback, HostUnclear, HostVerdict
from changeover.remote.job import Heard, Job, JobName, Order, Stage
from tests.integration.remote.conftest import alive
from tests.integration.remote.proxy import Conversation, proxied
from tests.integration.remote.troubles import QUICK, ignore


def written(word: str) -> Order:
    """A side effect that can be counted, and takes a moment."""
    return Order(f"echo {word} >> ledger; sleep 0.2; echo {word}")


def state(host: Any, name: JobName) -> Any:
    return Job(host, name).tail(Heard(ignore), wait=0)


def fence(host: Any, name: JobName, found: list[Any]) -> None:
    found += Job(host, name).fence(Heard(ignore))


def thaw(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 15) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"{what} did not come"
        time.sleep(0.01)


def test_a_command_gives_its_exit_status_and_both_streams(housed: Any, job: JobName) -> None:
    order = Order("echo out; printf 'ű\\0\\377' ; echo err >&2; cat; pwd; exit 7")
    heard: list[str] = []
    completed = Detached(housed.host(), job, order, heard.append).run()
    assert (completed.exit, completed.stderr) == (7, "err\n")
    assert completed.stdout == f"out\nű\0\ufffd{housed.home}\n"
    assert "out" in "".join(heard)


def test_the_end_of_a_huge_output_is_kept_and_the_middle_is_not(housed: Any, job: JobName) -> None:
    order = Order("head -c 20000000 /dev/zero | tr '\\0' x; echo the end")
    completed = Detached(housed.host(), job, order, ignore).run()
    assert completed.exit == 0
    assert completed.stdout.startswith("xxx")
    assert completed.stdout.endswith("xxthe end\n")
    assert sum(path.lstat().st_size for path in housed.job(job).iterdir()) < 9 * 1024 * 1024


def test_forty_racing_starts_are_one_execution(housed: Any, job: JobName) -> None:
    hosts = [housed.host() for _ in range(4)]
    completed: list[Any] = []

    def start(number: int) -> None:
        completed.append(Detached(hosts[number % 4], job, written("raced"), ignore).run())

    threads = [threading.Thread(target=start, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(one.exit, one.stdout) for one in completed] == [(0, "raced\n")] * 40
    assert housed.ledger("raced") == 1


def test_a_fence_keeps_every_earlier_attempt_from_beginning(housed: Any, job: JobName) -> None:
    host = housed.host()
    states = Job(host, job.at(3)).fence(Heard(ignore))
    assert [one.stage for one in states] == [Stage.FENCED] * 3
    for attempt in (1, 2, 3):
        with pytest.raises(HostSetback, match="it was not started"):
            Detached(host, job.at(attempt), written("fenced"), ignore).run()
    assert Detached(host, job.at(4), written("later"), ignore).run().exit == 0
    assert (housed.ledger("fenced"), housed.ledger("later")) == (0, 1)


def test_a_later_attempt_keeps_earlier_ones_from_arriving_after_it(housed: Any, job: JobName) -> None:
    host = housed.host()
    Detached(host, job.at(2), written("second"), ignore).run()
    with pytest.raises(HostSetback, match="it was not started"):
        Detached(host, job, written("late"), ignore).run()
    assert (housed.ledger("late"), housed.ledger("second")) == (0, 1)


def test_starts_and_fences_that_race_agree_on_one_winner(housed: Any, job: JobName) -> None:
    host, other = housed.host(), housed.host()
    for number in range(10):
        word, name = f"race-{number}", JobName(f"{job.slot}-{number}", 1)
        found: list[Any] = []
        fencer = threading.Thread(target=fence, args=(other, name, found))
        fencer.start()
        with suppress(HostSetback):
            Detached(host, name, written(word), ignore).run()
        fencer.join()
        assert housed.ledger(word) == (found[0].stage is not Stage.FENCED), f"{word}: {found[0]}"


def test_cancelling_ends_everything_the_command_has_started(housed: Any, job: JobName) -> None:
    script = "trap '' TERM; for how in setsid 'env -i' nohup; do $how sleep 61 & echo $! >> pids; done; echo $$ >> pids; sleep 62"
    pids = housed.home / "pids"
    pids.unlink(missing_ok=True)

    def stop(_piece: str) -> None:
        if pids.exists() and len(pids.read_text().split()) == 4:
            raise Stopped("abort: somebody wants it")

    host = housed.host()
    with pytest.raises(Stopped):
        Detached(host, job, Order(script), stop).run()
    assert [pid for pid in pids.read_text().split() if alive(int(pid))] == []
    assert (state(host, job).stage, state(host, job).word) == (Stage.DONE, "killed")


def test_a_command_that_was_never_begun_never_begins_once_it_is_cancelled(housed: Any, job: JobName) -> None:
    host = housed.host()
    assert Job(host, job).kill(Heard(ignore)).stage is Stage.FENCED
    with pytest.raises(HostSetback, match="it was not started"):
        Detached(host, job, written("cancelled"), ignore).run()
    assert housed.ledger("cancelled") == 0


def test_the_host_ends_what_takes_too_long_even_when_nobody_listens(housed: Any, job: JobName) -> None:
    host = housed.host()
    Job(host, job).start(Order("echo $$ > late; setsid sleep 63 & sleep 64", limit=1), Heard(ignore), wait=0)
    wait_for(lambda: state(host, job).stage is Stage.DONE, "the end")
    assert state(host, job).word == "time-out"
    assert not alive(int((housed.home / "late").read_text()))
    with pytest.raises(HostUnclear, match="it was ended there") as caught:
        Detached(host, job, Order("echo $$ > late; setsid sleep 63 & sleep 64"), ignore).resume()
    assert caught.value.verdict is HostVerdict.TIME_OUT


def test_a_host_that_was_restarted_has_lost_the_command_and_says_so(housed: Any, job: JobName) -> None:
    host = housed.host()
    Job(host, job).start(Order("echo once >> ledger; sleep 65"), Heard(ignore), wait=0)
    wait_for(lambda: housed.ledger("once"), "the side effect")
    claim = housed.job(job) / "claim"
    pid, start, boot, digest = claim.read_text().strip().split(".")
    os.killpg(int(pid), signal.SIGKILL)
    subprocess.run(["pkill", "-KILL", "-s", pid], check=False)
    claim.write_text(f"{pid}.{start}.{'0' * len(boot)}.{digest}\n")
    with pytest.raises(HostUnclear, match="the host was restarted") as caught:
        Detached(host, job, Order("echo once >> ledger; sleep 65"), ignore).run()
    assert caught.value.verdict is HostVerdict.LOST
    assert housed.ledger("once") == 1


def test_a_job_whose_runner_was_killed_is_running_as_long_as_the_command_is_and_then_lost(housed: Any, job: JobName) -> None:
    host = housed.host()
    Job(host, job).start(Order("echo $$ > orphan; exec sleep 66"), Heard(ignore), wait=0)
    wait_for((housed.home / "orphan").exists, "the command")
    os.kill(int((housed.job(job) / "claim").read_text().split(".")[0]), signal.SIGKILL)
    assert state(host, job).stage is Stage.RUNNING
    os.kill(int((housed.home / "orphan").read_text()), signal.SIGKILL)
    wait_for(lambda: state(host, job).stage is Stage.LOST, "the loss")
    assert "killed" in state(host, job).word


def test_a_host_that_stands_still_is_noticed_and_the_result_is_fetched_when_it_moves_again(housed: Any, job: JobName) -> None:
    host = housed.host(QUICK)
    frozen: list[int] = []

    def freeze(piece: str) -> None:
        if "begun" in piece and not frozen:
            frozen.append(int((housed.home / "server").read_text()))
            os.kill(frozen[0], signal.SIGSTOP)
            threading.Timer(3, thaw, (frozen[0],)).start()

    Path(housed.home / "server").write_text(host.run("echo $PPID").stdout)
    try:
        order = Order("echo begun; echo stood >> ledger; sleep 1; echo done")
        assert Detached(host, job, order, freeze).run().stdout == "begun\ndone\n"
    finally:
        for pid in frozen:
            thaw(pid)
    assert frozen
    assert housed.ledger("stood") == 1


def test_a_host_that_never_answers_again_is_unclear_after_our_patience(
    housed: Any, job: JobName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detached, "PATIENCE", 1.0)
    begun = threading.Event()

    def gone(_conversation: Conversation) -> bool:
        return begun.is_set()

    with proxied(housed.server.address, housed.server.port, gone, cuts=1000) as proxy:
        host = housed.host(QUICK, port=proxy.port)
        order = Order("echo begun; sleep 2; echo gone >> ledger")
        with pytest.raises(HostUnclear, match="has not answered for 1 s") as caught:
            Detached(host, job, order, lambda piece: begun.set() if "begun" in piece else None).run()
    assert caught.value.verdict is HostVerdict.LOST
    assert Detached(housed.host(), job, order, ignore).resume().exit == 0
    assert housed.ledger("gone") == 1


@pytest.mark.parametrize("command", ["echo a\0b", "echo \udcff"])
def test_what_cannot_arrive_byte_for_byte_is_refused(housed: Any, job: JobName, command: str) -> None:
    host = housed.host()
    with pytest.raises(CommandRefused):
        Detached(host, job, Order(command), ignore).run()
    assert state(host, job).stage is Stage.ABSENT


def test_a_host_where_nothing_can_be_kept_says_so(housed: Any, job: JobName) -> None:
    host = housed.host()
    (housed.home / ".changeover" / "jobs").mkdir(parents=True, exist_ok=True)
    (housed.home / ".changeover" / "jobs" / job.slot).write_text("in the way")
    with pytest.raises(HostSetback, match="cannot keep its jobs in") as caught:
        Detached(host, job, written("never"), ignore).run()
    assert "mode: attached" in caught.value.hint


def test_the_records_of_long_ago_are_cleared_away(housed: Any, job: JobName) -> None:
    jobs = housed.home / ".changeover" / "jobs"
    old, recent = jobs / "old", jobs / "recent"
    for folder, age in ((old, 100), (recent, 10)):
        (folder / "1").mkdir(parents=True)
        os.utime(folder, (time.time() - age * 86400,) * 2)
    Detached(housed.host(), job, Order("true"), ignore).run()
    assert (old.exists(), recent.exists()) == (False, True)
