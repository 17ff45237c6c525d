"""How much CPU time lint and plan take for runbooks of 5,000 and 20,000 steps, and whether the cost is linear.

Prints one JSON line a size, then one with the ratios: `python benchmarks/lint_and_plan.py [STEPS ...]`.
"""

# ruff: noqa: INP001 - a script, not a package

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar, cast

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from changeover.contracts import Kind
from changeover.plan.graph import build_plan
from changeover.plan.lint import findings
from changeover.plan.outlook import outlook
from changeover.project import Project
from changeover.runbook.lint import lint
from changeover.runbook.load import load

SIZES: Final = (5_000, 20_000)
_STEPS_IN_A_STAGE: Final = 50
_WIDE: Final = 500  # two stages of so many parallel steps in a row: a naive graph would join them pair by pair
T = TypeVar("T")


def runbook(steps: int) -> Iterator[str]:
    """The lines of a runbook of *steps* steps: chains, parallel groups, undos, background steps and wide stages."""
    yield "changeover: 1\nid: large\ntitle: A large cutover\ntimezone: Europe/Budapest\n"
    yield "window: {opens: 2027-03-13 19:00, closes: 2027-04-30 21:00}\n"
    yield "inputs: {wave: {type: choice, of: [residential, business], default: residential}}\nstages:\n"
    written = 0
    number = 0
    while written < steps:
        wide = number % 20 in {7, 8}
        count = min(_WIDE if wide else _STEPS_IN_A_STAGE, steps - written)
        yield f"  stage-{number}:\n    title: Stage {number}\n    owner: somebody\n    steps:\n"
        yield from _wide(written, count) if wide else _chain(written, count)
        yield f"    rollback: [{{id: back-{number}, shell: 'restore {number}', expect: 30s}}]\n"
        written += count
        number += 1


def _chain(first: int, count: int) -> Iterator[str]:
    for number in range(first, first + count):
        extra = ""
        if number % 10 == 0:
            extra += ", background: true"
        if number % 5 == 1:
            extra += f", undo: {{shell: 'undo {number}'}}"
        if number % 25 == 1:
            extra += ", when: '${inputs.wave} == residential'"
        yield f"      - {{id: step-{number}, title: Step {number}, shell: 'do {number}', expect: 10s{extra}}}\n"


def _wide(first: int, count: int) -> Iterator[str]:
    yield "      - parallel:\n"
    for number in range(first, first + count):
        yield f"          - {{id: step-{number}, shell: 'do {number}', expect: 10s, undo: {{shell: 'undo {number}'}}}}\n"


def measure(steps: int, kinds: dict[str, Kind]) -> dict[str, float | int]:
    """Seconds of each part for *steps* steps."""
    text = "".join(runbook(steps))
    sources = {"large.yaml": text}
    load_s, loaded = timed(lambda: load(Path("large.yaml"), environment=None, kinds=kinds, root=Path(), read=sources.__getitem__))
    if loaded.bundle is None:
        raise SystemExit(f"the generated runbook does not load: {loaded.findings[0]}")
    bundle = loaded.bundle
    lint_s, _ = timed(lambda: lint(bundle, kinds=kinds))
    graph_s, plan = timed(lambda: build_plan(bundle, inputs={}))
    if len(plan.forward) != steps:
        raise SystemExit(f"{len(plan.forward)} steps were planned instead of {steps}")
    times_s, view = timed(lambda: outlook(bundle, plan))
    found_s, _ = timed(lambda: findings(bundle, view))
    return {
        "steps": steps,
        "kilobytes": len(text) // 1024,
        "load_s": round(load_s, 3),
        "lint_s": round(lint_s, 3),
        "plan_s": round(graph_s + times_s + found_s, 3),
    }


def timed(action: Callable[[], T]) -> tuple[float, T]:
    """The best of three times of *action*, in CPU seconds (other programs do not count), and its result."""
    best, result = float("inf"), None
    for _ in range(3):
        result = None
        gc.collect()
        begin = time.process_time()
        result = action()
        best = min(best, time.process_time() - begin)
    return best, cast("T", result)


def main() -> None:
    """Measure the sizes of the command line."""
    sizes = [int(argument) for argument in sys.argv[1:]] or list(SIZES)
    kinds = dict(Project(Path(__file__).resolve().parents[1]).load_kinds())
    measured = []
    for size in sizes:
        measured.append(measure(size, kinds))
        sys.stdout.write(json.dumps(measured[-1]) + "\n")
    first, last = measured[0], measured[-1]
    if len(measured) > 1:
        ratios = {part: round(last[part] / first[part], 2) for part in ("load_s", "lint_s", "plan_s")}
        sys.stdout.write(json.dumps({"ratio_of_steps": last["steps"] / first["steps"], **ratios}) + "\n")


if __name__ == "__main__":
    main()
