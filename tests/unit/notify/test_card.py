from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from changeover.contracts import Mode, RunState
from changeover.notify.blocks import HEADER_LIMIT
from changeover.notify.card import card
from changeover.status.model import RunStatus

Status = Callable[..., RunStatus]


def words(status: RunStatus) -> str:
    """Everything that the card's blocks say, in order."""
    said: list[str] = []

    def collect(value: Any) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("text"), str):
                said.append(value["text"])
            for entry in value.values():
                collect(entry)
        elif isinstance(value, list):
            for entry in value:
                collect(entry)

    collect(list(card(status).post.blocks))
    return "".join(said)


@pytest.mark.parametrize("mode", list(Mode))
def test_the_mode_stands_in_the_headline_and_in_the_notification(run_status: Status, mode: Mode) -> None:
    shown = card(run_status(mode=mode)).post
    assert mode.value.upper() in shown.blocks[0]["text"]["text"]
    assert mode.value.upper() in shown.text


def test_it_says_where_the_run_stands_what_it_waits_for_and_how_to_answer(run_status: Status) -> None:
    said = words(run_status())
    assert "▶ RUNNING · LIVE · Fixed-line customers move to the mobile CRM" in said
    assert "Nagy Anna or Szabó Csaba (1 of 2), by Sat 23:30: Reopen the channels?" in said
    assert "changeover approve fixed-line-crm-20270313-1900-k3f9 go --why ..." in said
    assert "deploy[app-2] failed: exit 1: disk full on /srv" in said
    assert "The latest safe start of a rollback is Sun 16:30" in said
    assert "crm-alerts" in said
    assert "UTC+01:00" in said


def test_markup_in_values_is_literal_everywhere(run_status: Status) -> None:
    shown = card(run_status(title="<!channel> & <@U1>")).post
    assert "&lt;!channel&gt; &amp; &lt;@U1&gt;" in shown.text
    types = {
        element["type"] for block in shown.blocks if block["type"] == "rich_text" for element in block["elements"][0]["elements"]
    }
    assert types == {"text"}
    assert shown.blocks[0]["text"]["type"] == "plain_text"
    assert "mrkdwn" not in json.dumps(list(shown.blocks))


def test_a_change_that_people_must_know_at_once_changes_the_mood(run_status: Status) -> None:
    status = run_status()
    mood = card(status).mood
    assert card(replace(status, now=status.now + timedelta(minutes=1), seq=121)).mood == mood
    assert card(replace(status, held=True)).mood != mood
    assert card(replace(status, state=RunState.STOPPING)).mood != mood
    assert card(replace(status, waiting=())).mood != mood
    assert card(replace(status, waiting=(replace(status.waiting[0], got=("Nagy Anna", "Szabó Csaba")),))).mood != mood


def test_a_finished_run_asks_nobody(run_status: Status) -> None:
    said = words(run_status(state=RunState.SUCCEEDED, ended=run_status().now))
    assert "Needs a decision" not in said
    assert "ended Sat 22:30 after 3h" in said


def test_past_the_point_of_no_return_it_says_so(run_status: Status) -> None:
    status = run_status()
    assert "The point of no return (go) has been passed" in words(
        replace(status, outcome=replace(status.outcome, point_passed=True))
    )


def test_a_dead_engine_is_said(run_status: Status) -> None:
    engine = run_status().engine
    assert engine is not None
    assert "NO ENGINE IS ALIVE" in words(run_status(engine=replace(engine, live=False)))


def test_it_stays_within_slacks_limits_however_much_there_is(run_status: Status) -> None:
    status = run_status(title="x" * 500)
    many = replace(
        status,
        stages=status.stages * 50,
        waiting=status.waiting * 50,
        suspensions=status.suspensions * 50,
        steps=status.steps * 50,
    )
    shown = card(many).post
    assert len(shown.blocks) <= 50
    assert len(shown.blocks[0]["text"]["text"]) <= HEADER_LIMIT
    assert len(words(many)) < 12_000
