"""Arguments of the project's functions: those that are given fit those that are taken."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from changeover.runbook.binder import nearest
from changeover.runbook.lint.view import View
from changeover.runbook.traces import Mention
from changeover.runbook.tree import Mapping_, Node, Sequence

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def arguments_fit(view: View, mention: Mention, function: Callable[..., Any]) -> None:
    """Report unknown and missing arguments of *function*. The first parameter is the context."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return  # a builtin: nobody can tell
    if not parameters:
        view.report("arguments-do-not-fit", f"`{mention.name}` takes no context", "its first parameter is `context`", mention.at)
        return
    taken = {parameter.name: parameter for parameter in parameters[1:] if parameter.kind in _BY_NAME}
    anything = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)
    given = _given(view, mention)
    entries, keys = (given.entries, given.keys) if given is not None else ({}, {})
    for word in entries:
        if word not in taken and not anything:
            near = nearest(word, [name for name in taken if name not in entries])
            known = ", ".join(f"`{name}`" for name in taken) or "nothing but the context"
            hint = f"did you mean `{near}`?" if near else f"it takes {known}"
            view.report("arguments-do-not-fit", f"`{mention.name}` takes no `{word}`", hint, keys[word])
    missing = [name for name, parameter in taken.items() if parameter.default is inspect.Parameter.empty and name not in entries]
    if missing:
        names = ", ".join(f"`{name}`" for name in missing)
        hint = "write below `with:` " + ", ".join(f"`{name}: ...`" for name in missing)
        view.report("arguments-do-not-fit", f"`{mention.name}` also needs {names}", hint, mention.at)


def one_value_fits(view: View, mention: Mention, function: Callable[..., Any]) -> None:
    """Report a *function* that cannot be called with one value."""
    if not takes_one_value(function):
        hint = "its one parameter is the value; it gets no context and no `with:`"
        view.report("arguments-do-not-fit", f"`{mention.name}` does not take exactly one value", hint, mention.at)


def takes_one_value(function: Callable[..., Any]) -> bool:
    """Whether *function* can be called with one argument; of a builtin that nobody can tell of, yes."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return True
    try:
        signature.bind(None)
    except TypeError:
        return False
    return True


def _given(view: View, mention: Mention) -> Mapping_ | None:
    """The ``with:`` that belongs to the mentioned function: beside it, or on its step."""
    user = view.by_place.get(mention.scope)
    if user is None:
        return None
    beside = _beside(user.step.parameters, mention)
    node = view.node(user.step.at)
    given = beside if beside is not None else node.entries.get("with") if node is not None else None
    return given if isinstance(given, Mapping_) else None


def _beside(node: Node, mention: Mention) -> Node | None:
    if isinstance(node, Mapping_):
        if any(entry.at == mention.at for entry in node.entries.values()):
            return node.entries.get("with")
        entries = tuple(node.entries.values())
    else:
        entries = node.items if isinstance(node, Sequence) else ()
    found = (_beside(entry, mention) for entry in entries if not hasattr(entry, "text"))
    return next((given for given in found if given is not None), None)
