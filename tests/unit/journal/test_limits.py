from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.journal.events import Command, Draft, EventKind, Verb
from changeover.journal.limits import CAPTURED_LIMIT, EVENT_LIMIT, PEOPLE_LIMIT, check_captured, check_command, fitting
from changeover.journal.store import CapturedTooLarge, CommandTooLarge, EventTooLarge


def cut(draft: Draft) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(fitting(draft))
    return found


def test_an_ordinary_event_stays_as_it_is() -> None:
    assert cut(Draft(EventKind.STEP_SAID, "a", 1, data={"line": "3 of 3 hosts"})) == {"line": "3 of 3 hosts"}


def test_an_over_long_line_is_cut_and_says_how_long_it_was() -> None:
    line = cut(Draft(EventKind.STEP_SAID, "a", 1, data={"line": "x" * 5000}))["line"]
    assert line.startswith("xxx")
    assert line.endswith("… (5000 characters)")


@given(
    st.dictionaries(
        st.sampled_from(["reason", "summary", "line", "figures", "verdict"]),
        st.text(st.characters(codec="utf-8"), min_size=200, max_size=3000)
        | st.lists(st.integers(), max_size=500)
        | st.dictionaries(st.text(max_size=30), st.text(max_size=50), max_size=60),
    )
)
def test_whatever_is_in_it_an_event_of_prose_and_figures_fits(data: dict[str, Any]) -> None:
    assert len(fitting(Draft(EventKind.STEP_FAILED, "a", 1, data=data)).encode()) <= EVENT_LIMIT


def test_of_many_figures_the_first_stay_and_the_rest_is_counted() -> None:
    figures = {f"table_{number:03}": number for number in range(300)}
    verdict = cut(Draft(EventKind.STEP_PASSED, "a", 1, data={"verdict": {"answer": "passed", "figures": figures}}))["verdict"]
    assert verdict["answer"] == "passed"
    assert verdict["figures"]["table_000"] == 0
    assert verdict["figures"]["…"] == f"{300 - (len(verdict['figures']) - 1)} more"


def test_a_question_is_kept_in_full_where_a_line_would_be_cut() -> None:
    ask = "Перевірте, чи всі магазини зачинені. " * 40
    assert cut(Draft(EventKind.DECISION_ASKED, "gate", data={"ask": ask}))["ask"] == ask
    assert len(ask.encode()) > EVENT_LIMIT


def test_captured_values_are_kept_whole_beside_a_cut_summary() -> None:
    captured = {"ids": list(range(2000))}
    found = cut(Draft(EventKind.STEP_PASSED, "a", 1, data={"summary": "y" * 4000, "captured": captured}))
    assert found["captured"] == captured
    assert found["summary"].endswith("(4000 characters)")


def test_captured_values_over_the_limit_are_refused_by_step_and_size() -> None:
    captured = {"dump": "z" * CAPTURED_LIMIT}
    with pytest.raises(CapturedTooLarge, match="'export' captured 16,395 bytes") as refused:
        fitting(Draft(EventKind.STEP_PASSED, "export", 1, data={"captured": captured}))
    assert "$.id" in refused.value.hint
    with pytest.raises(CapturedTooLarge):
        check_captured("export", captured)


def test_captured_values_just_at_the_limit_are_taken() -> None:
    check_captured("export", {"dump": "z" * (CAPTURED_LIMIT - len('{"dump":""}'))})


def test_a_name_that_means_something_is_never_cut() -> None:
    with pytest.raises(EventTooLarge, match="suspension_opened of step 'mute'"):
        fitting(Draft(EventKind.SUSPENSION_OPENED, "mute", data={"what": "w" * 2000}))


def test_a_person_who_writes_too_much_is_told_before_anything_is_stored() -> None:
    command = Command("crm-1", Verb.DONE, "oksana", "", "k", data={"evidence": "e" * PEOPLE_LIMIT})
    with pytest.raises(CommandTooLarge, match="at most 8,192 fit"):
        check_command(command)


def test_a_deep_nest_of_long_names_is_counted_when_nothing_else_makes_it_fit() -> None:
    deep = {f"{'name' * 20}-{n}": {f"{'inner' * 20}-{m}": ["w" * 40] * 9 for m in range(9)} for n in range(9)}
    text = fitting(Draft(EventKind.STEP_PASSED, step="deploy/app", data={f"measured {n}": deep for n in range(6)}))
    assert len(text.encode()) <= EVENT_LIMIT
    assert "… 9 entries" in text
