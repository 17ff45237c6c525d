"""A whole run told to a Web API that limits, fails and comes back, while the journal goes on being written."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from changeover.contracts import Mode, registered_kinds
from changeover.engine.clock import SystemClock
from changeover.engine.create import create_run
from changeover.journal.events import Draft, EventKind
from changeover.journal.records import Lease, Owner, RunRecord
from changeover.journal.store import Journal
from changeover.notify.chat import chat_for
from changeover.notify.correspondent import Pace
from changeover.notify.notifier import Notifier
from changeover.plan.graph import build_plan
from changeover.project import Project
from changeover.runbook.bundle import Bundle
from changeover.runbook.load import load

FakeSlack = Any  # the fixture of conftest.py

RUNBOOK = """
changeover: 1
id: crm
title: A <small> cutover
timezone: Europe/Budapest
people: people.yaml
chat: {slack: '#cutover-crm', token: 'env:TEST_SLACK_TOKEN', server: 'SERVER'}
stages:
  freeze:
    owner: lead
    steps:
      - id: copy
        shell: 'true'
        expect: 5s
      - id: go
        gate: {ask: 'Reopen <!here>?', deciders: [lead]}
        expect: 5s
      - id: tell
        notify: we are back
    rollback: {none: nothing to undo}
"""

#: The pace of chat, ten times as fast.
QUICK = Pace(card=0.2, refresh=5, thread=0.5, post=0.02, away=(0.1, 0.2, 0.3), refused=0.3)


@dataclass
class Night:
    """A run whose events the test writes, and the chat that is told."""

    url: str
    journal: Journal
    record: RunRecord
    bundle: Bundle
    root: Path
    lease: Lease
    reports: list[str] = field(default_factory=list)

    def write(self, kind: EventKind, step: str = "", attempt: int = 0, who: str = "", **data: Any) -> None:
        self.journal.append(self.lease, [Draft(kind, step, attempt, who, data)])

    def chat(self) -> Notifier | None:
        return chat_for(
            self.url,
            self.record,
            self.bundle,
            root=self.root,
            clock=SystemClock(),
            kinds=registered_kinds(),
            report=lambda text, _: self.reports.append(text),
            pace=QUICK,
        )


@pytest.fixture
def night(tmp_path: Path, slack: FakeSlack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Night]]:
    monkeypatch.setenv("TEST_SLACK_TOKEN", slack.token)
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "runbooks" / "crm.yaml").write_text(RUNBOOK.replace("SERVER", slack.address), encoding="utf-8")
    people = "persons: {anna: {name: Nagy Anna, chat: U7ANNA}}\nroles: {lead: {person: anna}}\n"
    (tmp_path / "runbooks" / "people.yaml").write_text(people, encoding="utf-8")
    url = f"sqlite:///{tmp_path}/journal.db"
    kinds = Project(tmp_path).load_kinds()
    with Journal.open(url, clock=SystemClock()) as journal:

        def begin(mode: Mode = Mode.REHEARSE) -> Night:
            bundle = load(tmp_path / "runbooks" / "crm.yaml", environment=None, kinds=kinds, root=tmp_path).bundle
            assert bundle is not None
            record = create_run(
                journal,
                bundle,
                build_plan(bundle, inputs={}, mode=mode),
                file="runbooks/crm.yaml",
                mode=mode,
                runner="anna",
                inputs={},
                clock=SystemClock(),
            )
            lease = journal.take_lease(record.id, Owner("anna", "here", 1), seconds=600)
            return Night(url, journal, record, bundle, tmp_path, lease)

        yield begin


def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        threading.Event().wait(0.02)


def started(night: Night) -> Notifier:
    chat = night.chat()
    assert chat is not None
    chat.start()
    return chat


def test_one_card_is_updated_and_the_thread_tells_the_rest(night: Callable[..., Night], slack: FakeSlack) -> None:
    run = night()
    chat = started(run)
    run.write(EventKind.RUN_STARTED)
    until(lambda: bool(slack.cards))
    run.write(EventKind.STEP_STARTED, "copy", 1, title="copy", stage="freeze", phase="forward")
    run.write(EventKind.STEP_PASSED, "copy", 1, summary="fine")
    run.write(EventKind.DECISION_ASKED, "go", 0, ask="Reopen <!here>?", form="approval", deciders=["lead"], quorum=1)
    until(lambda: any("go" in line for line in slack.thread))
    assert chat.stop(5)
    [card] = slack.cards
    assert "REHEARSE" in card["text"]
    assert card["channel"] in {"#cutover-crm", "C0CRM"}
    said = [line.split(" ", 1)[1] for line in slack.thread[:3]]
    assert re.fullmatch(r"the run started \(journal row 2, head `[0-9a-f]{16}`\)", said[0])
    assert said[1:] == ["`copy` started", "`copy` passed: fine"]
    assert all("REHEARSE" in body["text"] for _, body in slack.calls)
    assert "<!" not in "".join(body["text"] for _, body in slack.calls)
    assert {"type": "user", "user_id": "U7ANNA"} in slack.calls_with("go")[0]["blocks"][0]["elements"][0]["elements"]


def test_what_a_notify_step_says_is_shown_to_the_whole_channel(night: Callable[..., Night], slack: FakeSlack) -> None:
    run = night()
    chat = started(run)
    run.write(EventKind.RUN_STARTED)
    run.write(EventKind.STEP_STARTED, "tell", 1, title="tell", stage="freeze", phase="forward")
    run.write(EventKind.STEP_SAID, "tell", 1, line="we are back")
    assert chat.stop(5)
    [told] = slack.calls_with("we are back")
    assert told["reply_broadcast"] in {True, "1"}


@pytest.mark.parametrize("trouble", ["503", "cut", "hang"])
def test_an_outage_slows_nobody_and_loses_nothing(night: Callable[..., Night], slack: FakeSlack, trouble: str) -> None:
    run = night()
    chat = started(run)
    run.write(EventKind.RUN_STARTED)
    until(lambda: bool(slack.thread))
    slack.down = trouble
    run.write(EventKind.STEP_STARTED, "copy", 1, title="copy", stage="freeze", phase="forward")
    began = time.monotonic()
    for number in range(200):
        run.write(EventKind.STEP_SAID, "copy", 1, line=f"line {number}")
    assert time.monotonic() - began < 10  # writing did not wait for chat
    threading.Event().wait(1.2)
    slack.down = ""
    assert chat.stop(20)
    said = [int(line.rsplit(" ", 1)[1]) for line in slack.thread if "line " in line]
    assert said == list(range(200))
    assert run.reports[-1:] in ([], ["chat is back; what it missed follows in order"])


def test_retry_after_is_obeyed_and_the_order_kept(night: Callable[..., Night], slack: FakeSlack) -> None:
    slack.limit_next = 3
    run = night()
    chat = started(run)
    run.write(EventKind.RUN_STARTED)
    for number in range(6):
        run.write(EventKind.STEP_FAILED, "copy", 1, reason=f"line {number}")
        threading.Event().wait(0.15)
    assert chat.stop(20)
    assert slack.limited == 3
    assert slack.refused_early == 0
    assert [int(line.rsplit(" ", 1)[1]) for line in slack.thread if "line " in line] == list(range(6))


def test_another_process_goes_on_in_the_same_thread(night: Callable[..., Night], slack: FakeSlack) -> None:
    run = night()
    first = started(run)
    run.write(EventKind.RUN_STARTED)
    assert first.stop(5)
    run.write(EventKind.RUN_HELD, who="anna", why="coffee")
    second = started(run)
    assert second.stop(5)
    assert len(slack.cards) == 1
    begun, held = [line.split(" ", 1)[1] for line in slack.thread]
    assert begun.startswith("the run started (journal row 2, head ")
    assert held == "Nagy Anna held the run: coffee"


def test_a_wrong_token_is_said_once_with_its_cure_and_never_shown(
    night: Callable[..., Night], slack: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_SLACK_TOKEN", "xoxb-something-else")
    run = night()
    chat = started(run)
    run.write(EventKind.RUN_STARTED)
    until(lambda: bool(run.reports))
    assert not chat.stop(0.5)
    assert run.reports == ["chat refuses: invalid_auth"]


def test_without_a_token_nothing_is_told_and_it_says_so(night: Callable[..., Night], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_SLACK_TOKEN")
    run = night()
    assert run.chat() is None
    assert run.reports[0].startswith("chat #cutover-crm is not told: ")


def test_a_dry_run_tells_nobody(night: Callable[..., Night]) -> None:
    run = night(Mode.DRY_RUN)
    assert run.chat() is None
    assert run.reports == []
