"""A small comparison language for ``when:`` and ``until:``: no calls, no arithmetic, no ``eval``.

::

    condition  = any
    any        = all { "or" all }
    all        = not { "and" not }
    not        = "not" not | "(" any ")" | comparison
    comparison = operand [ ( "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not in" ) operand ]
    operand    = ${name} | $ | $.path[0] | number | 'text' | "text" | true | false | null | word | [ operand, ... ]

A bare word is a text, or what YAML makes of it: ``${inputs.wave} == residential``. ``$`` is the output of the step that a
poll repeats.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final

from changeover.contracts import Value
from changeover.errors import Mistake
from changeover.runbook import capture_paths
from changeover.runbook.references import Lookup, path_of
from changeover.runbook.yaml_text import value_of

_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<name>\$\{[^{}]*\}) | (?P<path>\$(?:[.\[][A-Za-z0-9_.\[\]-]*)?) | (?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
      | (?P<sign>==|!=|<=|>=|[<>()\[\],]) | (?P<word>[^\s<>=!()\[\],'"$]+)
    )""",
    re.VERBOSE,
)
_NUMBER: Final = re.compile(r"-?\d{1,30}(?:\.\d{1,30})?", re.ASCII)
_RESERVED: Final = frozenset({"and", "or", "not", "in"})
_ORDERS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_DEEPEST: Final = 40


@dataclass(eq=False)
class ConditionInvalid(Mistake):
    """A text that is no condition, or that compares what cannot be compared."""

    text: str
    column: int  # counts from 1
    why: str

    def __str__(self) -> str:
        return f"`{self.text}` is no condition: {self.why}"

    @property
    def hint(self) -> str:
        return "write a comparison such as `${inputs.wave} == residential` or `$.open < 3 and $.failed == 0`"


@dataclass(frozen=True, slots=True)
class Name:
    """``${inputs.wave}``."""

    path: tuple[str, ...]
    column: int


@dataclass(frozen=True, slots=True)
class OutputPath:
    """``$.a.b[0]``."""

    path: str
    column: int


@dataclass(frozen=True, slots=True)
class Constant:
    """A number, a text, true, false or null."""

    value: Value
    column: int


@dataclass(frozen=True, slots=True)
class Choice:
    """``[a, b]``."""

    items: tuple[Operand, ...]
    column: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two operands; without a sign, one that is true by itself."""

    left: Operand
    sign: str
    right: Operand | None


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    inner: Condition


@dataclass(frozen=True, slots=True)
class Joined:
    """Several conditions, all (``and``) or any (``or``) of which must hold."""

    word: str
    parts: tuple[Condition, ...]


Operand = Name | OutputPath | Constant | Choice
Condition = Comparison | Not | Joined


def holds(text: str, names: Lookup, output: Value = None) -> bool:
    """Whether the condition *text* holds.

    Raises ConditionInvalid, ValueMissing for a name that is not there, OutputLacks for a path that is not in *output*.
    """
    return _holds(parse(text), _Known(text, names, output))


@lru_cache(maxsize=4096)
def parse(text: str) -> Condition:
    """The condition that *text* says; ConditionInvalid, with a column, when it says none."""
    parser = _Parser(text)
    condition = parser.any(0)
    parser.end()
    return condition


def operands(condition: Condition) -> Iterator[Operand]:
    """Everything that *condition* compares, lists opened."""
    if isinstance(condition, Comparison):
        for operand in (condition.left, condition.right):
            if isinstance(operand, Choice):
                yield from operand.items
            elif operand is not None:
                yield operand
    elif isinstance(condition, Not):
        yield from operands(condition.inner)
    else:
        for part in condition.parts:
            yield from operands(part)


@dataclass(frozen=True, slots=True)
class _Token:
    sort: str
    text: str
    column: int


class _Parser:
    """Recursive descent, one token ahead."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._split())
        self._place = 0

    def _split(self) -> Iterator[_Token]:
        place = 0
        while self._text[place:].strip():
            match = _TOKEN.match(self._text, place)
            if match is None:
                column = place + len(self._text[place:]) - len(self._text[place:].lstrip()) + 1
                raise ConditionInvalid(self._text, column, f"`{self._text[column - 1]}` has no meaning here")
            sort = match.lastgroup or ""
            yield _Token(sort, match[sort], match.start(sort) + 1)
            place = match.end()

    def any(self, depth: int) -> Condition:
        return self._joined("or", self._all, depth)

    def _all(self, depth: int) -> Condition:
        return self._joined("and", self._not, depth)

    def _joined(self, word: str, part: Callable[[int], Condition], depth: int) -> Condition:
        parts = [part(depth)]
        while self._take(word):
            parts.append(part(depth))
        return parts[0] if len(parts) == 1 else Joined(word, tuple(parts))

    def _not(self, depth: int) -> Condition:
        if depth > _DEEPEST:
            raise ConditionInvalid(self._text, self._column, f"it is nested deeper than {_DEEPEST} levels")
        if self._take("not"):
            return Not(self._not(depth + 1))
        if self._take("("):
            inside = self.any(depth + 1)
            if not self._take(")"):
                raise ConditionInvalid(self._text, self._column, "a closing parenthesis is missing")
            return inside
        return self._comparison()

    def _comparison(self) -> Condition:
        left = self._operand()
        token = self._at_hand
        sign = token.text if token is not None and token.sort != "text" else ""
        if sign in _ORDERS or sign in {"==", "!=", "in"}:
            self._place += 1
            return Comparison(left, sign, self._operand())
        if sign == "not" and self._place + 1 < len(self._tokens) and self._tokens[self._place + 1].text == "in":
            self._place += 2
            return Not(Comparison(left, "in", self._operand()))
        return Comparison(left, "", None)

    def _operand(self) -> Operand:
        token = self._at_hand
        if token is None or (token.sort == "sign" and token.text != "[") or (token.sort == "word" and token.text in _RESERVED):
            raise ConditionInvalid(self._text, self._column, "a value is missing here")
        self._place += 1
        if token.sort == "name":
            path = path_of(token.text[2:-1].strip())
            if path is None:
                raise ConditionInvalid(self._text, token.column, f"`{token.text}` is not a name")
            return Name(path, token.column)
        if token.sort == "path":
            try:
                capture_paths.parse(token.text)
            except capture_paths.CapturePathInvalid as problem:
                raise ConditionInvalid(self._text, token.column, str(problem)) from None
            return OutputPath(token.text, token.column)
        if token.sort == "text":
            return Constant(re.sub(r"\\(.)", r"\1", token.text[1:-1]), token.column)
        return self._choice(token) if token.sort == "sign" else Constant(value_of(token.text), token.column)

    def _choice(self, opened: _Token) -> Operand:
        items: list[Operand] = []
        while not self._take("]"):
            separated = not items or self._take(",")
            token = self._at_hand
            if token is None or not separated or (token.text == "[" and token.sort == "sign"):
                raise ConditionInvalid(self._text, self._column, "a list is written [first, second]")
            items.append(self._operand())
        return Choice(tuple(items), opened.column)

    def end(self) -> None:
        token = self._at_hand
        if token is not None:
            raise ConditionInvalid(
                self._text, token.column, f"`{token.text}` is not expected here; join comparisons with and, or"
            )

    @property
    def _at_hand(self) -> _Token | None:
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    @property
    def _column(self) -> int:
        return self._at_hand.column if self._at_hand is not None else len(self._text) + 1

    def _take(self, text: str) -> bool:
        token = self._at_hand
        if token is None or token.text != text or token.sort == "text":
            return False
        self._place += 1
        return True


