"""Chat for one run: which channel, whose token, which people; nothing at all when there is no token."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from changeover.contracts import Clock, Kind, Mode
from changeover.journal.events import Event, EventKind
from changeover.journal.records import RunRecord
from changeover.journal.store import Journal
from changeover.notify.card import card
from changeover.notify.correspondent import Correspondent, Pace
from changeover.notify.notifier import Notifier
from changeover.notify.slack import Slack
from changeover.notify.thread import Teller
from changeover.plan.model import Plan
from changeover.runbook.bundle import Bundle
from changeover.runbook.references import ValueMissing
from changeover.runbook.values import Names, text_of
from changeover.secrets import SecretMissing, Secrets
from changeover.status.read import StatusReader
from changeover.status.words import sentence

#: Receives a line for people, and what to do about it.
Report = Callable[[str, str], None]

#: The step kind whose words the whole channel should read.
_ANNOUNCING = "notify"

_CALLING = frozenset({EventKind.DECISION_ASKED, EventKind.STEP_FAILED, EventKind.STEP_ASKED, EventKind.STEP_DIRTY})


def chat_for(
    journal_url: str,
    run: RunRecord,
    bundle: Bundle,
    *,
    root: Path,
    clock: Clock,
    kinds: Mapping[str, Kind],
    report: Report,
    pace: Pace | None = None,
) -> Notifier | None:
    """What tells chat about *run*, not started yet; None (and a word to *report*) when chat is not to be told.

    A dry run has no effects, so it tells nobody; without a token the run's own output has to do.
    """
    chat = bundle.runbook.chat
    if chat is None or not chat.slack or run.mode is Mode.DRY_RUN:
        return None
    try:
        server = text_of(chat.server, Names(bundle, run.inputs, run.id, run.mode.value))
        slack = Slack(token=Secrets(root).resolve(chat.token), channel=chat.slack, server=server)
    except (SecretMissing, ValueMissing) as missing:
        report(f"chat {chat.slack} is not told: {missing}", missing.hint)
        return None
    make = _Making(journal_url, run.id, slack, clock, kinds, report, pace)
    return Notifier(make, clock=clock, report=report)


@dataclass(frozen=True, slots=True)
class _Making:
    """Makes the correspondent, with a journal connection of its own; called in chat's thread."""

    journal_url: str
    run: str
    slack: Slack
    clock: Clock
    kinds: Mapping[str, Kind]
    report: Report
    pace: Pace | None

    def __call__(self, stack: ExitStack) -> Correspondent:
        journal = stack.enter_context(Journal.open(self.journal_url, clock=self.clock, create=False))
        reader = StatusReader(journal, self.run, clock=self.clock, kinds=self.kinds)
        return Correspondent(
            journal=journal,
            run=self.run,
            outlet=self.slack,
            teller=teller_of(reader.record, reader.bundle, reader.plan),
            card=lambda: card(reader.refresh()),
            clock=self.clock,
            report=self.report,
            pace=self.pace,
        )


def teller_of(run: RunRecord, bundle: Bundle, plan: Plan) -> Teller:
    """How the events of *run* become messages."""
    zone = bundle.runbook.zone
    return Teller(
        run=run.id,
        mode=run.mode,
        zone=zone,
        sentence=lambda event: sentence(event, plan, zone, bundle.people),
        members=partial(_members, bundle, plan),
        announces=partial(_announces, plan),
    )


def _members(bundle: Bundle, plan: Plan, event: Event) -> Sequence[str]:
    """The chat ids of those who have to act: who may decide, or who owns what has failed."""
    if event.kind not in _CALLING:
        return ()
    deciders = event.data.get("deciders")
    names = [str(name) for name in deciders] if isinstance(deciders, list) else _owner(plan, event.step)
    found: dict[str, None] = {}
    for name in names:
        for holder in bundle.people.holders(name):
            person = bundle.people.persons.get(holder)
            if person is not None and person.chat:
                found[person.chat] = None
    return tuple(found)


def _owner(plan: Plan, key: str) -> list[str]:
    planned = plan.forward.get(key) or plan.rollback.get(key)
    return [planned.owner] if planned is not None and planned.owner else []


def _announces(plan: Plan, event: Event) -> bool:
    if event.kind is not EventKind.STEP_SAID:
        return False
    planned = plan.forward.get(event.step) or plan.rollback.get(event.step)
    return planned is not None and planned.step.kind == _ANNOUNCING
