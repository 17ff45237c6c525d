from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from changeover.cli.demo_view import DemoView, comparison_table, fingerprint_table
from changeover.journal.events import Event, EventKind
from changeover.plan.graph import build_plan
from changeover.project import Project
from changeover.runbook.load import load
from changeover.sandbox.cast import Act
from changeover.sandbox.comparison import Compared
from changeover.sandbox.fingerprint import Fact

ROOT = Path(__file__).resolve().parents[3]
START = datetime(2027, 3, 13, 18, tzinfo=UTC)


@dataclass
class Seen:
    """A view whose reader knows the shipped runbook, and what it wrote."""

    out: io.StringIO = field(default_factory=io.StringIO)
    seq: int = 0

    def __post_init__(self) -> None:
        loaded = load(ROOT / "runbooks/telecom-crm.yaml", environment="production", kinds=Project(ROOT).load_kinds(), root=ROOT)
        self.bundle = loaded.bundle
        assert self.bundle is not None
        self.plan = build_plan(self.bundle, inputs={"ticket": "CHG-1"})
        self.view = DemoView(Console(file=self.out, width=200, highlight=False), lambda _run: self)  # type: ignore[arg-type,return-value]
        self.view.begins("run-1")

    def event(self, kind: EventKind, step: str = "", *, after: float = 0, **data: Any) -> None:
        self.seq += 1
        given: Mapping[str, Any] = data
        self.view.sees(Event("run-1", self.seq, START + timedelta(seconds=after), 1, kind, step, 1, "", given))

    @property
    def text(self) -> str:
        return self.out.getvalue()


@pytest.fixture
def seen() -> Seen:
    return Seen()


def test_a_stage_has_its_head_once_and_each_step_its_line(seen: Seen) -> None:
    for number, step in enumerate(("stop-orders", "orders-are-refused")):
        seen.event(EventKind.STEP_STARTED, step, after=number)
        seen.event(EventKind.STEP_PASSED, step, after=number + 0.5, summary="done")
    assert seen.text.count("== Stop taking orders") == 1
    assert "stop-orders" in seen.text
    assert "0.5 s" in seen.text


def test_a_check_tells_its_figures_and_a_failure_its_reason(seen: Seen) -> None:
    seen.event(EventKind.STEP_STARTED, "every-row-arrived")
    seen.event(EventKind.STEP_PASSED, "every-row-arrived", summary="10 of 10 rows")
    seen.event(EventKind.STEP_STARTED, "pages-show-canary")
    seen.event(EventKind.STEP_FAILED, "pages-show-canary", reason="it answers 404")
    assert "10 of 10 rows" in seen.text
    assert "it answers 404" in seen.text


def test_a_rollback_has_heads_of_its_own(seen: Seen) -> None:
    seen.event(EventKind.ROLLBACK_REQUESTED, why="the smoke test failed")
    seen.event(EventKind.STEP_STARTED, "take-back")
    seen.event(EventKind.STEP_PASSED, "take-back", summary="5 rows deleted")
    assert "the smoke test failed" in seen.text
    assert "== back: Customers, services" in seen.text


def test_a_question_says_whom_it_asks_and_a_person_types_the_answer(seen: Seen) -> None:
    seen.event(EventKind.DECISION_ASKED, "go", ask="Do we reopen?", deciders=["data-lead"], form="approval")
    seen.view.types(Act("dora", ()), ["approve", "go", "--why", "sums agree"])
    seen.view.refuses(Act("dora", ()), "error: you started it")
    assert "asks data-lead: Do we reopen?" in seen.text
    assert "Dóra Szűcs: $ changeover approve go --why 'sums agree'" in seen.text
    assert "is told: error: you started it" in seen.text


def test_progress_of_the_migration_is_told_now_and_then(seen: Seen) -> None:
    seen.event(EventKind.STEP_STARTED, "copy")
    for second in range(1, 8):
        seen.event(EventKind.STEP_PROGRESSED, "copy", after=second, done=second * 1000, total=9000, unit="rows")
    assert seen.text.count("of 9,000 rows") == 3


def test_words_that_would_move_the_cursor_do_not(seen: Seen) -> None:
    seen.event(EventKind.STEP_FAILED, "copy", reason="\x1b[2Jgone")
    assert "\x1b" not in seen.text


def test_the_tables_say_whether_everything_agrees(seen: Seen) -> None:
    same = Compared("customers", 10, 5, 5, "abc", "abc")
    assert comparison_table(seen.view, [same])
    assert not comparison_table(seen.view, [same, Compared("services", 7, 5, 4, "abc", "abd")])
    assert "NO" in seen.text
    before = (Fact("channel", "web-shop", "open"),)
    assert fingerprint_table(seen.view, before, before)
    assert not fingerprint_table(seen.view, before, (Fact("channel", "web-shop", "closed"),))
    assert not fingerprint_table(seen.view, before, (*before, Fact("host", "app-1", "x")))