@dataclass(frozen=True, slots=True)
class _Known:
    """What a condition is tried against."""

    text: str
    names: Lookup
    output: Value

    def value(self, operand: Operand) -> Any:
        if isinstance(operand, Name):
            return self.names.lookup(operand.path)
        if isinstance(operand, OutputPath):
            return capture_paths.extract(operand.path, self.output)
        if isinstance(operand, Choice):
            return [self.value(item) for item in operand.items]
        return operand.value


def _holds(condition: Condition, known: _Known) -> bool:
    if isinstance(condition, Joined):
        test = all if condition.word == "and" else any
        return test(_holds(part, known) for part in condition.parts)
    if isinstance(condition, Not):
        return not _holds(condition.inner, known)
    left = known.value(condition.left)
    if condition.right is None:
        if isinstance(left, bool):
            return left
        raise ConditionInvalid(known.text, condition.left.column, "this is neither true nor false; compare it with something")
    return _compare(left, condition.sign, known.value(condition.right), condition, known)


def _compare(left: Any, sign: str, right: Any, condition: Comparison, known: _Known) -> bool:
    if sign == "in":
        if isinstance(right, str) and isinstance(left, str):
            return left in right
        if not isinstance(right, (list, tuple, Mapping)):
            raise ConditionInvalid(known.text, condition.left.column, "`in` needs a list, such as `in [a, b]`")
        return any(_equal(left, item) for item in right)
    if sign in {"==", "!="}:
        return _equal(left, right) == (sign == "==")
    numbers = _number(left), _number(right)
    if numbers[0] is not None and numbers[1] is not None:
        return _ORDERS[sign](*numbers)
    if isinstance(left, str) and isinstance(right, str):
        return _ORDERS[sign](left, right)
    raise ConditionInvalid(known.text, condition.left.column, f"{_shown(left)} and {_shown(right)} have no order")


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return str(left).lower() == str(right).lower()
    # a number that came as a text, such as one from a form or a shell, is still that number; two texts are texts
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    numbers = _number(left), _number(right)
    if numbers[0] is not None and numbers[1] is not None:
        return numbers[0] == numbers[1]
    return bool(left == right)


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, Decimal)):
        return Decimal(value)
    if isinstance(value, float) or (isinstance(value, str) and _NUMBER.fullmatch(value.strip())):
        try:
            return Decimal(str(value).strip())
        except InvalidOperation:
            return None
    return None


def _shown(value: Any) -> str:
    return "null" if value is None else f"`{value}`"
