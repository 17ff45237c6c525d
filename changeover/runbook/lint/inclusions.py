"""Included runbooks: they can be run, they end, and their inputs are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from changeover.runbook.binder import nearest
from changeover.runbook.bundle import Bundle, Included
from changeover.runbook.findings import Finding, Severity
from changeover.runbook.included import SORT
from changeover.runbook.lint.inputs import unfit
from changeover.runbook.lint.view import View
from changeover.runbook.model import Input
from changeover.runbook.traces import Mention
from changeover.runbook.tree import Mapping_, Scalar, plain

#: What lint says of a bundle.
Lint = Callable[[Bundle], tuple[Finding, ...]]


def inclusions_hold(view: View, lint: Lint) -> None:
    """Every included runbook is sound and gets its inputs. What is wrong inside it is said where it is linted itself."""
    for mention in view.mentions:
        included = view.bundle.included.get(mention.name) if mention.sort == SORT else None
        if included is None:
            continue  # it is missing, which is said with the other names, or only the run knows its name
        if included.circle:
            message = "these runbooks include each other: " + " includes ".join(f"`{file}`" for file in included.circle)
            view.report("cycle", message, "remove one of these steps", mention.at)
            continue
        _is_sound(view, mention, included, lint)
        if included.bundle is not None:
            _inputs_fit(view, mention, included.bundle.runbook.inputs)


def _is_sound(view: View, mention: Mention, included: Included, lint: Lint) -> None:
    linted = lint(included.bundle) if included.bundle is not None else ()
    wrong = {found for found in (*included.findings, *linted) if found.severity is Severity.ERROR}
    errors = sorted(wrong, key=lambda found: found.at)
    if errors:
        more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
        message = f"`{mention.name}` cannot be run: {errors[0].message}{more}"
        view.report("broken-include", message, f"`changeover lint {mention.name}` shows what is wrong there", mention.at)


def _inputs_fit(view: View, mention: Mention, declared: Mapping[str, Input]) -> None:
    user = view.by_place.get(mention.scope)
    parameters = user.step.parameters if user is not None else None
    node = parameters.entries.get("inputs") if isinstance(parameters, Mapping_) else None
    if isinstance(node, Scalar) and "${" in node.text:
        return  # the whole mapping is a value of the run
    entries, keys = (node.entries, node.keys) if isinstance(node, Mapping_) else ({}, {})
    for word, entry in entries.items():
        given = declared.get(word)
        if given is None:
            near = nearest(word, [name for name in declared if name not in entries])
            known = ", ".join(f"`{name}`" for name in declared) or "nothing"
            hint = f"did you mean `{near}`?" if near else f"it asks for {known}"
            view.report("inputs-do-not-fit", f"`{mention.name}` asks for no `{word}`", hint, keys[word])
        elif not (isinstance(entry, Scalar) and "${" in entry.text) and (problem := unfit(given, plain(entry))):
            message = f"`{mention.name}` does not take this `{word}`: {problem}"
            view.report("inputs-do-not-fit", message, f"write {_takes(given)}", entry.at)
    missing = [name for name, given in declared.items() if given.default is None and name not in entries]
    if missing:
        names = ", ".join(f"`{name}`" for name in missing)
        hint = "write below `inputs:` " + ", ".join(f"`{name}: ...`" for name in missing)
        view.report("inputs-do-not-fit", f"`{mention.name}` also needs {names}", hint, mention.at)


def _takes(given: Input) -> str:
    match given.type:
        case "choice":
            return "one of " + ", ".join(f"`{choice}`" for choice in given.of)
        case "number":
            return "a number"
        case "flag":
            return "`true` or `false`"
        case "date":
            return "a date such as 2027-03-13"
        case _:
            return f"a text that matches `{given.matches}`" if given.matches else "a text"
