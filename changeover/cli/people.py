"""Who acts: the person that `--who`, CHANGEOVER_WHO or the login name stands for."""

from __future__ import annotations

import getpass
import os
from dataclasses import dataclass
from difflib import get_close_matches

from changeover.errors import Mistake
from changeover.runbook.people import People
from changeover.status.names import identity


@dataclass(eq=False)
class UnknownPerson(Mistake):
    """The runbook has a people file, and this name is not in it."""

    name: str
    said_by: str  # where the name comes from
    known: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name!r} ({self.said_by}) is not in the people file of this run"

    @property
    def hint(self) -> str:
        near = get_close_matches(self.name, self.known)
        people = ", ".join(self.known[:12]) + (" ..." if len(self.known) > 12 else "")  # noqa: PLR2004 - one line
        return f"did you mean `--who {near[0]}`?" if near else f"say who you are with --who; it knows {people}"


@dataclass(eq=False)
class RoleIsNoPerson(Mistake):
    """A role was given where a person has to answer."""

    name: str
    holders: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name!r} is a role; a person has to say it"

    @property
    def hint(self) -> str:
        return f"it is held by {' and '.join(self.holders)}: --who {self.holders[0]}"


def acting_person(given: str, people: People) -> str:
    """The id of the person who acts. Raises UnknownPerson, RoleIsNoPerson."""
    name, said_by = called(given)
    found = identity(people, name)
    if found is not None:
        return found
    if name in people.roles:
        raise RoleIsNoPerson(name, people.holders(name))
    raise UnknownPerson(name, said_by, tuple(people.persons))


def login_name() -> str:
    """The login name, or the number of a user who has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"


def called(given: str) -> tuple[str, str]:
    """The name that acts, as it was given, and by what."""
    if given.strip():
        return given.strip(), "from --who"
    if os.environ.get("CHANGEOVER_WHO", "").strip():
        return os.environ["CHANGEOVER_WHO"].strip(), "from CHANGEOVER_WHO"
    return login_name(), "the login name"
