"""How a command of a person reaches the engine: shown, confirmed, written into the journal, waited for."""

from __future__ import annotations

import json
import socket
import sys
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from changeover.cli import render
from changeover.cli.choosing import active_run
from changeover.cli.exit_codes import ExitCode
from changeover.cli.failing import complain, warn
from changeover.cli.people import acting_person, called, login_name
from changeover.cli.session import Session, open_session
from changeover.cli.wording import PLACEHOLDERS, command
from changeover.contracts import RunState, Value
from changeover.errors import Mistake
from changeover.journal.errors import JournalUnavailable, NoSuchRun
from changeover.journal.events import Command, CommandRecord, Verb
from changeover.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable

    from changeover.status.model import RunStatus
    from changeover.status.read import StatusReader

#: Seconds between two looks at what became of a command.
_LOOK: Final = 0.1


@dataclass(eq=False)
class NoReason(Mistake):
    """What a person does stands in the record with a reason."""

    verb: str

    def __str__(self) -> str:
        return f"say why: `{self.verb}` stands in the record with a reason"

    @property
    def hint(self) -> str:
        return "--why 'in your own words'"


@dataclass(eq=False)
class RunOver(Mistake):
    """Nothing of a run changes after its end."""

    run: str
    state: RunState

    def __str__(self) -> str:
        return f"{self.run} is {self.state.value.replace('_', ' ')}; nothing of it can be changed any more"

    @property
    def hint(self) -> str:
        return f"read how it went: `changeover report {self.run}`"


@dataclass(eq=False)
class NoSuchStep(Mistake):
    """The run has no step of that name."""

    run: str
    step: str
    near: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.run} has no step {self.step!r}"

    @property
    def hint(self) -> str:
        return f"did you mean {' or '.join(self.near)}?" if self.near else f"`changeover status {self.run}` lists them"


@dataclass(eq=False)
class WhichStep(Mistake):
    """A step has to be named."""

    verb: str
    candidates: tuple[str, ...]

    def __str__(self) -> str:
        if not self.candidates:
            return f"no step waits for `{self.verb}` now; if you mean another one, name it"
        return f"say which step to `{self.verb}`: {', '.join(self.candidates)}"

    @property
    def hint(self) -> str:
        return f"`changeover {self.verb} {self.candidates[0]} ...`" if self.candidates else "`changeover status` says what waits"


