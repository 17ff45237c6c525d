"""Readers of single values: texts, numbers, flags, durations, times of day, dates, and anything at all."""

from __future__ import annotations

from datetime import date, timedelta
from math import isfinite
from pathlib import Path
from typing import Any

from changeover.contracts import WORST_OVER_LIKELY, Expected, Value
from changeover.runbook import durations, wall_time
from changeover.runbook.binder import INVALID, Binder, Invalid, suggestion
from changeover.runbook.model import WallTime
from changeover.runbook.reading import SPECIAL, filled, is_template, reads, remembered, scalar
from changeover.runbook.references import ValueMissing, as_text, substitute
from changeover.runbook.traces import Moment
from changeover.runbook.tree import Mapping_, Node, Scalar, Sequence, plain


@reads(str)
def read_text(binder: Binder, node: Node) -> Any:
    """A text: what was written, whatever YAML would make of it."""
    if not isinstance(node, Scalar):
        return binder.wrong(node, "a text")
    if node.value is None:
        return binder.wrong(node, "a text")
    if "${" in node.text and not binder.filling and not remembered(binder, node):
        return _substituted(binder, node, shell=False)
    return node.text


def read_shell_text(binder: Binder, node: Node) -> Any:
    """A text in which each substituted value is quoted for the shell."""
    if isinstance(node, Scalar) and is_template(binder, node) and not remembered(binder, node):
        return _substituted(binder, node, shell=True)  # noqa: S604 - it quotes, it runs nothing
    return read_text(binder, node)


def _substituted(binder: Binder, node: Scalar, *, shell: bool) -> Any:
    assert binder.names is not None  # noqa: S101 - remembered() said so
    try:
        return as_text(substitute(node.text, binder.names, shell=shell), node.text.strip()[2:-1])
    except ValueMissing as missing:
        return binder.report("value-missing", str(missing), missing.hint, node.at)


def _integer(binder: Binder, node: Scalar) -> Any:
    text = node.text.strip()
    if isinstance(node.value, int) and not isinstance(node.value, bool):
        return node.value
    try:
        if text.lstrip("-").isdecimal() and text.isascii() and str(int(text)) == text:
            return int(text)
    except ValueError:  # thousands of digits
        pass
    return binder.wrong(node, "a whole number", "write it in plain digits, such as 10")


def _number(binder: Binder, node: Scalar) -> Any:
    if isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        return float(node.value)
    try:
        if set(node.text) <= set("-0123456789."):
            number = float(node.text)
            if isfinite(number):
                return number
    except ValueError:
        pass
    return binder.wrong(node, "a number", "write it in plain digits, such as 1.5")


def _flag(binder: Binder, node: Scalar) -> Any:
    if isinstance(node.value, bool):
        return node.value
    if node.value in {"true", "false"}:
        return node.value == "true"
    return binder.wrong(node, "`true` or `false`", "write `true` or `false`; yes, no, on and off are plain texts here")


def _duration(binder: Binder, node: Scalar) -> Any:
    if node.value is None:
        return binder.wrong(node, "a duration", "write a duration such as `20m`")
    try:
        return durations.parse(node.text)
    except durations.DurationInvalid as problem:
        return binder.report("wrong-type", f"a duration is needed, and {binder.is_found(node)}", problem.hint, node.at)


def _wall_time(binder: Binder, node: Scalar) -> Any:
    try:
        when = wall_time.parse(node.text)
    except wall_time.WallTimeInvalid as problem:
        return binder.report("wrong-type", str(problem), problem.hint, node.at)
    binder.moments.append(Moment(when, node.at, binder.scope))
    return when


def _date(binder: Binder, node: Scalar) -> Any:
    try:
        return date.fromisoformat(node.text)
    except ValueError:
        return binder.wrong(node, "a date", "write it as 2027-03-13")


def _null(binder: Binder, node: Scalar) -> Any:
    if node.value is None:
        return None
    return binder.wrong(node, "nothing")


SPECIAL[int] = scalar("a whole number", _integer)
SPECIAL[float] = scalar("a number", _number)
SPECIAL[bool] = scalar("`true` or `false`", _flag)
SPECIAL[timedelta] = _read_duration = scalar("a duration such as `20m`", _duration)
SPECIAL[WallTime] = scalar("a wall-clock time such as `2027-03-13 19:00`", _wall_time)
SPECIAL[date] = scalar("a date such as 2027-03-13", _date)
SPECIAL[type(None)] = scalar("nothing", _null)


@reads(Path)
def _read_path(binder: Binder, node: Node) -> Any:
    text = read_text(binder, node)
    return text if isinstance(text, Invalid) else Path(text)


@reads(Any, Value)
def read_value(binder: Binder, node: Node) -> Any:
    """Anything, as plain lists, mappings, texts and numbers."""
    if isinstance(node, Scalar):
        if is_template(binder, node) and not remembered(binder, node):
            got = filled(binder, node)
            return got if isinstance(got, Invalid) else plain(got)
        return node.value
    if isinstance(node, Sequence):
        items = [read_value(binder, item) for item in node.items]
        return INVALID if INVALID in items else items
    entries = {word: read_value(binder, entry) for word, entry in node.entries.items()}
    return INVALID if any(entry is INVALID for entry in entries.values()) else entries


@reads(Node)
def _read_node(binder: Binder, node: Node) -> Any:  # noqa: ARG001 - a reader's signature
    return node


@reads(Expected)
def read_expected(binder: Binder, node: Node) -> Any:
    """``2m``, or ``{likely: 12h, worst: 14h}``."""
    if not isinstance(node, Mapping_):
        likely = _read_duration(binder, node)
        return Expected(likely, likely * WORST_OVER_LIKELY) if isinstance(likely, timedelta) else likely
    known = ("likely", "worst")
    for word in node.entries:
        if word not in known:
            binder.report("unknown-key", f"`expect` has no key `{word}`", suggestion(word, known, "key"), node.keys[word])
    if "likely" not in node.entries:
        return binder.report("missing-key", "`expect` needs the key `likely`", "write {likely: 12h, worst: 14h}", node.at)
    likely = _read_duration(binder, node.entries["likely"])
    worst = _read_duration(binder, node.entries["worst"]) if "worst" in node.entries else None
    if not isinstance(likely, timedelta):
        return INVALID
    if worst is not None and not isinstance(worst, timedelta):
        return INVALID
    if worst is not None and worst < likely:
        return binder.report(
            "invalid-value", "the worst case is shorter than the likely one", "exchange them", node.entries["worst"].at
        )
    return Expected(likely, worst if worst is not None else likely * WORST_OVER_LIKELY)
