"""Two small step kinds, a project that exists only here, and runbooks written in a line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from changeover.contracts import (
    Context,
    DatabaseName,
    FileName,
    FunctionName,
    HostName,
    Kind,
    OnUnknown,
    PersonName,
    Result,
    ShellText,
    Value,
    key,
)
from changeover.errors import Mistake
from changeover.runbook.load import Loaded, load
from changeover.runbook.model import WallTime


class _Idle:
    """Nothing runs in these tests."""

    __slots__ = ()

    def run(self, context: Context) -> Result:
        return Result("")

    def dry_run(self, context: Context) -> Result:
        return Result("")


@dataclass(frozen=True, slots=True)
class Shell(_Idle):
    """Run a command."""

    command: ShellText | tuple[str, ...] = key("the command")
    expect_exit: int = key("the exit status", default=0)
    changes: bool = key("whether it changes anything", default=True)
    file: FileName = key("a file", default="")

    on_unknown = OnUnknown.ASK


@dataclass(frozen=True, slots=True)
class Remote(_Idle):
    """Run a command on hosts."""

    on: tuple[HostName, ...] = key("hosts")
    run_: ShellText = key("the command", word="run")
    limit: timedelta | None = key("how long", default=None)
    database: DatabaseName = key("a database", default="")

    on_unknown = OnUnknown.RERUN

    def problems(self) -> Iterable[str]:
        if self.run_ == "":
            yield "`run` is empty."


@dataclass(frozen=True, slots=True)
class Check(_Idle):
    """Ask a function."""

    function: FunctionName = key("the function")
    given: Mapping[str, Value] = key("its arguments", word="with", default_factory=dict)

    on_unknown = OnUnknown.RERUN


@dataclass(frozen=True, slots=True)
class Gate(_Idle):
    """Ask people."""

    ask: str = key("the question")
    deciders: tuple[PersonName, ...] = key("who decides")
    quorum: int = key("how many", default=1)
    excluded: tuple[str, ...] = key("who does not", word="not", default=())
    by: WallTime | None = key("until when", default=None)

    on_unknown = OnUnknown.RERUN

    def question(self, context: Context) -> Any:
        raise NotImplementedError


KINDS = {
    "shell": Kind("shell", Shell, "command", changes=True, timeout=None),
    "ssh": Kind("ssh", Remote, "", changes=True, timeout=None),
    "check": Kind("check", Check, "function", changes=False, timeout=None),
    "gate": Kind("gate", Gate, "", changes=False, timeout=None),
}

HEAD = "changeover: 1\nid: move\ntimezone: Europe/Budapest\n"


RUNBOOK = """changeover: 1
id: move
title: Customers move
timezone: Europe/Budapest
window: {opens: 2027-03-13 19:00, closes: 2027-03-14 21:00}
inputs: {wave: {type: choice, of: [residential, business]}, ticket: text}
people: people.yaml
systems: systems/${environment}.yaml
clocks:
  read-only: {from: close, to: open, budget: 3h}
stages:
  freeze:
    owner: lead
    steps:
      - id: close
        title: 22:22
        suspend: crm-alerts
        expect: 2m
        retry: 3
        for_each: [a, 2]
        shell: ./close.sh
        verify: {check: 'checks.sums:equal'}
        undo: {shell: ./open.sh}
      - parallel:
          - {id: one, shell: ./1.sh, on_failure: warn, expect: {likely: 1m, worst: 2m}}
          - {id: two, shell: ./2.sh, background: true, needs: []}
      - {id: open, for_each: {hosts: apps}, ssh: {on: '${item}', run: ls}}
    rollback:
      - shell: ./back.sh
      - {id: tell, shell: ./tell.sh}
"""
PEOPLE = """persons:
  anna: {name: Anna Kovács, phone: 0036 1 234, away: [{from: 2027-04-01, to: 2027-04-05}]}
roles: {lead: anna, second: {person: anna}}
"""
SYSTEMS = """production: true
values: values.yaml
databases: {crm: 'postgresql://crm@db/crm'}
hosts: {app-1: {address: 10.0.0.1, port: '${values.port}'}, app-2: '${values.app_2}'}
groups: {apps: [app-1, app-2]}
services: {alerts: 'https://${environment}.example.org'}
"""
VALUES = "port: 2222\napp_2: 10.0.0.2\n"


@dataclass(frozen=True, slots=True)
class Texts:
    """A sound runbook with all its files."""

    runbook: str = RUNBOOK
    people: str = PEOPLE
    systems: str = SYSTEMS
    values: str = VALUES

    @property
    def files(self) -> dict[str, str]:
        """All but the runbook, as the fixture `loaded` takes them."""
        return {"people": self.people, "systems__test": self.systems, "values": self.values}


@dataclass(eq=False)
class NoSuchFunction(Mistake):
    reference: str

    def __str__(self) -> str:
        return f"there is no function {self.reference}"


class Project:
    """A project with one file and one function."""

    def function(self, reference: str) -> Callable[..., Any]:
        if reference != "checks.sums:equal":
            raise NoSuchFunction(reference)

        def equal(context: Context, *, tables: list[str], tolerance: int = 0) -> None: ...

        return equal

    def has_file(self, path: str) -> bool:
        return path == "files/config.ini"


Write = Callable[..., Loaded]


@pytest.fixture(scope="session")
def texts() -> Texts:
    return Texts()


@pytest.fixture(scope="session")
def kinds() -> dict[str, Kind]:
    return dict(KINDS)


@pytest.fixture
def project() -> Project:
    return Project()


@pytest.fixture
def loaded() -> Write:
    """Loads a runbook from texts: the runbook's own, and others by file name."""

    def load_texts(text: str, environment: str | None = None, **files: str) -> Loaded:
        texts = {"runbook.yaml": text, **{name.replace("__", "/") + ".yaml": content for name, content in files.items()}}
        return load(Path("runbook.yaml"), environment=environment, kinds=KINDS, root=Path(), read=texts.__getitem__)

    return load_texts


@pytest.fixture
def steps() -> Callable[[str], str]:
    """A runbook with one stage and these steps, each a flow mapping."""

    def runbook(*written: str, more: str = "") -> str:
        lines = "".join(f"      - {step}\n" for step in written)
        return f"{HEAD}stages:\n  deploy:\n    owner: lead\n    steps:\n{lines}    rollback: {{none: a test}}\n{more}"

    return runbook
