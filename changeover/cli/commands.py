"""The commands of people: each is a row in the journal, with who and why, and only the engine acts on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from changeover.cli.asking import Aim, Wish, ask
from changeover.cli.inputs import assignments
from changeover.cli.plan_words import counted
from changeover.cli.render import STEP_SIGNS, duration
from changeover.contracts import Value
from changeover.errors import Mistake
from changeover.journal.events import Verb
from changeover.plan.saying import moment
from changeover.project import Project

if TYPE_CHECKING:
    from changeover.status.model import RunStatus
    from changeover.status.read import StatusReader

_RUN_HELP = "The run, or the first characters of its name; left out: the only one that is active."

FirstWord = Annotated[str, typer.Argument(metavar="RUN", help=_RUN_HELP, show_default=False)]
SecondWord = Annotated[str, typer.Argument(metavar="STEP", help="The step, as `status` names it.", show_default=False)]
OnlyRun = Annotated[str, typer.Argument(metavar="RUN", help=_RUN_HELP, show_default=False)]
Why = Annotated[str, typer.Option("--why", help="The reason, for the record.", show_default=False)]
Who = Annotated[str, typer.Option("--who", help="Who says so; left out: $CHANGEOVER_WHO, or the login name.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask again.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object instead of words.")]
Wait = Annotated[float, typer.Option("--wait", help="Seconds to wait for the engine's answer.", min=0, max=3600)]
Key = Annotated[
    str,
    typer.Option("--key", help="The same key again is the same command: for scripts that may ask twice.", show_default=False),
]
Evidence = Annotated[
    str, typer.Option("--evidence", help="By what it can be seen: a ticket, a figure, a file.", show_default=False)
]


@dataclass(eq=False)
class NoSuchSuspension(Mistake):
    """Nothing of that name is switched off."""

    run: str
    what: str
    known: tuple[str, ...]

    def __str__(self) -> str:
        return f"nothing called {self.what!r} is switched off in {self.run}"

    @property
    def hint(self) -> str:
        near = get_close_matches(self.what, self.known)
        return f"did you mean {near[0]!r}?" if near else f"switched off now: {', '.join(self.known) or 'nothing'}"


@dataclass(eq=False)
class NoSuchStage(Mistake):
    """The run has no stage of that name."""

    run: str
    stage: str
    known: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.run} has no stage {self.stage!r}"

    @property
    def hint(self) -> str:
        near = get_close_matches(self.stage, self.known)
        return f"did you mean {near[0]!r}?" if near else f"its stages: {', '.join(self.known)}"


def approve(
    first: FirstWord = "",
    second: SecondWord = "",
    *,
    why: Why = "",
    typed: Annotated[str, typer.Option("--type", help="The word that the question wants typed.", show_default=False)] = "",
    evidence: Evidence = "",
    who: Who = "",
    key: Key = "",
    wait: Wait = 5.0,
    as_json: AsJson = False,
) -> int:
    """Say go at a gate."""
    data: dict[str, Value] = {name: value for name, value in (("typed", typed), ("evidence", evidence)) if value}
    wish = Wish(Verb.APPROVE, first, second, why, who, data, wait, as_json, key=key)
    return ask(wish, means=_says("approve"), candidates=lambda status: _asked(status, "approval", "typed"))


def refuse(
    first: FirstWord = "",
    second: SecondWord = "",
    *,
    why: Why = "",
    who: Who = "",
    key: Key = "",
    wait: Wait = 5.0,
    as_json: AsJson = False,
) -> int:
    """Say no-go at a gate; the run holds, nothing is rolled back.

    Of a task it says that it cannot be done, of a step in doubt that it did not happen.
    """
    wish = Wish(Verb.REFUSE, first, second, why, who, {}, wait, as_json, key=key)
    return ask(wish, means=_says("refuse"), candidates=lambda status: _asked(status, "approval", "typed", "task"))


def done(
    first: FirstWord = "",
    second: SecondWord = "",
    *,
    evidence: Evidence = "",
    why: Why = "",
    partly: Annotated[bool, typer.Option("--partly", help="Of a step in doubt: it happened in part.")] = False,
    captured: Annotated[
        list[str] | None,
        typer.Option("--captured", metavar="NAME=VALUE", help="A value that the step would have captured.", show_default=False),
    ] = None,
    who: Who = "",
    key: Key = "",
    wait: Wait = 5.0,
    as_json: AsJson = False,
) -> int:
    """Say that a manual task is done, or that a step that failed or is in doubt has been finished by hand."""
    data: dict[str, Value] = {}
    if evidence:
        data["evidence"] = evidence
    if partly:
        data["answer"] = "partly"
    if captured:
        data["captured"] = dict[str, Value](assignments(captured, "--captured"))
    wish = Wish(Verb.DONE, first, second, why, who, data, wait, as_json, key=key, reasoned=False)
    return ask(wish, means=_says("done"), candidates=lambda status: _asked(status, "task"))


def hold(run: OnlyRun = "", *, why: Why = "", who: Who = "", key: Key = "", wait: Wait = 5.0, as_json: AsJson = False) -> int:
    """Let no new step start; what runs goes on (`adjust STEP --hold` holds a migration in the middle)."""
    wish = Wish(Verb.HOLD, run, "", why, who, {}, wait, as_json, key=key, of_step=False)
    return ask(wish, means=lambda aim: f"no new step starts; {_running(aim.status)}")


def release(run: OnlyRun = "", *, why: Why = "", who: Who = "", key: Key = "", wait: Wait = 5.0, as_json: AsJson = False) -> int:
    """Let a held run go on."""
    wish = Wish(Verb.RELEASE, run, "", why, who, {}, wait, as_json, key=key, of_step=False)
    return ask(wish, means=lambda aim: f"the run goes on; it was held for: {aim.status.held_why or 'nothing'}")


def skip(
    first: FirstWord = "",
    second: SecondWord = "",
    *,
    why: Why = "",
    who: Who = "",
    key: Key = "",
    wait: Wait = 5.0,
    as_json: AsJson = False,
) -> int:
    """Leave a step out, with a reason."""
    wish = Wish(Verb.SKIP, first, second, why, who, {}, wait, as_json, key=key)
    return ask(wish, means=_leaving_out, candidates=_failed)


def retry(
    first: FirstWord = "",
    second: SecondWord = "",
    *,
    every: Annotated[bool, typer.Option("--all", help="Every step that failed, within the limits of the runbook.")] = False,
    why: Why = "",
    who: Who = "",
    key: Key = "",
    wait: Wait = 5.0,
    as_json: AsJson = False,
) -> int:
    """Try a failed step again; without a step, the one that failed."""
    wish = Wish(Verb.RETRY, first, second, why, who, {}, wait, as_json, key=key, of_step=not every, reasoned=False)
    return ask(wish, means=_trying_again, candidates=_failed)


def waive(
    first: FirstWord = "",
    second: SecondWord = "",
    *,
    why: Why = "",
    who: Who = "",
    key: Key = "",
    wait: Wait = 5.0,
    as_json: AsJson = False,
) -> int:
    """Give up the undo of a step, and say what stays behind; two people have to."""
    wish = Wish(Verb.WAIVE, first, second, why, who, {}, wait, as_json, key=key)
    return ask(wish, means=lambda aim: f"{aim.step} is given up once two people have said so", candidates=_failed)


def leave_off(
    first: FirstWord = "",
    second: Annotated[
        str, typer.Argument(metavar="WHAT", help="What is switched off, as `status` names it.", show_default=False)
    ] = "",
    *,
    why: Why = "",
    who: Who = "",
    key: Key = "",
    wait: Wait = 5.0,
    as_json: AsJson = False,
) -> int:
    """Accept that something switched off stays off, so that the run can end."""
    wish = Wish(Verb.LEAVE_OFF, first, second, why, who, {}, wait, as_json, key=key)
    return ask(
        wish,
        means=lambda aim: f"left switched off when the run ends, on the word of {aim.who}: {aim.step}",
        candidates=lambda status: tuple(entry.what for entry in status.suspensions if not entry.left_by),
        named=_suspension_named,
    )


def rollback(
    run: OnlyRun = "",
    *,
    to: Annotated[
        str, typer.Option("--to", metavar="STAGE", help="This stage and what it rests on stay; left out: nothing does.")
    ] = "",
    why: Why = "",
    yes: Yes = False,
    break_glass: Annotated[
        bool, typer.Option("--break-glass", help="Past the point of no return; a second person has to say the same.")
    ] = False,
    who: Who = "",
    key: Key = "",
    wait: Wait = 5.0,
    as_json: AsJson = False,
) -> int:
    """Undo what has started, in reverse order: all of it, or what came after a stage.

    Before anybody confirms it, it is said how long that takes and what it loses. Rolled back to a stage, the run is held:
    `rollback` again goes on back from there, `abort` ends it there. Nothing of it goes forward any more.
    """
    data: dict[str, Value] = {**({"break_glass": "yes"} if break_glass else {}), **({"to": to} if to else {})}
    wish = Wish(Verb.ROLLBACK, run, "", why, who, data, wait, as_json, key=key, yes=yes, of_step=False)
    return ask(wish, means=lambda aim: _rolling_back(aim, to))


def abort(
    run: OnlyRun = "",
    *,
    why: Why = "",
    yes: Yes = False,
    who: Who = "",
    key: Key = "",
    wait: Wait = 5.0,
    as_json: AsJson = False,
) -> int:
    """Stop the run for good and undo nothing."""
    wish = Wish(Verb.ABORT, run, "", why, who, {}, wait, as_json, key=key, yes=yes, of_step=False)
    return ask(wish, means=lambda aim: _aborting(aim.status))


def _says(word: str) -> Callable[[Aim], str]:
    def means(aim: Aim) -> str:
        asked = next((waiting.ask for waiting in aim.status.waiting if waiting.step == aim.step), "")
        return f"{word} {aim.step}: {asked}" if asked else f"{word} {aim.step}"

    return means


def _asked(status: RunStatus, *forms: str) -> tuple[str, ...]:
    return tuple(waiting.step for waiting in status.waiting if waiting.form in forms)


def _failed(status: RunStatus) -> tuple[str, ...]:
    return tuple(step.key for step in status.failed)


def _running(status: RunStatus) -> str:
    names = [step.key for step in status.running]
    return f"{', '.join(names[:5])}{' ...' if len(names) > 5 else ''} goes on" if names else "nothing runs now"  # noqa: PLR2004 - one line


def _trying_again(aim: Aim) -> str:
    if aim.step:
        return f"{aim.step} is tried again"
    failed = _failed(aim.status)
    return f"tried again within their limits: {', '.join(failed)}" if failed else "nothing has failed"


def _leaving_out(aim: Aim) -> str:
    return f"{aim.step} ({STEP_SIGNS[aim.status.step(aim.step).state].word}) is left out"


def _rolling_back(aim: Aim, stage: str) -> str:
    """What a rollback that begins now does, takes and loses. Raises NoSuchStage."""
    outcome, stages = aim.status.outcome, tuple(aim.reader.plan.stages)
    if stage and stage not in stages:
        raise NoSuchStage(aim.status.id, stage, stages)
    way = aim.reader.way_back_to(stage)
    loses = "; ".join(way.loses) or "nothing that the runbook names"
    times = f"about {duration(way.takes.likely)}, at worst {duration(way.takes.worst)}"
    late = ""
    if outcome.countdown is not None:
        countdown = outcome.countdown + outcome.rollback.worst - way.takes.worst
        late = (
            f"; it ends AFTER the window: the latest safe start was {duration(-countdown)} ago" if countdown < timedelta() else ""
        )
    past = f"; PAST THE POINT OF NO RETURN ({outcome.point_step})" if outcome.point_passed else ""
    stays = f"; what stays: {', '.join(way.kept)}" if stage else ""
    loses += _freshness(aim)
    late += _kept_until(aim)
    what = f"rolling back to {stage} now" if stage else "rolling back now"
    return f"{what} undoes {counted(len(way.undone), 'step')}, takes {times}, and loses: {loses}{stays}{late}{past}"


def _freshness(aim: Aim) -> str:
    """What the runbook's own check counts; it is asked now."""
    from changeover.engine.options import Options  # noqa: PLC0415 - only to go back
    from changeover.engine.way_back import freshness  # noqa: PLC0415

    root = Project.find(Path.cwd()).root
    verdict = freshness(aim.reader.record, aim.reader.bundle, Options(root=root))
    return "" if verdict is None else f"; counted now: {verdict.summary}"


def _kept_until(aim: Aim) -> str:
    from changeover.engine.way_back import kept_until  # noqa: PLC0415 - only to go back

    until = kept_until(aim.reader.bundle, aim.status.window_opens)
    if until is None:
        return ""
    when = moment(until, aim.reader.bundle.runbook.zone)
    return (
        f"; the way back is kept alive until {when}" if until > aim.status.now else f"; THE WAY BACK WAS KEPT ALIVE UNTIL {when}"
    )


def _aborting(status: RunStatus) -> str:
    off = [entry.what for entry in status.suspensions]
    left = f"; still switched off: {', '.join(off)}" if off else ""
    return f"everything is stopped at once and NOTHING is undone{left}"


def _suspension_named(reader: StatusReader, what: str) -> str:
    known = [entry.what for entry in reader.refresh().suspensions]
    if what not in known:
        raise NoSuchSuspension(reader.record.id, what, tuple(known))
    return what
