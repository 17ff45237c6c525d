"""The state diagrams of docs/states.md, made from the table: ``python -m changeover.engine.diagram`` writes the page."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping

from changeover.contracts import RunState, StepState
from changeover.engine.transitions import FORWARD, ROLLBACK, RUN, Actor, Move, S
from changeover.journal.events import EventKind

_PAGE = """# States

This page is made from the one table by which everything moves, `changeover/engine/transitions.py`; a test compares the two.
Whatever does not stand here is refused, by name, before it is written. Every arrow is an event in the journal; behind the event
stands who may cause it, when it is not the engine alone. Notes, which change no state, are left out.

Conditions that need more than two states (dependencies, the point of no return, what is still in doubt) stand beside the table,
in `changeover/engine/projection.py`, and are checked in the same transaction.

## A run

*Held* is no state: it is a flag beside *running*, *stopping*, *rolling back* and *aborting*, and lets no step begin.

{run}

## A step forward

*Retrying* is tainted: something of an earlier attempt may be out there. *Unknown* may have happened; it becomes neither a success
nor another try before somebody or something has looked.

{forward}

## Its undo, or a stage's rollback step

{rollback}
"""

_BY = {
    Actor.ENGINE: "",
    Actor.PERSON: " · a person",
    Actor.EITHER: " · engine or person",
    Actor.TWO_PEOPLE: " · two people",
}


def page() -> str:
    """The whole page."""
    return _PAGE.format(
        run=_diagram(RUN, RunState.PLANNED, [state.value for state in RunState if state.final]),
        forward=_diagram(FORWARD, StepState.PENDING, [StepState.PASSED.value]),
        rollback=_diagram(ROLLBACK, StepState.PENDING, [StepState.PASSED.value, StepState.WAIVED.value]),
    )


def _diagram(table: Mapping[tuple[S, EventKind], Move[S]], first: S, last: Iterable[str]) -> str:
    ends: list[str] = [f"    {state} --> [*]" for state in last]
    return "\n".join(["```mermaid", "stateDiagram-v2", f"    [*] --> {first.value}", *_arrows(table), *ends, "```"])


def _arrows(table: Mapping[tuple[S, EventKind], Move[S]]) -> Iterator[str]:
    """One arrow for each pair of states, with every event that leads from the one to the other."""
    labels: dict[tuple[S, S], list[str]] = {}
    for (state, event), move in table.items():
        if move.to is not state:
            labels.setdefault((state, move.to), []).append(f"{event.value}{_BY[move.by]}")
    for (state, to), events in labels.items():
        yield f"    {state.value} --> {to.value}: {', '.join(events)}"


if __name__ == "__main__":
    sys.stdout.write(page())
