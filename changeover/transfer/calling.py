"""Values that a function of the project makes. What it cannot make is a dead letter with the reason, whatever happens in it."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from changeover.modules import ReferenceNotFound
from changeover.project import Project
from changeover.runbook.lint.arguments import takes_one_value
from changeover.transfer.changes import Convert, Unfit
from changeover.transfer.fitting import plain

#: What a column is made of; no subclass, for nobody knows how a driver would write it.
_MADE: Final = frozenset({str, int, float, bool, Decimal, bytes, type(None)})
#: Characters of an exception's words that are kept.
_MOST_WORDS: Final = 300


def called(reference: str, project: Path | None) -> Convert:
    """The function *reference* of the project at that root, as a change like any other: NULL stays NULL.

    Raises:
        ReferenceNotFound, ModuleBroken: it cannot be had, here where the values are made.
    """
    if project is None:
        raise ReferenceNotFound(reference, "there is no project here whose function it could be")
    function = Project(project).function(reference)
    if not takes_one_value(function):
        raise ReferenceNotFound(reference, "it does not take exactly one value")
    return _guarded(reference, function)


def _guarded(reference: str, function: Callable[[Any], Any]) -> Convert:
    def made(value: Any) -> Any:
        if value is None:
            return None
        try:
            found = function(value)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, the copy goes on without this row
            raise Unfit(f"`{reference}`: {_words(error)}") from None
        if isinstance(found, date | time | timedelta | bytearray | memoryview):
            return plain(found)
        if type(found) not in _MADE:
            raise Unfit(f"`{reference}` made a {type(found).__name__}, of which no column is made")
        return found

    return made


def _words(error: BaseException) -> str:
    """Its class and what it says, in one line; even of one that fails to say anything."""
    said = str(traceback.TracebackException(type(error), error, None))
    said = " ".join(said.replace("\0", "\\0").split())
    said = said if len(said) <= _MOST_WORDS else f"{said[:_MOST_WORDS]}…"
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