@dataclass(eq=False)
class NotConfirmed(Mistake):
    """Somebody has to confirm, and nobody can."""

    verb: str

    def __str__(self) -> str:
        return f"`{self.verb}` has to be confirmed, and there is no terminal to ask on"

    @property
    def hint(self) -> str:
        return "say --yes"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person typed."""

    verb: Verb
    first: str = ""  # the run, or the step when it stands alone
    second: str = ""  # the step
    why: str = ""
    who: str = ""
    data: Mapping[str, Value] = field(default_factory=dict)
    wait: float = 5.0
    as_json: bool = False
    yes: bool = True  # nothing to confirm
    of_step: bool = True
    reasoned: bool = True  # a reason is needed
    key: str = ""  # the same key is the same command; empty: a new one


@dataclass(frozen=True, slots=True)
class Aim:
    """What a command is about."""

    reader: StatusReader
    status: RunStatus
    step: str
    who: str


def ask(
    wish: Wish,
    *,
    means: Callable[[Aim], str],
    candidates: Callable[[RunStatus], tuple[str, ...]] = lambda _: (),
    step_needed: bool = True,
    named: Callable[[StatusReader, str], str] | None = None,
) -> int:
    """Carry *wish* out. *means* says in words what it will do, *candidates* which steps it can be about."""
    try:
        return _through_the_journal(wish, means, candidates, named, step_needed=step_needed)
    except JournalUnavailable as away:
        if wish.verb not in {Verb.HOLD, Verb.ABORT}:
            raise
        return _at_the_door(wish, away)


def _through_the_journal(
    wish: Wish,
    means: Callable[[Aim], str],
    candidates: Callable[[RunStatus], tuple[str, ...]],
    named: Callable[[StatusReader, str], str] | None,
    *,
    step_needed: bool,
) -> int:
    with open_session() as session:
        reader, step = _aim(session, wish, named or _step_named)
        status = reader.refresh()
        if status.state.final:
            raise RunOver(status.id, status.state)
        if wish.of_step and not step:
            found = candidates(status)
            if len(found) != 1 and (step_needed or found):
                raise WhichStep(wish.verb.value, found)
            step = found[0] if found and step_needed else ""
        who = acting_person(wish.who, reader.bundle.people)
        why = _reason(wish)
        if not wish.as_json:
            _announce(status, who, means(Aim(reader, status, step, who)))
        if not wish.yes:
            _confirm(wish.verb)
        whence = f"{login_name()}@{socket.gethostname()}"
        asked = Command(status.id, wish.verb, who, why, wish.key or uuid.uuid4().hex, step, whence, dict(wish.data))
        record = session.journal.request(asked)
        return _outcome(session, _answered(session, record, wish.wait), wish)


def _at_the_door(wish: Wish, away: JournalUnavailable) -> int:
    """Ask the engine itself, for the journal takes nothing now. Raises NobodyIn when it is not on this machine."""
    from changeover.engine.door import knock  # noqa: PLC0415 - for a bad night only

    warn(str(away), away.hint)
    why = _reason(wish)
    if not wish.yes:
        _confirm(wish.verb)
    who, _ = called(wish.who)
    asked = Command(wish.first, wish.verb, who, why, wish.key or uuid.uuid4().hex)
    answered = knock(Project.find(Path.cwd()).journal_url, wish.first, asked)
    if wish.as_json:
        document = {"run": answered.run, "verb": wish.verb.value, "who": who, "accepted": None, "answer": answered.text}
        sys.stdout.write(json.dumps({**document, "engine_alive": True}, ensure_ascii=False) + "\n")
    else:
        text = f"{answered.run}: its engine (process {answered.pid}) says: {answered.text}"
        render.console().print(render.safe(text), soft_wrap=True)
    return ExitCode.FINE


def _aim(session: Session, wish: Wish, named: Callable[[StatusReader, str], str]) -> tuple[StatusReader, str]:
    """The run and the step that are meant: of two words the first is the run; one alone is the step, or else the run."""
    if not wish.of_step or wish.second:
        reader = session.reader(active_run(session.journal, wish.first).id)
        return reader, named(reader, wish.second) if wish.second else ""
    if not wish.first:
        return session.reader(active_run(session.journal, "").id), ""
    try:
        run = active_run(session.journal, wish.first)
    except NoSuchRun:
        reader = session.reader(active_run(session.journal, "").id)
        return reader, named(reader, wish.first)
    reader = session.reader(run.id)
    if run.id != wish.first and wish.first in {*reader.plan.forward, *reader.plan.rollback}:
        return reader, wish.first  # a step that happens to be the beginning of a run's name
    return reader, ""


def _step_named(reader: StatusReader, step: str) -> str:
    known = [*reader.plan.forward, *reader.plan.rollback]
    if step not in known:
        raise NoSuchStep(reader.record.id, step, tuple(get_close_matches(step, known, n=3, cutoff=0.5)))
    return step


def _reason(wish: Wish) -> str:
    why = wish.why.strip()
    if not why and wish.reasoned and not wish.as_json and sys.stdin.isatty() and sys.stdout.isatty():
        why = str(typer.prompt("why", default="", show_default=False)).strip()
    if why in {*PLACEHOLDERS, "..."} or (not why and wish.reasoned):
        raise NoReason(wish.verb.value)
    return why


def _announce(status: RunStatus, who: str, text: str) -> None:
    console = render.console()
    mode = render.styled((f" {render.mode_text(status.mode)} ", render.MODE_STYLES[status.mode]), " ")
    console.print(mode.append(render.safe(f"{status.id}, as {who}: {text}")), soft_wrap=True)


def _confirm(verb: Verb) -> None:
    if not sys.stdin.isatty():
        raise NotConfirmed(verb.value)
    if not typer.confirm("go on?", default=False):
        raise typer.Abort


def _answered(session: Session, record: CommandRecord, wait: float) -> CommandRecord:
    """The record once the engine has answered, or as it is when nobody does."""
    pause = threading.Event()
    until = session.clock.monotonic() + wait
    while record.accepted is None and session.clock.monotonic() < until:
        if not session.journal.ownership(record.command.run).live:
            break
        pause.wait(_LOOK)
        record = session.journal.command(record.id)
    return record


def _outcome(session: Session, record: CommandRecord, wish: Wish) -> int:
    run, verb = record.command.run, record.command.verb.value
    live = session.journal.ownership(run).live
    if wish.as_json:
        answer: dict[str, Value] = {
            "command": record.id,
            "run": run,
            "verb": verb,
            "step": record.command.step,
            "who": record.command.who,
            "accepted": record.accepted,
            "answer": record.answer,
            "engine_alive": live,
        }
        sys.stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")
    elif record.accepted is None:
        _say_waiting(run, live=live)
    elif record.accepted:
        sign = render.RUN_SIGNS[RunState.SUCCEEDED]
        render.console().print(render.styled((f"{sign.mark} ", sign.style), render.safe(record.answer)), soft_wrap=True)
    else:
        complain(f"refused: {record.answer}", "")
    return ExitCode.MISTAKE if record.accepted is False else ExitCode.FINE


def _say_waiting(run: str, *, live: bool) -> None:
    if live:
        text = f"it stands in the journal; the engine has not answered yet. `{command('status', run)}` says what became of it"
    else:
        text = f"it stands in the journal and waits: no engine is alive. `{command('resume', run)}` starts one"
    render.console().print(render.styled((render.WAITING.mark + " ", render.LOUD), render.safe(text)), soft_wrap=True)
