"""Inputs: what is asked for can be given."""

from __future__ import annotations

import re
from datetime import date

from changeover.contracts import Value
from changeover.runbook.lint.view import View
from changeover.runbook.model import Input
from changeover.runbook.step_reader import ID


def inputs_can_be_given(view: View) -> None:
    """Types, choices, patterns and defaults of the inputs agree."""
    for name, given in view.runbook.inputs.items():
        if not ID.fullmatch(name.lower().replace("_", "-")):
            view.report(
                "bad-id", f"`{name}` cannot be the name of an input", "use letters, digits, hyphens and underscores", given.at
            )
        if given.type == "choice" and not given.of:
            view.report("bad-input", f"input `{name}` offers no choice", "write `of: [first, second]`", given.at)
        if given.type != "choice" and given.of:
            hint = "write `type: choice`, or remove `of`"
            view.report("bad-input", f"input `{name}` is a {given.type}, which has no choices", hint, view.key(given.at, "of"))
        if given.type != "text" and given.matches:
            hint = "write `type: text`, or remove `matches`"
            view.report(
                "bad-input", f"input `{name}` is a {given.type}, which matches no pattern", hint, view.key(given.at, "matches")
            )
        if _pattern_compiles(view, name, given) and given.default is not None:
            problem = unfit(given, given.default)
            if problem:
                hint = "write a default that a person could give, or none"
                view.report("bad-default", f"input `{name}`: {problem}", hint, view.place(given.at, "default"))


def _pattern_compiles(view: View, name: str, given: Input) -> bool:
    if not given.matches:
        return True
    try:
        re.compile(given.matches)
    except (re.error, OverflowError, RecursionError) as problem:
        message = f"input `{name}`: `{given.matches}` is no regular expression: {problem}"
        view.report(
            "bad-pattern",
            message,
            "quote it in single quotes, and escape what is meant literally",
            view.place(given.at, "matches"),
        )
        return False
    return True


def unfit(given: Input, value: Value) -> str:
    """Why *value* could not be given for an input; empty when it could."""
    if value is None:
        return "there is no value"
    if given.type == "choice":
        return "" if not given.of or str(value) in given.of else f"`{value}` is none of the choices"
    if given.type == "number":
        return "" if isinstance(value, (int, float)) and not isinstance(value, bool) else f"`{value}` is no number"
    if given.type == "flag":
        return "" if isinstance(value, bool) else f"`{value}` is neither true nor false"
    if given.type == "date":
        try:
            date.fromisoformat(str(value))
        except ValueError:
            return f"`{value}` is no date; write it as 2027-03-13"
        return ""
    if isinstance(value, (list, dict)):
        return "it is no text"
    return "" if not given.matches or re.fullmatch(given.matches, str(value)) else f"`{value}` does not match its pattern"
