"""Started by test_kill.py: forks an engine for every failpoint, lets it be killed, and goes on until the run is over.

A child is a real process that dies by SIGKILL; forking it from here saves the seconds of importing everything anew.
Arguments: a folder, a seed, and the scenarios. Prints one JSON line for each run.
"""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path

from changeover.contracts import RunState
from changeover.engine import failpoints
from changeover.engine.conformance import deviations
from changeover.engine.drive import drive, load_run
from changeover.engine.options import Options
from changeover.journal.fold import fold
from changeover.project import Project
from changeover.testing import Trial

KIND = '''
"""Effects that are counted: a line in a file opened for appending is the truth."""
import os
from dataclasses import dataclass
from pathlib import Path

from changeover.contracts import Context, Found, OnUnknown, Probe, Result, key, step_kind
from changeover.errors import Setback


def lines(context):
    ledger = context.folder / "ledger"
    return ledger.read_text().split("\\n")[:-1] if ledger.exists() else []


@step_kind("effect", shorthand="text")
@dataclass(frozen=True, slots=True)
class Effect:
    """An effect."""

    text: str = key("what", default="")
    fails: bool = key("fails without an effect", default=False)
    aborts: bool = key("asks for an abort after its effect", default=False)

    @property
    def on_unknown(self):
        return OnUnknown.PROBE

    def run(self, context: Context) -> Result:
        if self.fails:
            raise Setback("it failed")
        handle = os.open(context.folder / "ledger", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, f"{context.step}\\n".encode())
        os.close(handle)
        if self.aborts:
            from changeover.engine.clock import SystemClock
            from changeover.journal.events import Command, Verb
            from changeover.journal.store import Journal

            with Journal.open(f"sqlite:///{context.folder / 'journal.db'}", clock=SystemClock()) as journal:
                journal.request(Command(context.run_id, Verb.ABORT, "runner", "fire", "the-abort"))
            context.sleep(0.2)
        return Result("done", {"n": 7})

    def dry_run(self, context: Context) -> Result:
        return Result("would")

    def probe(self, context: Context) -> Probe:
        done = context.step in lines(context)
        return Probe(Found.DONE if done else Found.CLEAN, "looked into the ledger", {"n": 7})
'''

FORWARD = """changeover: 1
id: chaos
stages:
  one:
    steps:
      - {id: a, effect: x, undo: {effect: 'back ${captured.n}'}, capture: {n: $.n}, suspend: {what: alerts, resume_by: f}}
      - {id: b, effect: x, needs: [a], undo: {effect: x}}
      - {id: c, effect: x, needs: [a], undo: {effect: x}}
      - {id: d, effect: 'with ${captured.a.n}', needs: [b, c], undo: {effect: x}}
    rollback: [{id: tidy, effect: x}]
  two:
    steps:
      - {id: e, for_each: {in: [p, q], max_parallel: 2}, effect: x, undo: {effect: x}}
      - LAST
    rollback: {none: the undos are enough}
"""
LAST = {
    "forward": "{id: f, effect: x}",
    "rollback": "{id: f, effect: {fails: true}, retry: {times: 1, every: 0s}, on_failure: roll-back}",
    "abort": "{id: f, effect: {aborts: true}}",
}
#: Events that a scenario has once, or whose first time is the one to look at.
ONCE = {
    "forward": ("run_started", "suspension_opened", "suspension_closed", "run_succeeded"),
    "rollback": (
        "step_failed",
        "step_retrying",
        "step_reset",
        "rollback_requested",
        "rollback_started",
        "run_rolled_back",
    ),
    "abort": ("abort_requested", "run_aborted"),
}
#: Which intents and outcomes are killed at; those of the rollback come after eight forward attempts.
NUMBERS = {"forward": (1, 4), "rollback": (9, 12), "abort": (1,)}
INSIDE = ("intended", "acting", "acted")


def points(scenario: str) -> list[str]:
    """Every failpoint of a scenario, with the passage at which it kills."""
    sides = ("before", "after")
    found = [f"{side}.{kind}:1" for kind in ONCE[scenario] for side in sides]
    for number in NUMBERS[scenario]:
        found += [f"{side}.{kind}:{number}" for kind in ("step_started", "step_passed") for side in sides]
        found += [f"{name}:{number}" for name in INSIDE]
    return found


def child(trial: Trial, armed: str) -> bool:
    """Drive in a process of its own; whether it was killed."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        failpoints.arm(armed)
        options = Options(engine="local", root=trial.root, tell=lambda _: None, stop_grace=2, quiesce_grace=1)
        drive(trial.journal_url, trial.run_id, options)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status)


def one(folder: Path, scenario: str, point: str, dice: random.Random) -> dict[str, object]:
    """A run that is killed at *point*, then at random, and at last left alone."""
    files = {"kinds/effect.py": KIND}
    trial = Trial(folder, FORWARD.replace("LAST", LAST[scenario]), files=files)
    (folder / "kinds").mkdir(parents=True)
    (folder / "kinds" / "effect.py").write_text(KIND)
    trial.create()
    kills = int(child(trial, point))
    if kills:
        kills += int(child(trial, f"*:{dice.randint(1, 40)}"))
    for _ in range(5):
        if not child(trial, ""):
            break
    with trial.journal() as journal:
        record, events = journal.run(trial.run_id), journal.events(trial.run_id)
    _, plan = load_run(record, Project(folder).load_kinds(), folder)
    state = fold(record.id, events)
    return {
        "scenario": scenario,
        "point": point,
        "kills": kills,
        "state": state.state,
        "ledger": (folder / "ledger").read_text().split() if (folder / "ledger").exists() else [],
        "deviations": [deviation.why for deviation in deviations(plan, record.id, events)],
        "suspended": sorted(state.suspensions),
        "final": RunState(state.state).final,
    }


def main() -> None:
    """Run every point of the scenarios that are asked for."""
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    dice = random.Random(seed)  # noqa: S311 - it has to repeat itself
    for scenario in sys.argv[3:]:
        for number, point in enumerate(points(scenario)):
            sys.stdout.write(json.dumps(one(folder / f"{scenario}-{number}", scenario, point, dice)) + "\n")


if __name__ == "__main__":
    main()
