"""Runbooks for the plan, from YAML texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from textwrap import dedent

import pytest

from changeover.contracts import Kind, key
from changeover.runbook.bundle import Bundle
from changeover.runbook.load import load
from changeover.runbook.model import WallTime

SYSTEMS = """
hosts:
  app-1: {address: 127.0.0.1}
  app-2: {address: 127.0.0.1}
  app-3: {address: 127.0.0.1}
groups:
  apps: [app-1, app-2, app-3]
"""


@dataclass(frozen=True, slots=True)
class Does:
    """Anything that needs a text."""

    what: str = key("what")


@dataclass(frozen=True, slots=True)
class Rest:
    """The rest of a time."""

    since: str = key("a step")
    lasts: timedelta = key("how long", word="for")


@dataclass(frozen=True, slots=True)
class Waits:
    """As much of `wait` as the plan reads."""

    lasts: timedelta | None = key("how long", word="for", default=None)
    until: WallTime | None = key("until when", default=None)
    rest_of: Rest | None = key("the rest", default=None)


@dataclass(frozen=True, slots=True)
class Asks:
    """As much of `gate` as the plan reads."""

    ask: str = key("what")
    by: WallTime | None = key("the deadline", default=None)


@dataclass(frozen=True, slots=True)
class Polls:
    """As much of `poll` as the plan reads."""

    sql: str = key("what")
    limit: timedelta | None = key("at most", default=None)


KINDS = {
    word: Kind(word, python, shorthand, changes=True, timeout=None)
    for word, python, shorthand in (
        ("shell", Does, "what"),
        ("notify", Does, "what"),
        ("manual", Does, "what"),
        ("wait", Waits, "lasts"),
        ("gate", Asks, ""),
        ("poll", Polls, ""),
    )
}


@pytest.fixture
def kinds() -> dict[str, Kind]:
    """The kinds above."""
    return dict(KINDS)


@pytest.fixture
def bundle_of() -> Callable[..., Bundle]:
    """A function from the text below `changeover: 1` to its bundle; it must load without an error."""

    def make(text: str, *, environment: str = "rehearsal") -> Bundle:
        whole = "changeover: 1\nid: crm\ntimezone: Europe/Budapest\nsystems: systems.yaml\n" + dedent(text)
        sources = {"crm.yaml": whole, "systems.yaml": SYSTEMS}
        loaded = load(Path("crm.yaml"), environment=environment, kinds=KINDS, root=Path(), read=sources.__getitem__)
        assert loaded.bundle is not None, loaded.findings
        assert not loaded.findings
        return loaded.bundle

    return make
