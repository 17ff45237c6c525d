"""Names of things: each one is there, in the systems file, among the people, the steps, the functions and the files."""

from __future__ import annotations

from collections.abc import Iterable

from changeover.errors import Mistake
from changeover.runbook import included
from changeover.runbook.binder import nearest
from changeover.runbook.lint.view import Role, View
from changeover.runbook.traces import Mention

_SINGULAR = {
    "databases": "database",
    "services": "service",
    "sources": "database",
    "channels": "channel",
    "hosts": "host",
    "people": "person",
    "steps": "step",
    "functions": "function",
    "functions of a value": "function",
    "files": "file",
}


def names_resolve(view: View) -> None:
    """Everything that is named is there."""
    known = _known(view)
    for mention in view.mentions:
        if not mention.name:
            continue
        if mention.sort in known:
            names = known[mention.sort]
            if names is not None and mention.name not in names:
                _unknown(view, mention, names)
        elif mention.sort == "steps":
            _step(view, mention)
        elif mention.sort in {"files", included.SORT} and view.resolve is not None and not view.resolve.has_file(mention.name):
            hint = "paths are relative to the project's folder"
            view.report("unknown-file", f"there is no file `{mention.name}`", hint, mention.at)


def _known(view: View) -> dict[str, set[str] | None]:
    systems, people = view.bundle.systems, view.bundle.people
    there = view.has_systems
    return {
        "databases": set(systems.databases) if there else None,
        "services": set(systems.services) if there else None,
        "sources": {*systems.databases, *systems.services} if there else None,
        "channels": set(systems.channels) if there else None,
        "hosts": {*systems.hosts, *systems.groups} if there else None,
        "people": {*people.persons, *people.roles} if view.has_people else None,
    }


def _unknown(view: View, mention: Mention, known: Iterable[str]) -> None:
    what = _SINGULAR[mention.sort]
    near = nearest(mention.name, known)
    listed = ", ".join(f"`{name}`" for name in sorted(known)[:10])
    hint = f"did you mean `{near}`?" if near else f"known are {listed}" if listed else f"no {what} is known at all"
    label = {"host": "host or group", "person": "person or role"}.get(what, what)
    view.report(f"unknown-{what}", f"there is no {label} `{mention.name}`", hint, mention.at)


def _step(view: View, mention: Mention) -> None:
    user = view.by_place.get(mention.scope)
    in_rollback = user is not None and user.role is not Role.FORWARD
    if mention.name in (view.spoken if in_rollback else view.forward):
        return
    near = nearest(mention.name, view.forward)
    hint = f"did you mean `{near}`?" if near else "write the id of a step"
    if mention.name in view.runbook.stages:
        hint = "this is a stage: write it into the `needs` of the stage, or name a step of it"
    elif mention.name in view.spoken:
        hint = "this is a step of a rollback, which is not there on the way forward"
    view.report("unknown-step", f"there is no step `{mention.name}`", hint, mention.at)


def unknown_hosts(view: View, names: Iterable[str], *words: str) -> None:
    """Report those of *names*, the list below *words* in the systems file, that are neither hosts nor groups."""
    known = {*view.bundle.systems.hosts, *view.bundle.systems.groups}
    for number, name in enumerate(names):
        if name not in known and "${" not in name:
            at = view.place(view.bundle.systems.at, *words, number)
            _unknown(view, Mention("hosts", name, at, at), known)


def functions_exist(view: View) -> None:
    """Every function can be loaded, and takes the arguments it is given."""
    if view.resolve is None:
        return
    from changeover.runbook.lint.arguments import arguments_fit, one_value_fits  # noqa: PLC0415 - inspect is slow to load

    for mention in view.mentions:
        if mention.sort not in {"functions", "functions of a value"} or not mention.name:
            continue
        try:
            function = view.resolve.function(mention.name)
        except Mistake as problem:
            hint = problem.hint or "write it as `checks.counts:same_number_of_rows`"
            view.report("unknown-function", str(problem), hint, mention.at)
            continue
        fit = arguments_fit if mention.sort == "functions" else one_value_fits
        fit(view, mention, function)
