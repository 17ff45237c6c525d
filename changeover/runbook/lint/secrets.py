"""Secrets: references only, in every file."""

from __future__ import annotations

import re
from collections.abc import Iterator

from changeover.runbook.lint.view import View
from changeover.runbook.position import Position
from changeover.runbook.references import whole
from changeover.runbook.tree import Node, Scalar, Sequence

_REFERENCES = ("env:", "file:", "keyring:")
_SECRET_KEY = re.compile(
    r"(?:^|[-_])(?:passwords?|passwd|secret|token|api[-_]?key|authorization|private[-_]?key)$", re.IGNORECASE
)
_URL_WITH_PASSWORD = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/@:]*:([^\s/@]+)@", re.IGNORECASE)
_HINT = "write a reference: env:NAME, file:PATH or keyring:NAME"


def secrets_are_references(view: View) -> None:
    """No password stands in a systems file, a runbook or a URL."""
    systems = view.node(view.bundle.systems.at)
    if systems is not None:
        for at, text, word in _texts(systems, ""):
            _examine(view, at, _of_this_machine(view, text), word, in_systems=True)
    chat = view.runbook.chat
    if chat is not None:
        _examine(view, view.place(view.runbook.at, "chat", "token"), chat.token, "token", in_systems=True)
    for found in view.steps:
        parameters = found.step.parameters
        for at, text, word in _texts(parameters, ""):
            if "://" in text or _SECRET_KEY.search(word):
                _examine(view, at, text, word, in_systems=False)


def _of_this_machine(view: View, text: str) -> str:
    """*text*, or what the values file says when it is one ``${values.NAME}``."""
    name = whole(text) or ""
    return view.bundle.values.get(name.removeprefix("values."), text) if name.startswith("values.") else text


def _texts(node: Node, word: str) -> Iterator[tuple[Position, str, str]]:
    if isinstance(node, Scalar):
        if isinstance(node.value, str):
            yield node.at, node.text, word
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _texts(item, word)
    else:
        for key, entry in node.entries.items():
            yield from _texts(entry, key)


def _examine(view: View, at: Position, text: str, word: str, *, in_systems: bool) -> None:
    match = _URL_WITH_PASSWORD.search(text) if "@" in text else None
    if match is not None and "${" not in match[1]:
        hint = "remove it from the URL; write `password:` with " + _HINT.removeprefix("write ") if in_systems else _HINT
        view.report("secret-in-clear", "a password stands in this URL", hint, at)
    elif _SECRET_KEY.search(word) and text and not text.startswith(_REFERENCES) and "${" not in text and word != "key":
        view.report("secret-in-clear", f"`{word}` stands here in clear", _HINT, at)
