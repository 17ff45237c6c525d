"""One clear sentence for every event: what terminal, chat and report show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from changeover.contracts import Value
from changeover.journal.adjustments import words_of
from changeover.journal.events import Event, EventKind
from changeover.plan.model import Plan
from changeover.plan.saying import about, moment
from changeover.runbook.people import People
from changeover.status.names import everybody, person

_UTC: Final = ZoneInfo("UTC")
_NOBODY_KNOWN: Final = People()


def sentence(event: Event, plan: Plan | None = None, zone: ZoneInfo = _UTC, people: People = _NOBODY_KNOWN) -> str:
    """What *event* says to people, without its time; times inside it are those of *zone*, names those of *people*."""
    return _SENTENCES[event.kind](_Telling(event, plan, zone, people))


class _Telling:
    """An event with what is needed to put it into words."""

    __slots__ = ("data", "event", "known", "plan", "zone")

    def __init__(self, event: Event, plan: Plan | None, zone: ZoneInfo, known: People) -> None:
        self.event = event
        self.data: Mapping[str, Value] = event.data
        self.plan = plan
        self.zone = zone
        self.known = known

    @property
    def step(self) -> str:
        """The step's key, with its title where it has one."""
        title = self.data.get("title") or self._title()
        return f"`{self.event.step}` ({title})" if title and title != self.event.step else f"`{self.event.step}`"

    @property
    def key(self) -> str:
        return f"`{self.event.step}`"

    @property
    def attempt(self) -> str:
        return f", attempt {self.event.attempt}" if self.event.attempt > 1 else ""

    @property
    def by(self) -> str:
        """Who did it, as a beginning; the engine when nobody did."""
        return self.who or "the engine"

    @property
    def who(self) -> str:
        """The name of who did it; empty when nobody did."""
        return person(self.known, self.event.who) if self.event.who else ""

    def text(self, name: str) -> str:
        """A value of the event as text; empty when it has none."""
        value = self.data.get(name)
        return "" if value is None else str(value)

    @property
    def what(self) -> str:
        """What is switched off or on."""
        return self.text("what") or "something"

    def because(self, name: str = "why") -> str:
        """``: the reason``, or nothing."""
        return f": {self.text(name)}" if self.text(name) else ""

    def people(self, name: str, *, of_several: bool = False) -> str:
        """Everybody behind a list of persons and roles; ``anybody`` when it is empty."""
        value = self.data.get(name)
        names = everybody(self.known, map(str, value)) if isinstance(value, list) else ()
        return (", " if of_several else " or ").join(names) if names else "anybody"

    def at(self, name: str) -> str:
        """A moment of the event in the runbook's zone."""
        try:
            return moment(datetime.fromisoformat(self.text(name)), self.zone)
        except ValueError:
            return self.text(name)

    def _title(self) -> str:
        if self.plan is None:
            return ""
        try:
            return self.plan.step(self.event.step).step.title
        except KeyError:
            return ""


def _run_planned(said: _Telling) -> str:
    if not said.text("window_opens"):
        return "the run was planned"
    return f"the run was planned for the window from {said.at('window_opens')} to {said.at('window_closes')}"


def _taken_over(said: _Telling) -> str:
    return f"{said.by} took the run over from {said.text('from') or 'another engine'}{said.because()}"


def _engine_started(said: _Telling) -> str:
    through = " through Prefect" if said.text("engine") == "prefect" else ""
    return f"the engine started on {said.text('host') or 'this host'}{through} (process {said.text('pid') or 'unknown'})"


def _rollback_requested(said: _Telling) -> str:
    to = f" to {said.text('to')}" if said.text("to") else ""
    return f"{said.by} asked for the rollback{to}{said.because()}"


def _rollback_started(said: _Telling) -> str:
    steps = said.text("steps")
    return f"the rollback started: {steps} {'step' if steps == '1' else 'steps'} to undo" if steps else "the rollback started"


def _step_started(said: _Telling) -> str:
    return f"{said.step} started{said.attempt}"


def _step_passed(said: _Telling) -> str:
    by = said.text("by")
    proof = {"probe": ", found out by looking at the target", "person": f", on the word of {said.by}"}.get(by, "")
    return f"{said.step} passed{proof}{said.because('summary')}"


def _retrying(said: _Telling) -> str:
    pause = said.data.get("pause")
    wait = f" in {about(timedelta(seconds=pause))}" if isinstance(pause, (int, float)) and pause > 0 else ""
    again = f"{said.who} has {said.key} tried again" if said.who else f"{said.key} is tried again"
    return f"{again}{wait}{said.because('reason')}"


def _skipped(said: _Telling) -> str:
    who = f" by {said.who}" if said.who else ""
    reason = said.text("reason").removeprefix(f"{said.event.who}: ")
    return f"{said.key} was skipped{who}{f': {reason}' if reason else ''}"


def _progressed(said: _Telling) -> str:
    total = said.data.get("total")
    whole = f" of {_number(total)}" if total is not None else ""
    figures = said.data.get("figures")
    rate = figures.get("rate") if isinstance(figures, dict) else None
    speed = f", {_number(rate)} a second" if isinstance(rate, (int, float)) and rate else ""
    return f"{said.key}: {_number(said.data.get('done') or 0)}{whole} {said.text('unit')}".rstrip() + speed


