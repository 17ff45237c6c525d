"""Who takes part: persons, teams, and the roles they hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from changeover.contracts import key
from changeover.runbook.position import NOWHERE, Position


@dataclass(frozen=True, slots=True)
class Absence:
    """Days on which a person is away, both included."""

    starts: date = key("the first day", word="from")
    ends: date = key("the last day", word="to")
    why: str = key("for the plan", default="")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a name and a number."""

    name: str = key("as people say it")
    phone: str = key("for 3 a.m.", default="")
    chat: str = key("the chat member id", default="")
    team: str = key("the team", default="")
    away: tuple[Absence, ...] = key("absences", default=())
    at: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Role:
    """What a person is in this run, and who stands in."""

    person: str = key("who holds it")
    deputy: str = key("who stands in", default="")
    at: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class People:
    """The people file."""

    persons: Mapping[str, Person] = key("persons by id", default_factory=dict)
    roles: Mapping[str, Role] = key("roles by name", default_factory=dict)
    at: Position = field(default=NOWHERE, compare=False)

    def holders(self, name: str) -> tuple[str, ...]:
        """The persons that *name*, a role or a person, stands for: the holder first, then the deputy."""
        role = self.roles.get(name)
        if role is None:
            return (name,) if name in self.persons else ()
        return (role.person, role.deputy) if role.deputy else (role.person,)
