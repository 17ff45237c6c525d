"""What the journal costs: appending and folding many events, the bytes of each, and how soon a person's command is answered.

One JSON line a measurement: `python benchmarks/journal.py [EVENTS]`. The fold must cost about the same for each event, however
many there are. Commands are measured on SQLite, and on PostgreSQL where it is installed.
"""

# ruff: noqa: INP001 - a script, not a package

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from changeover.contracts import Mode, StepState
from changeover.engine.clock import SystemClock
from changeover.journal.audit import audit
from changeover.journal.events import Draft, EventKind, Verb
from changeover.journal.fold import fold
from changeover.journal.records import Owner, RunRecord
from changeover.journal.store import Journal
from changeover.sandbox.servers import postgresql
from changeover.testing import Trial

_EVENTS: Final = 100_000
_BATCH: Final = 500
_COMMANDS: Final = 40
_TOLD: Final = 400  # characters of the line that a step says


def drafts(events: int) -> Iterator[Draft]:
    """What steps write: an intent, a line, progress, an outcome with values."""
    for number in range(events // 4):
        step = f"step-{number}"
        yield Draft(EventKind.STEP_STARTED, step, 1, data={"title": f"Step {number}", "stage": "work", "phase": "forward"})
        yield Draft(EventKind.STEP_SAID, step, 1, data={"line": "x" * _TOLD})
        yield Draft(EventKind.STEP_PROGRESSED, step, 1, data={"done": number, "total": events, "unit": "rows", "figures": {}})
        yield Draft(EventKind.STEP_PASSED, step, 1, data={"summary": "done", "by": "engine", "captured": {"id": number}})


def journal(events: int) -> dict[str, float | int]:
    """Seconds of appending, reading, folding and proving so many events, and the bytes of each in the file."""
    clock = SystemClock()
    with tempfile.TemporaryDirectory(prefix="changeover-bench-") as folder:
        file = Path(folder) / "journal.db"
        with Journal.open(f"sqlite:///{file}", clock=clock) as opened:
            opened.create_run(RunRecord("night", "x", "X", "", Mode.REHEARSE, "anna", clock.now(), "", "x.yaml", {}, {}, {}))
            lease = opened.take_lease("night", Owner("anna", "here", 1), seconds=3600)
            every = list(drafts(events))
            append = _seconds()
            for begin in range(0, len(every), _BATCH):
                opened.append(lease, every[begin : begin + _BATCH])
            append = _seconds() - append
            read = _seconds()
            found = opened.events("night")
            read = _seconds() - read
            folded = _seconds()
            fold("night", found)
            folded = _seconds() - folded
            prove = _seconds()
            if audit(opened.record("night")).wrong:
                raise SystemExit("the journal is not whole")
            prove = _seconds() - prove
        size = file.stat().st_size
    figures = {"append_s": append, "read_s": read, "fold_s": folded, "audit_s": prove}
    return {
        "events": len(every),
        **{name: round(took, 2) for name, took in figures.items()},
        "bytes_an_event": size // len(every),
    }


def _seconds() -> float:
    return time.process_time()


def answers(address: str) -> dict[str, float | int]:
    """Milliseconds from writing a command to its answer, as somebody at another terminal sees it."""
    text = "changeover: 1\nid: x\ntitle: X\nstages:\n  all:\n    steps:\n      - {id: a, shell: 'sleep 600', repeatable: true}\n"
    with tempfile.TemporaryDirectory(prefix="changeover-bench-") as folder:
        run = Trial(Path(folder), f"{text}    rollback: {{none: nothing}}\n", address=address)
        run.start(quiesce_grace=0.0)
        run.until(lambda state: state.step("a").state is StepState.RUNNING)
        taken: list[float] = []
        for number in range(_COMMANDS):
            began = time.perf_counter()
            run.command(Verb.RELEASE if number % 2 else Verb.HOLD)
            taken.append((time.perf_counter() - began) * 1000)
        run.interrupt()
    taken.sort()
    return {"commands": _COMMANDS, "median_ms": round(statistics.median(taken)), "worst_ms": round(taken[-1])}


def tell(**figures: object) -> None:
    """Print one line."""
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Measure."""
    events = int(sys.argv[1]) if sys.argv[1:] else _EVENTS
    few, many = journal(events // 4), journal(events)
    tell(measured="journal", **few)
    tell(measured="journal", **many)
    tell(ratio_of_events=4, **{name: round(many[name] / max(few[name], 0.01), 1) for name in ("append_s", "read_s", "fold_s")})
    tell(measured="commands", journal="sqlite", **answers(""))
    if postgresql.find() is None:
        tell(measured="commands", journal="postgresql", left_out="PostgreSQL is not installed")
        return
    with tempfile.TemporaryDirectory(prefix="changeover-bench-", ignore_cleanup_errors=True) as folder:
        server = postgresql.start(Path(folder) / "server", password="bench", fsync=True)  # noqa: S106 - it lives for seconds
        try:
            tell(measured="commands", journal="postgresql", **answers(postgresql.create_database(server, "journal")))
        finally:
            postgresql.stop(server.process, server.folder)


if __name__ == "__main__":
    main()
