"""A detached command on the engine's own machine: the same runner as on hosts, with its jobs beside the journal."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from changeover.contracts import Completed, Context, Found, Probe
from changeover.remote.job import Order
from changeover.remote.standing import Aim, Standing, now, together
from changeover.remote.this_machine import ThisMachine
from changeover.steps.completed import stdout_of
from changeover.steps.detached import at_work, fenced, result_of, to_its_end
from changeover.steps.local_process import told


def run_here(context: Context, order: Order, aim: Aim, *, folder: Path, environment: Mapping[str, str]) -> Completed:
    """Start *order*, or stay with an earlier attempt of it that is still at work, to its end."""
    machine = _machine(context, folder, environment)
    history = fenced(context, machine, context.attempt - 1) if context.attempt > 1 else ()

    def hear(piece: str) -> None:
        context.check_stopped()
        if piece:
            context.log(piece)

    return to_its_end(context, machine, order, hear, at_work(history, aim))


def probe_here(context: Context, aim: Aim) -> Probe:
    """Fence the attempt, then find out where it stands."""
    machine = _machine(context, context.folder, {})
    history = fenced(context, machine, context.attempt)
    one = now({machine.name: history}, aim)[machine.name]
    answer = together({machine.name: one})
    if answer.found is not Found.DONE or one.standing is not Standing.DONE:
        return Probe(answer.found, answer.summary)
    completed = result_of(context, machine, one)
    output = {"exit": completed.exit, "stdout": stdout_of(completed), "stderr": completed.stderr}
    return Probe(answer.found, answer.summary, output)


def _machine(context: Context, folder: Path, environment: Mapping[str, str]) -> ThisMachine:
    jobs = {"CHANGEOVER_JOBS": str(context.folder.absolute() / ".changeover" / "jobs")}
    return ThisMachine(folder, {**os.environ, **environment, **told(context), **jobs})
