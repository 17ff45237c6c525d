"""People by their names, and persons by what they are called."""

from __future__ import annotations

from collections.abc import Iterable

from changeover.runbook.people import People


def person(people: People, name: str) -> str:
    """The name of who holds the role, or of the person; *name* itself where nobody is known."""
    holders = people.holders(name)
    return _name(people, holders[0]) if holders else name


def everybody(people: People, names: Iterable[str]) -> tuple[str, ...]:
    """The names of all who stand behind *names*, persons and roles: holders and their deputies, each once."""
    return tuple(dict.fromkeys(_name(people, holder) for name in names for holder in people.holders(name) or (name,)))


def identity(people: People, called: str) -> str | None:
    """The id of the person who is *called* so, by id or by name; None for nobody. Without a people file every name will do."""
    if not people.persons or called in people.persons:
        return called
    wanted = called.casefold()
    return next((id_ for id_, known in people.persons.items() if wanted in {id_.casefold(), known.name.casefold()}), None)


def _name(people: People, holder: str) -> str:
    known = people.persons.get(holder)
    return known.name if known is not None else holder
