from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from changeover.cli import render
from changeover.cli.stage_signs import STAGE_SIGNS, stage_sign
from changeover.contracts import RunState, StepState
from changeover.status.model import StageState

TABLES: list[Mapping[Any, render.Sign]] = [render.RUN_SIGNS, render.STEP_SIGNS, STAGE_SIGNS, render.VERDICT_SIGNS]


@pytest.mark.parametrize("table", TABLES)
def test_every_state_has_glyph_letter_word_and_style(table: Mapping[Any, render.Sign]) -> None:
    for state in type(next(iter(table))):
        sign = table[state]
        assert len(sign.glyph) == 1
        assert sign.letter.isascii()
        assert sign.word


def test_no_style_is_red_or_green() -> None:
    styles = [sign.style for table in TABLES for sign in table.values()]
    assert not [style for style in styles if "red" in style or "green" in style]


def test_no_two_states_of_a_run_look_the_same() -> None:
    looks = {(sign.glyph, sign.word) for sign in render.RUN_SIGNS.values()}
    assert len(looks) == len(RunState)
    assert len({(sign.glyph, sign.word) for sign in render.STEP_SIGNS.values()}) == len(StepState)


def test_a_stage_that_had_not_begun_when_the_run_ended_is_not_pending_any_more() -> None:
    assert stage_sign(StageState.PENDING, RunState.ROLLED_BACK).word == "not reached"
    assert stage_sign(StageState.PENDING, RunState.ABORTED).word == "not reached"
    assert stage_sign(StageState.PENDING, RunState.RUNNING).word == "pending"
    assert stage_sign(StageState.STOPPED, RunState.ROLLED_BACK).word == "stopped"
    assert stage_sign(StageState.UNDONE, RunState.ROLLED_BACK).word == "undone"


@pytest.mark.parametrize(("time", "said"), [(None, "-"), (48, "48s"), (timedelta(minutes=12, seconds=5), "12m5s"), (0, "0s")])
def test_durations_are_written_as_in_the_language(time: float | timedelta | None, said: str) -> None:
    assert render.duration(time) == said


def test_a_bar_is_full_only_when_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "glyphs_work", lambda: False)
    assert render.bar(0.999, 10) == "#########."
    assert render.bar(1.0, 10) == "##########"
    assert render.bar(None, 4) == "...."


def test_names_in_back_quotes_stand_out() -> None:
    text = render.ticked("`copy` passed: fine")
    assert text.plain == "copy passed: fine"
    assert str(text.spans[0].style) == "bold"
