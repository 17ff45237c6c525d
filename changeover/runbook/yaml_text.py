"""Strict YAML: a tree with places, and findings instead of guesses.

A strict subset of what PyYAML's C parser reads: no anchors, aliases, merge keys or tags, no second key of the same name,
and texts stay texts: ``22:22``, ``NO``, ``1.10`` and ``010`` are what was written. Typed are only ``true``, ``false``,
``null`` (also ``~`` and nothing), and decimal numbers whose spelling is the number's own.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any, Final

import yaml

from changeover.contracts import Value
from changeover.runbook.codes import finding
from changeover.runbook.findings import Finding
from changeover.runbook.position import Position
from changeover.runbook.tree import Mapping_, Node, Scalar, Sequence

try:
    from yaml.cyaml import CParser as _Parser  # type: ignore[attr-defined]
except ImportError:  # PyYAML was built without libyaml: slower, the same events
    from yaml import Loader as _Parser  # type: ignore[assignment]

MAX_BYTES: Final = 8 * 1024 * 1024
MAX_DEPTH: Final = 64
MAX_NODES: Final = 500_000
_MAX_STRANGE: Final = 20  # findings of that sort; a binary file has thousands

#: Control characters; and those that are not seen, or make a line look like another one: zero width, and changes of direction.
_STRANGE: Final = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]|[\u200b\u2060\u202a-\u202e\u2066-\u2069]"
)
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})", re.ASCII)
_DECIMAL: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,15})\.[0-9]{1,16}", re.ASCII)
_CONSTANTS: Final[dict[str, Value]] = {"true": True, "false": False, "null": None, "~": None, "": None}
_NO_KEYS: Final = frozenset({"<<", "", "~", "null"})
_LINE_ENDS: Final = re.compile("\r\n|[\n\r\x85\u2028\u2029]")

_CURES: Final = (
    ("cannot start any token", "indent with spaces, never with tabs; quote a text that begins with one of % @ ` or a tab"),
    ("tab character", "indent with spaces, never with tabs"),
    ("mapping values are not allowed", "quote a text that contains a colon and a space: `says: 'Closed: back at 21:00'`"),
    ("could not find expected ':'", "write `key: value`, with a space after the colon, and indent what belongs below it"),
    (
        "did not find expected key",
        "keys of one mapping start in the same column; quote a text that goes on after a closing quote",
    ),
    ("did not find expected '-' indicator", "entries of one list start with `-` in the same column"),
    ("did not find expected ',' or", "close the bracket, or put a comma between the entries"),
    ("unexpected end of stream", "close the quote or bracket that was opened at the line named above"),
)


def parse(text: str, file: str) -> tuple[Node | None, list[Finding]]:
    """The tree of *text* and what is wrong with it; None when there is no tree. Raises nothing on any text."""
    findings = _strange_characters(text, file)
    if len(text) > MAX_BYTES:
        hint = "split it, and include its parts with the kind `runbook`"
        return None, [finding("file-too-large", f"more than {MAX_BYTES // 1024 // 1024} MiB", hint, Position(file, 1, 1))]
    if findings:
        return None, findings
    reader = _Reader(text, file, findings)
    try:
        return reader.read(), findings
    except yaml.YAMLError as problem:
        findings.append(_syntax(problem, file))
        return None, findings


def lines_of(text: str) -> list[str]:
    """The lines of *text* as YAML counts them, without their ends."""
    return _LINE_ENDS.split(text)


def place(text: str, index: int, file: str) -> Position:
    """Where the character number *index* of *text* stands."""
    ends = [match.end() for match in _LINE_ENDS.finditer(text, 0, index)]
    return Position(file, len(ends) + 1, index - (ends[-1] if ends else 0) + 1)


def value_of(text: str) -> Value:
    """What the plain scalar *text* means."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] in "-0123456789":
        if _INTEGER.fullmatch(text):
            return int(text)
        if _DECIMAL.fullmatch(text) and repr(float(text)) == text:
            return float(text)  # 1.10 is a version: its spelling would be lost
    return text


def _strange_characters(text: str, file: str) -> list[Finding]:
    found = []
    for match in _STRANGE.finditer(text):
        number = ord(match[0])
        name = unicodedata.name(match[0], "NUL" if number == 0 else "")
        message = f"a character that is no text: U+{number:04X}" + (f" ({name})" if name else "")
        found.append(
            finding(
                "strange-character",
                message,
                "remove it, or write it in double quotes as an escape",
                place(text, match.start(), file),
            )
        )
        if len(found) == _MAX_STRANGE:
            break
    return found


def _syntax(problem: yaml.YAMLError, file: str) -> Finding:
    mark = getattr(problem, "problem_mark", None) or getattr(problem, "context_mark", None)
    at = Position(file, mark.line + 1, mark.column + 1) if mark is not None else Position(file, 1, 1)
    said = str(getattr(problem, "problem", None) or getattr(problem, "reason", None) or problem).strip()
    context, context_mark = getattr(problem, "context", None), getattr(problem, "context_mark", None)
    if context and context_mark is not None:
        said = f"{said}, {context} that began at line {context_mark.line + 1}"
    hint = next(
        (cure for sign, cure in _CURES if sign in said), "look at the indentation, the quotes and the brackets at this place"
    )
    return finding("yaml-syntax", f"this is not YAML: {said}", hint, at)


class _Frame:
    """A list or mapping that is still open."""

    __slots__ = ("as_key", "at", "discard", "entries", "items", "key", "keys")

    def __init__(self, at: Position, *, mapping: bool, as_key: bool) -> None:
        self.at = at
        self.as_key = as_key  # it stands where a key should: refused, but read to its end
        self.discard = False  # the key at hand was refused: its value goes nowhere
        self.items: list[Node] | None = None if mapping else []
        self.entries: dict[str, Node] = {}
        self.keys: dict[str, Position] = {}
        self.key: str | None = None

    def node(self) -> Node:
        return Mapping_(self.entries, self.keys, self.at) if self.items is None else Sequence(tuple(self.items), self.at)


