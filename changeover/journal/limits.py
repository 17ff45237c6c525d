"""How large an event may be: the journal is for people and for recovery, output belongs into log files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from changeover.contracts import Value
from changeover.journal.canonical import text_of
from changeover.journal.errors import CapturedTooLarge, CommandTooLarge, EventTooLarge
from changeover.journal.events import Command, Draft, EventKind

#: Bytes of JSON.
EVENT_LIMIT: Final = 1024
CAPTURED_LIMIT: Final = 16 * 1024
#: What people ask and answer is never shortened to a line: it is the instruction, or the evidence.
PEOPLE_LIMIT: Final = 8 * 1024

_OF_PEOPLE: Final = frozenset({EventKind.DECISION_ASKED, EventKind.DECISION_GIVEN, EventKind.COMMAND_ANSWERED})

#: The last try: characters of a text; a list or mapping is only counted.
_ONE_WORD: Final = 16

#: Words that mean something to the program: cutting one would change what it does.
_WHOLE: Final = frozenset(
    {
        "what",
        "typed",
        "resume_by",
        "expires",
        "form",
        "by",
        "deciders",
        "excluded",
        "answer",
        "verb",
        "phase",
        "stage",
        "digest",
        "record",
        "asked",
        "content",
    }
)


def check_captured(step: str, captured: Mapping[str, Value]) -> None:
    """Raise CapturedTooLarge when *captured* of *step* is more than the journal keeps."""
    size = len(text_of(captured).encode())
    if size > CAPTURED_LIMIT:
        raise CapturedTooLarge(step, size, CAPTURED_LIMIT)


def check_command(command: Command) -> None:
    """Raise CommandTooLarge when *command* is more than the journal keeps."""
    size = len(text_of((command.why, command.data)).encode())
    if size > PEOPLE_LIMIT:
        raise CommandTooLarge(size, PEOPLE_LIMIT)


def fitting(draft: Draft) -> str:
    """The data of *draft* as canonical JSON of a size that the journal takes: over-long texts are cut, and say so.

    Raises CapturedTooLarge or EventTooLarge.
    """
    text = text_of(draft.data)
    limit = PEOPLE_LIMIT if draft.kind in _OF_PEOPLE else EVENT_LIMIT
    if len(text) * 4 <= limit or len(text.encode()) <= limit:
        return text
    captured = draft.data.get("captured")
    rest = {name: value for name, value in draft.data.items() if name != "captured"}
    if isinstance(captured, Mapping):
        check_captured(draft.step, captured)
    kept = {} if captured is None else {"captured": captured}
    for longest in (limit, limit // 2, limit // 4, limit // 8, limit // 16, 32, _ONE_WORD):
        shorter = {name: value if name in _WHOLE else _cut(value, longest) for name, value in rest.items()}
        if len(text_of(shorter).encode()) <= limit:
            return text_of({**shorter, **kept})
    raise EventTooLarge(draft.kind, draft.step, len(text.encode()))


def _cut(value: object, longest: int) -> object:
    """Cut every text to *longest* characters, every list and mapping to a fitting number of entries."""
    if isinstance(value, str):
        return value if len(value) <= longest else f"{value[:longest].rstrip()}… ({len(value)} characters)"
    if longest == _ONE_WORD and isinstance(value, Mapping | list | tuple):
        return f"… {len(value)} entries"
    entries = max(4, longest // 16)
    if isinstance(value, Mapping):
        more = {"…": f"{len(value) - entries} more"} if len(value) > entries else {}
        return {str(_cut(name, longest)): _cut(item, longest) for name, item in list(value.items())[:entries]} | more
    if isinstance(value, list | tuple):
        return [_cut(item, longest) for item in value[:entries]] + (
            [f"… {len(value) - entries} more"] if len(value) > entries else []
        )
    return value
