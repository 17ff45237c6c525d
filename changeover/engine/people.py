"""Who may decide: persons behind roles, who is excluded, and names that nobody has."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from changeover.errors import Mistake
from changeover.runbook.people import People


@dataclass(eq=False)
class PersonUnknown(Mistake):
    """Nobody of that name takes part in this run."""

    name: str
    known: tuple[str, ...]

    def __str__(self) -> str:
        near = difflib.get_close_matches(self.name, self.known, n=3, cutoff=0.5)
        return f"nobody called {self.name!r} takes part in this run; {self._cure(near)}"

    def _cure(self, near: list[str]) -> str:
        if near:
            return f"did you mean {' or '.join(near)}?"
        return f"it knows {', '.join(self.known[:12])}" + (" ..." if len(self.known) > 12 else "")  # noqa: PLR2004 - one line


def person(people: People, name: str) -> str:
    """The id of the person called *name*. Raises PersonUnknown; without a people file every name will do."""
    if not people.persons or name in people.persons:
        return name
    for identity, known in people.persons.items():
        if name.casefold() in {identity.casefold(), known.name.casefold()}:
            return identity
    raise PersonUnknown(name, tuple(people.persons))


def holders(people: People, names: Sequence[str]) -> tuple[str, ...]:
    """The persons that *names*, persons and roles, stand for: holders and deputies."""
    found: dict[str, None] = {}
    for name in names:
        found.update(dict.fromkeys(people.holders(name) or ((name,) if not people.persons else ())))
    return tuple(found)


def why_not(people: People, runner: str, question: Mapping[str, Any], who: str) -> str:
    """Why *who* may not answer *question* (the data of DECISION_ASKED); empty when they may."""
    excluded = [runner if name == "runner" else name for name in question.get("excluded", ())]
    if who in holders(people, excluded) or who in excluded:
        role = "who started the run" if who == runner else "excluded by the runbook"
        return f"{who} is {role}, and may not decide this"
    deciders = question.get("deciders", ())
    allowed = holders(people, deciders)
    if deciders and who not in allowed:
        named = ", ".join(allowed) or ", ".join(map(str, deciders))
        return f"{who} may not decide this; {named} may"
    return ""