class _Reader:
    """Turns the parser's events into a tree, without recursion."""

    def __init__(self, text: str, file: str, findings: list[Finding]) -> None:
        self._parser: Any = _Parser(text)
        self._file = file
        self._findings = findings
        self._stack: list[_Frame] = []
        self._frame: _Frame | None = None  # the last of the stack
        self._root: Node | None = None
        self._documents = 0
        self._done = False

    def read(self) -> Node | None:
        """The tree; None when the text holds none, or more than is allowed."""
        next_event, file = self._parser.get_event, self._file
        scalar_event, end_events = yaml.ScalarEvent, (yaml.MappingEndEvent, yaml.SequenceEndEvent)
        nodes = 0
        while (event := next_event()) is not None and not self._done:
            sort = event.__class__
            if sort is scalar_event:
                mark = event.start_mark
                at = Position(file, mark.line + 1, mark.column + 1)
                if event.anchor is not None or event.tag is not None:
                    self._refuse(event, at)
                self._scalar(event.value, at, event.implicit[0])
            elif sort in end_events:
                self._close()
                continue
            else:
                self._opened(event, sort)
            nodes += 1
            if nodes > MAX_NODES:
                self._give_up(f"more than {MAX_NODES:,} values", "split it, and include its parts with the kind `runbook`", event)
        return self._root

    def _opened(self, event: Any, sort: type) -> None:
        """Handle the events that are neither scalars nor ends."""
        if sort is yaml.MappingStartEvent or sort is yaml.SequenceStartEvent:
            self._open(event, mapping=sort is yaml.MappingStartEvent)
        elif sort is yaml.AliasEvent:
            message = f"an alias, `*{event.anchor}`, stands for what is written elsewhere"
            self._report("yaml-anchor", message, "write it out, or use ${...} for a value", event)
            self._scalar("", self._at(event), True)  # noqa: FBT003 - see there
        elif sort is yaml.DocumentStartEvent:
            self._documents += 1
            if self._documents > 1:
                hint = "remove the `---`, or put it into a file of its own"
                self._report("yaml-document", "a second document begins here", hint, event)
                self._done = True

    def _open(self, event: Any, *, mapping: bool) -> None:
        at, frame = self._at(event), self._frame
        if event.anchor is not None or event.tag is not None:
            self._refuse(event, at)
        as_key = frame is not None and frame.items is None and frame.key is None
        if as_key:
            hint = "quote it if it is a text that begins with a bracket"
            self._report("wrong-type", "a key has to be a text, not a list or mapping", hint, event)
        if len(self._stack) >= MAX_DEPTH:
            self._give_up(f"nested deeper than {MAX_DEPTH} levels", "no runbook needs that: look for an unclosed bracket", event)
            return
        self._frame = _Frame(at, mapping=mapping, as_key=as_key)
        self._stack.append(self._frame)

    def _give_up(self, message: str, hint: str, event: Any) -> None:
        self._report("file-too-large", message, hint, event)
        self._root, self._done = None, True

    def _scalar(self, text: str, at: Position, plain: bool) -> None:  # noqa: FBT001 - called for every value
        frame = self._frame
        if frame is None:
            self._root = Scalar(value_of(text) if plain else text, text, at)
        elif frame.items is not None:
            frame.items.append(Scalar(value_of(text) if plain else text, text, at))
        elif frame.key is None:
            self._key(frame, text, at, plain)
        else:
            if not frame.discard:
                frame.entries[frame.key] = Scalar(value_of(text) if plain else text, text, at)
            frame.key = None

    def _key(self, frame: _Frame, text: str, at: Position, plain: bool) -> None:  # noqa: FBT001 - called for every key
        if plain and text in _NO_KEYS:
            self._no_key(text, at)
            frame.key, frame.discard = text, True
            return
        first = frame.keys.setdefault(text, at)
        frame.key, frame.discard = text, first is not at
        if first is not at:
            message = f"`{text}` stands twice in the same mapping, first at line {first.line}"
            self._findings.append(finding("duplicate-key", message, "keep one of the two", at))

    def _no_key(self, text: str, at: Position) -> None:
        if text == "<<":
            self._findings.append(finding("yaml-anchor", "a merge key, `<<`", "write the keys out", at))
        else:
            self._findings.append(finding("wrong-type", "a key is missing before the colon", "write the key, or quote it", at))

    def _close(self) -> None:
        closed = self._stack.pop()
        frame = self._frame = self._stack[-1] if self._stack else None
        if frame is None:
            self._root = closed.node()
        elif closed.as_key:
            frame.key, frame.discard = "", True
        elif frame.items is not None:
            frame.items.append(closed.node())
        elif frame.key is not None:
            if not frame.discard:
                frame.entries[frame.key] = closed.node()
            frame.key = None

    def _refuse(self, event: Any, at: Position) -> None:
        if event.anchor is not None:
            message = f"an anchor, `&{event.anchor}`"
            self._findings.append(finding("yaml-anchor", message, "remove it, and write out what referred to it", at))
        if event.tag is not None:
            message = f"a tag, `{event.tag}`"
            self._findings.append(
                finding("yaml-tag", message, "remove it; quote the text if it begins with an exclamation mark", at)
            )

    def _report(self, code: str, message: str, hint: str, event: Any) -> None:
        self._findings.append(finding(code, message, hint, self._at(event)))

    def _at(self, event: Any) -> Position:
        return Position(self._file, event.start_mark.line + 1, event.start_mark.column + 1)
