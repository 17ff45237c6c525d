"""Whatever happens to the way to a host, to the host or to us: the command runs once, or it is lost and said to be."""

from __future__ import annotations

import json
import os
import random
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from changeover.contracts import Completed
from changeover.remote.errors import HostUnclear, HostVerdict
from changeover.remote.job import JobName
from tests.chaos.table import Row, write_rows
from tests.integration.remote import troubles
from tests.integration.remote.conftest import Housed
from tests.integration.remote.troubles import Link, Trial

pytestmark = pytest.mark.timeout(1200)

SOAK = bool(os.environ.get("CHANGEOVER_SOAK"))
TRIALS = 200 if SOAK else 30
PAGE = Path(__file__).parents[3] / "docs" / "reliability.md"
#: Trials under way at once: most of the time each of them waits.
AT_ONCE = 6

Trouble = Callable[[Trial], Completed]


@pytest.fixture
def link(housed: Housed, tmp_path: Path) -> Iterator[Link | None]:
    """Where this account may make one."""
    if not Link.allowed():
        yield None
        return
    with Link(housed.server, tmp_path) as made:
        yield made


def all_troubles(link: Link | None) -> dict[str, Trouble]:
    """Everything, some of it twice; times and moments differ."""
    found: dict[str, Trouble] = {}
    for how, silently in (("cut", False), ("silenced", True)):
        for moment in troubles.moments(Path()):
            found[f"{moment}: {how}"] = partial(troubles.cut, moment=moment, silently=silently)
        found[f"close: {how}"] = partial(troubles.cut_at_the_close, silently=silently)
    for time_of in ("", ", again"):
        found[f"sshd restarted{time_of}"] = troubles.restarted_server
        found[f"engine killed{time_of}"] = troubles.killed_asker
        found[f"host rebooted{time_of}"] = troubles.rebooted_host
    found["host frozen"] = troubles.frozen_host
    found["link down" if link else "host frozen, again"] = (
        partial(troubles.cut_off_host, link=link) if link else troubles.frozen_host
    )
    return found


def judged(trial: Trial, trouble: Trouble, *, may_be_lost: bool) -> str:
    """What became of it, and that nothing else did."""
    try:
        completed = trouble(trial)
    except HostUnclear as error:
        told = error
    else:
        assert (completed.exit, completed.stdout) == (0, f"early\n{trial.word}\n")
        assert trial.housed.ledger(trial.word) == 1
        return "once"
    assert may_be_lost, f"nobody can say what became of it: {told}"
    assert told.verdict is HostVerdict.LOST
    assert "the host was restarted" in str(told)
    with pytest.raises(HostUnclear, match="the host was restarted"):  # nobody who asks again starts it
        trial.ask(trial.housed.host())
    assert trial.housed.ledger(trial.word) <= 1
    return "lost"


@dataclass
class Trials:
    """Goes through many of them, some at once, and adds up what they came to."""

    housed: Housed
    job: JobName
    folder: Path

    def go_through(self, named: Mapping[str, Trouble], family: str) -> Counter[str]:
        """How many of the trials ended how. Fails with all that was wrong, once all are over."""
        seed = int(os.environ.get("CHANGEOVER_CHAOS_SEED", random.SystemRandom().randrange(2**32)))
        print(f"seed {seed}")  # noqa: T201 - to repeat it
        names, began = list(named), time.monotonic()

        def one(number: int) -> tuple[str, str]:
            name = names[number % len(names)]
            return name, self._one(number, named[name], seed, may_be_lost=name.startswith("host rebooted"))

        with ThreadPoolExecutor(AT_ONCE) as pool:
            told = list(pool.map(one, range(TRIALS)))
        wrong = [f"{name}: {ended}" for name, ended in told if ended not in {"once", "lost"}]
        came_to = Counter(ended for _, ended in told if ended in {"once", "lost"})
        print(json.dumps({"trials": len(told), **came_to, "wrong": len(wrong), "seed": seed}))  # noqa: T201 - what it came to
        if SOAK:
            kills = sum(name.startswith("engine killed") for name, _ in told)
            write_rows(PAGE, [Row(family, len(told), kills, len(wrong), round(time.monotonic() - began), seed)])
        assert wrong == []
        return came_to

    def _one(self, number: int, trouble: Trouble, seed: int, *, may_be_lost: bool) -> str:
        folder = self.folder / str(number)
        folder.mkdir()
        chance = random.Random(f"{seed}-{number}")  # noqa: S311 - not a secret
        own = Housed(self.housed.server, self.housed.home, folder)
        trial = Trial(own, f"{self.job.slot}-{number}", f"trial-{number}-{self.job.slot[-8:]}", chance, folder)
        try:
            return judged(trial, trouble, may_be_lost=may_be_lost)
        except Exception:  # noqa: BLE001 - whatever went wrong belongs to this trial, and the others go on
            return f"trial {number}: {traceback.format_exc()}"
        finally:
            for hosts in own.opened:
                hosts.close()


@pytest.fixture
def trials(housed: Housed, job: JobName, tmp_path: Path) -> Trials:
    return Trials(housed, job, tmp_path)


def test_whatever_happens_a_command_runs_once_or_is_lost_and_said_to_be(trials: Trials, link: Link | None) -> None:
    came_to = trials.go_through(
        all_troubles(link), "a command on a host, and something happens to the way, the host or the engine"
    )
    assert came_to["once"] > TRIALS * 3 / 4


def test_cut_at_random_bytes_nothing_runs_twice_and_no_outcome_is_invented(trials: Trials) -> None:
    came_to = trials.go_through({"random bytes": troubles.cut_at_random}, "a command on a host, cut off at random bytes")
    assert came_to["once"] == TRIALS
