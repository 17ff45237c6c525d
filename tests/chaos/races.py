"""Two engines that are started at the same moment, as the program starts them."""

from __future__ import annotations

import os
from typing import Any, Final

from changeover.cli import main
from changeover.cli.exit_codes import ExitCode
from changeover.journal.events import EventKind
from tests.chaos.children import Children
from tests.chaos.templates import Copy, forgotten

_SECONDS: Final = 40.0


def race(copy: Copy, children: Children) -> dict[str, Any]:
    """Start two at once; one has to own the run, the other has to be refused, and nothing may happen twice."""
    reading, writing = os.pipe()

    def racer(name: str) -> int:
        os.chdir(copy.folder)
        os.environ["CHANGEOVER_JOURNAL"] = copy.url
        os.close(writing)
        os.read(reading, 1)  # until the parent lets go: both at once
        return main(["resume", copy.run, "--engine", "local", "--lines", "--who", name])

    racers = [children.fork(lambda name=name: racer(name), copy.folder / f"{name}.log") for name in ("anna", "bela")]  # type: ignore[misc]
    os.close(reading)
    os.close(writing)
    complaints: list[str] = []
    if not children.wait(*racers, seconds=_SECONDS):
        children.kill(*racers)
        complaints.append("they do not end")
    codes = sorted(children.status(pid) for pid in racers)
    said = "; ".join((copy.folder / f"{name}.log").read_text(encoding="utf-8")[-600:] for name in ("anna", "bela"))
    late = codes == [ExitCode.FINE, ExitCode.MISTAKE] and "nothing of it can be changed" in said  # too slow: it was no race
    if codes != [ExitCode.FINE, ExitCode.OWNED] and not late:
        complaints.append(f"they ended with {codes}: {said}")
    with copy.journal() as journal:
        engines = [event.epoch for event in journal.events(copy.run) if event.kind is EventKind.ENGINE_STARTED]
    if len(engines) != 1:
        complaints.append(f"{len(engines)} engines began")
    complaints += copy.judged()
    return {"codes": codes, "kills": [], **forgotten(copy, complaints)}
