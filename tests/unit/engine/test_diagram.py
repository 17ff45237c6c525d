from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from changeover.contracts import Phase, RunState, StepState
from changeover.engine.diagram import page
from changeover.engine.transitions import RUN, STEPS, Move, S
from changeover.journal.events import EventKind

PAGE = Path(__file__).parents[3] / "docs" / "states.md"
ARROW = re.compile(r"^    (\w+) --> (\w+): (.+)$", re.MULTILINE)


def test_the_page_is_the_one_that_the_table_makes() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m changeover.engine.diagram > docs/states.md"


@pytest.mark.parametrize(("number", "states"), [(0, RunState), (1, StepState), (2, StepState)])
def test_every_move_of_the_table_is_an_arrow_and_nothing_else_is(number: int, states: type[RunState | StepState]) -> None:
    drawn = page().split("```mermaid")[1:][number]
    arrows = {(a, b, event.split(" ·")[0]) for a, b, events in ARROW.findall(drawn) for event in events.split(", ")}
    assert arrows == [_moves(RUN), _moves(STEPS[Phase.FORWARD]), _moves(STEPS[Phase.ROLLBACK])][number]
    assert {name for a, b, _ in arrows for name in (a, b)} <= {state.value for state in states}


def _moves(table: Mapping[tuple[S, EventKind], Move[S]]) -> set[tuple[str, str, str]]:
    return {(state.value, move.to.value, event.value) for (state, event), move in table.items() if move.to is not state}