def _adjusted(said: _Telling) -> str:
    by = said.who or said.text("by")
    changes = said.data.get("changes")
    what = words_of(changes) if isinstance(changes, dict) else ""
    return f"{by or 'the engine'} adjusted {said.key}{f' ({what})' if what else ''}{said.because()}"


def _asked(said: _Telling) -> str:
    form = said.text("form")
    if form == "task":
        return f"{said.key} is a task for {said.people('deciders')}{said.because('ask')}"
    quorum = said.data.get("quorum")
    several = isinstance(quorum, int) and quorum > 1
    how_many = f" ({quorum} of them have to agree)" if several else ""
    by = f", by {said.at('by')}" if said.text("by") else ""
    return f"{said.key} asks {said.people('deciders', of_several=several)}{how_many}{by}{said.because('ask')}"


def _given(said: _Telling) -> str:
    answers = {
        "approve": "said go to",
        "refuse": "said no-go to",
        "done": "did",
        "failed": "could not do",
        "typed": "typed the word that was asked for at",
    }
    answer = answers.get(said.text("answer"), f"answered {said.text('answer')} to" if said.text("answer") else "answered")
    evidence = f"; shown: {said.text('evidence')}" if said.text("evidence") else ""
    return f"{said.by} {answer} {said.key}{said.because()}{evidence}"


def _command_answered(said: _Telling) -> str:
    asked = " ".join(word for word in (said.text("verb") or "a command", said.event.step) if word)
    accepted = "was accepted" if said.data.get("accepted") else "was refused"
    by = f" by {said.who}" if said.who else ""
    return f"`{asked}`{by} {accepted}{said.because('text')}"


def _suspended(said: _Telling) -> str:
    resumed = f"until `{said.text('resume_by')}`" if said.text("resume_by") else ""
    expires = f"expires {said.at('expires')}" if said.text("expires") else ""
    until = ", ".join(part for part in (resumed, expires) if part)
    return f"{said.what}: switched off by {said.key}{f' ({until})' if until else ''}"


def _number(value: Value) -> str:
    return f"{value:,.0f}".replace(",", " ") if isinstance(value, (int, float)) else str(value)


_SENTENCES: Final[Mapping[EventKind, Callable[[_Telling], str]]] = {
    EventKind.RUN_PLANNED: _run_planned,
    EventKind.ENGINE_STARTED: _engine_started,
    EventKind.ENGINE_STOPPED: lambda said: f"the engine stopped{said.because()}",
    EventKind.RUN_STARTED: lambda _: "the run started",
    EventKind.RUN_HELD: lambda said: f"{said.by} held the run{said.because()}",
    EventKind.RUN_RELEASED: lambda said: f"{said.by} released the run{said.because()}",
    EventKind.ROLLBACK_REQUESTED: _rollback_requested,
    EventKind.ROLLBACK_STARTED: _rollback_started,
    EventKind.ABORT_REQUESTED: lambda said: f"{said.by} aborted the run{said.because()}",
    EventKind.RUN_SUCCEEDED: lambda _: "the run succeeded",
    EventKind.RUN_ROLLED_BACK: lambda _: "the run was rolled back",
    EventKind.RUN_ABORTED: lambda _: "the run is aborted; nothing of it begins any more",
    EventKind.RUN_TAKEN_OVER: _taken_over,
    EventKind.CHANGE_ACCEPTED: lambda said: f"{said.by} accepted what has changed since the start{said.because('what')}",
    EventKind.WARNED: lambda said: f"warning{said.because('text')}",
    EventKind.STEP_STARTED: _step_started,
    EventKind.STEP_PASSED: _step_passed,
    EventKind.STEP_FAILED: lambda said: f"{said.step} failed{said.attempt}{said.because('reason')}",
    EventKind.STEP_UNKNOWN: lambda said: f"nobody knows whether {said.key} happened{said.because('reason')}",
    EventKind.STEP_ASKED: lambda said: f"only a person can find out whether {said.key} happened{said.because('reason')}",
    EventKind.STEP_RESET: lambda said: f"{said.key} has left nothing behind and can start again{said.because('reason')}",
    EventKind.STEP_RETRYING: _retrying,
    EventKind.STEP_DIRTY: lambda said: f"{said.key} failed and has left something behind{said.because('reason')}",
    EventKind.STEP_SKIPPED: _skipped,
    EventKind.STEP_WAIVED: lambda said: f"{said.by} gave up {said.key}{said.because('reason')}",
    EventKind.STEP_SAID: lambda said: f"{said.key}{said.because('line')}",
    EventKind.STEP_PROGRESSED: _progressed,
    EventKind.STEP_ADJUSTED: _adjusted,
    EventKind.DECISION_ASKED: _asked,
    EventKind.DECISION_GIVEN: _given,
    EventKind.DECISION_LAPSED: lambda said: f"the deadline of {said.key} has passed; the run holds",
    EventKind.COMMAND_ANSWERED: _command_answered,
    EventKind.SUSPENSION_OPENED: _suspended,
    EventKind.SUSPENSION_CLOSED: lambda said: f"{said.what}: switched on again",
    EventKind.SUSPENSION_LEFT: lambda said: f"{said.what}: left switched off, on the word of {said.by}{said.because()}",
}
