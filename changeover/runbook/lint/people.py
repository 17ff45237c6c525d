"""People: those who decide can, those who answer are there, and roles that must differ are held by different persons."""

from __future__ import annotations

from datetime import date

from changeover.runbook.lint.view import View
from changeover.runbook.model import Step
from changeover.runbook.people import People
from changeover.runbook.position import Position
from changeover.runbook.tree import Mapping_, Node, Scalar, Sequence

RUNNER = "runner"


def decisions_can_be_made(view: View) -> None:
    """Every gate has enough deciders, and nobody approves what he started himself."""
    for found in view.steps:
        parameters = found.step.parameters
        if isinstance(parameters, Mapping_) and "deciders" in parameters.entries:
            _deciders(view, found.step, parameters)


def _deciders(view: View, step: Step, parameters: Mapping_) -> None:
    deciders, excluded = _texts(parameters.entries["deciders"]), _texts(parameters.entries.get("not"))
    at = parameters.keys["deciders"]
    if not deciders or any("${" in name for name in (*deciders, *excluded)):
        return
    if set(deciders) == {RUNNER}:
        hint = "name the roles that decide, and write `not: [runner]`"
        view.report("self-approval", f"only whoever starts the run decides at `{step.id}`", hint, at)
        return
    known = view.bundle.people.persons
    if not view.has_people or not all(set(view.bundle.people.holders(name)) & set(known) for name in deciders):
        return  # whoever is not there has been reported
    persons = _persons(view.bundle.people, deciders) - _persons(view.bundle.people, excluded)
    quorum = getattr(view.instances.get(step.at), "quorum", 1)
    if isinstance(quorum, int) and quorum > len(persons):
        who = ", ".join(sorted(persons)) or "nobody"
        message = f"`{step.id}` needs {quorum} of its deciders, and there are {len(persons)}: {who}"
        place = parameters.keys.get("quorum", at)
        view.report("quorum-unreachable", message, "name more deciders or deputies, or lower the quorum", place)


def _texts(node: Node | None) -> tuple[str, ...]:
    if isinstance(node, Sequence):
        return tuple(item.text for item in node.items if isinstance(item, Scalar))
    return (node.text,) if isinstance(node, Scalar) else ()


def _persons(people: People, names: tuple[str, ...]) -> set[str]:
    return {person for name in names for person in people.holders(name)}


def persons_exist(view: View) -> None:
    """Every role is held by a person of the file."""
    people = view.bundle.people
    for name, role in people.roles.items():
        for word, person in (("person", role.person), ("deputy", role.deputy)):
            if person and person not in people.persons:
                message = f"role `{name}`: there is no person `{person}`"
                known = ", ".join(f"`{known}`" for known in people.persons)
                view.report(
                    "unknown-person", message, f"known are {known}" if known else "add the person", view.place(role.at, word)
                )
        if role.deputy and role.deputy == role.person:
            message = f"role `{name}`: `{role.person}` cannot stand in for `{role.person}`"
            view.report("invalid-value", message, "name another deputy, or none", view.place(role.at, "deputy"))


def people_are_there(view: View) -> None:
    """Whoever is named for something is not on holiday during the window, or somebody stands in."""
    window, people = view.runbook.window, view.bundle.people
    if window is None:
        return
    first, last = window.opens.local.date(), window.closes.local.date()
    said: set[str] = set()
    for mention in view.mentions:
        if mention.sort != "people" or mention.name in said:
            continue
        said.add(mention.name)
        holders = [holder for holder in people.holders(mention.name) if holder in people.persons]
        away = {holder: why for holder in holders if (why := _away(people, holder, first, last))}
        if holders and len(away) == len(holders):
            who = " and ".join(f"{people.persons[holder].name} is {why}" for holder, why in away.items())
            hint = "name somebody who is there, or a deputy"
            view.report("owner-absent", f"nobody is there for `{mention.name}` in the window: {who}", hint, mention.at)
        elif holders and holders[0] in away:
            deputy = people.persons[holders[-1]].name
            message = f"`{mention.name}`: {people.persons[holders[0]].name} is {away[holders[0]]}; {deputy} stands in"
            hint = "make sure that the deputy knows, and holds the role in the rehearsal too"
            view.report("deputy-stands-in", message, hint, mention.at)


def _away(people: People, person: str, first: date, last: date) -> str:
    for absence in people.persons[person].away:
        if absence.starts <= last and absence.ends >= first:
            return f"away from {absence.starts} to {absence.ends}"
    return ""


def absences_are_dates(view: View) -> None:
    """An absence ends after it begins."""
    for person in view.bundle.people.persons.values():
        for number, absence in enumerate(person.away):
            if absence.ends < absence.starts:
                at: Position = view.place(person.at, "away", number, "to")
                view.report("times-reversed", f"{person.name}'s absence ends before it begins", "exchange its days", at)


def roles_differ(view: View) -> None:
    """Roles that must be different persons are."""
    people = view.bundle.people
    for row, names in enumerate(view.runbook.separate):
        holder_of: dict[str, str] = {}
        for column, name in enumerate(names):
            holder = next(iter(people.holders(name)), "")
            other = holder_of.setdefault(holder, name) if holder else name
            if other != name:
                message = (
                    f"`{other}` and `{name}` must be different persons, and {people.persons[holder].name} holds both"
                    if holder in people.persons
                    else f"`{other}` and `{name}` are the same"
                )
                view.report(
                    "roles-not-separate",
                    message,
                    "give one of the roles to somebody else",
                    view.place(view.runbook.at, "separate", row, column),
                )
