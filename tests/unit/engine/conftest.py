"""Tiny step kinds that write what they did into a ledger, and a trial that uses them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from changeover.contracts import (
    Answer,
    Context,
    Found,
    Kind,
    OnUnknown,
    Probe,
    Question,
    QuestionForm,
    Result,
    Value,
    Verdict,
    key,
)
from changeover.errors import Setback, Unclear
from changeover.runbook.model import WallTime
from changeover.testing import Trial


class Broken(Setback):
    def __str__(self) -> str:
        return "it broke"


def note(context: Context, line: str) -> None:
    with (context.folder / "ledger").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{line}\n")


@dataclass(frozen=True, slots=True)
class Act:
    """Write a line; fail, hang or be unclear as told."""

    text: str = key("what to write", default="")
    fails: int = key("how many attempts fail", default=0)
    unclear: bool = key("whether the first attempt is unclear", default=False)
    takes: float = key("seconds it takes, unless it is stopped", default=0.0)
    deaf: float = key("seconds it takes, and does not hear", default=0.0)
    changes: bool = key("whether it changes anything", default=True)
    unknown: str = key("ask, rerun or probe", default="ask")
    found: str = key("what a probe finds", default="cannot tell")
    output: Value = key("its output", default=None)
    crash: bool = key("raise something that is no Setback", default=False)

    @property
    def on_unknown(self) -> OnUnknown:
        return OnUnknown(self.unknown)

    def run(self, context: Context) -> Result:
        note(context, f"{context.step} {context.attempt}{' ' + self.text if self.text else ''}")
        context.sleep(self.takes)
        if self.deaf:
            __import__("time").sleep(self.deaf)
        if self.crash:
            raise KeyError("text")
        if self.unclear and context.attempt == 1:
            raise Unclear("the connection died")
        if context.attempt <= self.fails:
            raise Broken
        return Result(f"wrote {self.text}", self.output)

    def dry_run(self, context: Context) -> Result:
        context.say("would write")
        return Result("would write", self.output)

    def probe(self, context: Context) -> Probe:
        note(context, f"probe {context.step} {context.attempt}")
        if self.found == "away":
            raise Broken
        if self.found == "soon":
            return Probe(Found.DONE if (context.folder / "arrived").exists() else Found.IN_PROGRESS, "on its way", self.output)
        return Probe(Found(self.found), f"found {self.found}", self.output)


@dataclass(frozen=True, slots=True)
class Blind:
    """Something that nobody can look at afterwards."""

    fails: int = key("how many attempts fail", default=0)

    @property
    def on_unknown(self) -> OnUnknown:
        return OnUnknown.ASK

    def run(self, context: Context) -> Result:
        note(context, f"{context.step} {context.attempt}")
        if context.attempt <= self.fails:
            raise Broken
        return Result("done")

    def dry_run(self, context: Context) -> Result:
        return Result("would")


@dataclass(frozen=True, slots=True)
class Look:
    """A check."""

    answer: str = key("passed, failed or not verifiable", default="passed")
    warns: bool = key("whether a no lets the step pass", default=False)

    @property
    def on_unknown(self) -> OnUnknown:
        return OnUnknown.RERUN

    def run(self, context: Context) -> Result:
        note(context, f"{context.step} {context.attempt}")
        return Result("looked", None, Verdict(Answer(self.answer), f"it is {self.answer}", expected=1, found=2), warns=self.warns)

    def dry_run(self, context: Context) -> Result:
        return Result("looked", None, Verdict(Answer(self.answer), f"it is {self.answer}"), warns=self.warns)


@dataclass(frozen=True, slots=True)
class Ask:
    """A question."""

    ask: str = key("the question", default="go?")
    form: str = key("approval, task or typed", default="approval")
    deciders: tuple[str, ...] = key("who may", default=())
    quorum: int = key("how many", default=1)
    excluded: tuple[str, ...] = key("who may not", word="not", default=())
    by: WallTime | None = key("deadline", default=None)
    typed: str = key("the word", default="")
    evidence: str = key("what to show", default="")

    @property
    def on_unknown(self) -> OnUnknown:
        return OnUnknown.RERUN

    def question(self, context: Context) -> Question:
        by = None if self.by is None else context.at(self.by.local)
        return Question(
            self.ask, QuestionForm(self.form), self.deciders, self.quorum, self.excluded, by, self.typed, self.evidence
        )

    def run(self, context: Context) -> Result:
        note(context, f"{context.step} {context.attempt}")
        return Result("decided")

    def dry_run(self, context: Context) -> Result:
        return Result("would ask")


KINDS: dict[str, Kind] = {
    "act": Kind("act", Act, "text", changes=True, timeout=timedelta(seconds=30)),
    "brief": Kind("brief", Act, "text", changes=True, timeout=timedelta(seconds=0.1)),
    "blind": Kind("blind", Blind, "fails", changes=True, timeout=timedelta(seconds=30)),
    "look": Kind("look", Look, "answer", changes=False, timeout=timedelta(seconds=30)),
    "ask": Kind("ask", Ask, "ask", changes=False, timeout=None),
    "task": Kind("task", Ask, "ask", changes=True, timeout=None),
}

PEOPLE = """
persons:
  anna: {name: Anna Kovács}
  bela: {name: Béla Nagy}
  csilla: {name: Csilla Tóth}
  runner: {name: Rita Runner}
roles:
  lead: {person: anna, deputy: bela}
"""

TrialOf = Callable[..., Trial]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine looks for commands more often than it has to in production."""
    monkeypatch.setattr("changeover.engine.conductor.POLL", 0.01)


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[TrialOf]:
    """Make a trial of the steps of one stage, or of whole stages."""
    made: list[Trial] = []

    def make(steps: str = "", *, stages: str = "", rollback: str = "rollback: {none: nothing to do}", **more: Any) -> Trial:
        head = "changeover: 1\nid: trial\ntitle: Trial\npeople: people.yaml\n" + more.pop("head", "")
        if not stages:
            body = "\n".join(f"      {line}" for line in steps.strip("\n").splitlines())
            undo = "\n".join(f"    {line}" for line in rollback.strip("\n").splitlines())
            stages = f"  work:\n    owner: lead\n    steps:\n{body}\n{undo}\n"
        folder = tmp_path / f"project-{len(made)}"
        folder.mkdir()
        text = f"{head}stages:\n{stages}"
        files = {"runbooks/people.yaml": PEOPLE, **more.pop("files", {})}
        made.append(Trial(folder, text, kinds=more.pop("kinds", KINDS), files=files, **more))
        return made[-1]

    yield make
    for one in made:
        if one.driven:
            one.interrupt()


@pytest.fixture
def ledger() -> Callable[[Trial], list[str]]:
    """What the steps of a trial did, in order."""

    def read(of: Trial) -> list[str]:
        file = of.root / "ledger"
        return file.read_text(encoding="utf-8").split("\n")[:-1] if file.exists() else []

    return read
