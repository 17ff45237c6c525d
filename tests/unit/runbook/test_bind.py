from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import pytest

from changeover.contracts import Expected, ShellText, Value, key
from changeover.errors import Mistake
from changeover.runbook import yaml_text
from changeover.runbook.bind import INVALID, bind
from changeover.runbook.findings import Finding
from changeover.runbook.readers import reader_of
from changeover.runbook.references import ValueMissing
from changeover.runbook.tree import Node, Scalar


class Colour(StrEnum):
    BLUE = "blue"
    ORANGE = "orange"


@dataclass(frozen=True, slots=True)
class Inner:
    """A thing inside."""

    name: str = key("its name")
    size: int = key("its size", default=1)


@dataclass(frozen=True, slots=True)
class Thing:
    """Everything that YAML can fill."""

    text: str = key("a text", default="")
    ratio: float = key("a number", default=0.0)
    count: int = key("a whole number", default=0)
    flag: bool = key("a flag", default=False)
    day: date | None = key("a day", default=None)
    lasts: timedelta | None = key("a duration", default=None)
    path: Path | None = key("a path", default=None)
    colour: Colour = key("a colour", default=Colour.BLUE)
    word: Literal["on", "off"] = key("on or off", default="on")
    expected: Expected | None = key("a forecast", default=None)
    anything: Value = key("anything", default=None)
    node: Node | None = key("a tree", default=None)
    codes: int | tuple[int, ...] | None = key("one or several", default=None)
    command: ShellText | tuple[str, ...] = key("a command", default="")
    when: timedelta | int | str = key("several sorts", default=0)
    pairs: tuple[tuple[str, ...], ...] = key("lists of lists", default=())
    items: list[str] = key("a list", default_factory=list)
    inner: Inner | None = key("a thing inside", default=None)
    inners: Mapping[str, Inner] = key("things inside", default_factory=dict)
    renamed: str = key("another word", word="other-word", default="")

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError("the count is negative")
        if self.text == "refused":
            raise Refused


class Refused(Mistake):
    def __str__(self) -> str:
        return "refused on purpose"


class Known:
    def lookup(self, path: tuple[str, ...]) -> Value:
        values: dict[str, Value] = {
            "n": 5,
            "list": ["a", "b"],
            "map": {"name": "x", "size": "3"},
            "text": "t",
            "number": "7",
            "long": "2m",
        }
        if path[0] not in values:
            raise ValueMissing(".".join(path))
        return values[path[0]]


def bound(text: str, *, known: bool = False) -> tuple[Any, list[Finding]]:
    tree, findings = yaml_text.parse(text, "a.yaml")
    assert tree is not None
    return bind(tree, Thing, findings, names=Known() if known else None), findings


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("text: 1.10", "text", "1.10"),
        ("text: 5", "text", "5"),
        ("text: true", "text", "true"),
        ("ratio: 1.10", "ratio", 1.1),
        ("ratio: 2", "ratio", 2.0),
        ("count: '7'", "count", 7),
        ("flag: true", "flag", True),
        ("flag: 'false'", "flag", False),
        ("day: 2027-03-13", "day", date(2027, 3, 13)),
        ("day: null", "day", None),
        ("lasts: 1h30m", "lasts", timedelta(minutes=90)),
        ("path: a/b", "path", Path("a/b")),
        ("colour: orange", "colour", Colour.ORANGE),
        ("word: off", "word", "off"),
        ("expected: 2m", "expected", Expected(timedelta(minutes=2), timedelta(minutes=3))),
        ("anything: {a: [1, ~, 'x', 1.5, true]}", "anything", {"a": [1, None, "x", 1.5, True]}),
        ("codes: 200", "codes", 200),
        ("codes: [200, 201]", "codes", (200, 201)),
        ("command: ls -l", "command", "ls -l"),
        ("command: [ls, -l, 010]", "command", ("ls", "-l", "010")),
        ("when: 2m", "when", timedelta(minutes=2)),
        ("when: 7", "when", 7),
        ("when: later", "when", "later"),
        ("pairs: [[a, b], [c]]", "pairs", (("a", "b"), ("c",))),
        ("items: one", "items", ["one"]),
        ("inner: {name: x}", "inner", Inner("x")),
        ("inners: {a: {name: x, size: 2}}", "inners", {"a": Inner("x", 2)}),
        ("other-word: x", "renamed", "x"),
    ],
)
def test_each_type_of_field_is_filled(text: str, field: str, value: object) -> None:
    thing, findings = bound(text)
    assert findings == []
    assert getattr(thing, field) == value


@pytest.mark.parametrize(
    ("text", "code", "part"),
    [
        ("text: [a]", "wrong-type", "a text is needed, and this is a list"),
        ("text: ~", "wrong-type", "null"),
        ("text:", "empty-value", "nothing stands here"),
        ("ratio: fast", "wrong-type", "a number is needed"),
        ("ratio: 1.2.3", "wrong-type", "a number is needed"),
        (f"ratio: {'9' * 400}", "wrong-type", "a number is needed"),
        ("count: 010", "wrong-type", "a whole number"),
        ("count: 1.5", "wrong-type", "the number 1.5"),
        (f"count: {'9' * 5000}", "wrong-type", "a whole number"),
        ("count: true", "wrong-type", "`true`"),
        ("flag: on", "wrong-type", "the text `on`"),
        ("day: tomorrow", "wrong-type", "a date"),
        ("lasts:", "empty-value", "a duration"),
        ("colour: orang", "wrong-type", "one of `blue`, `orange`"),
        ("codes: {a: 1}", "wrong-type", "a mapping"),
        ("pairs: [a]", "wrong-type", "a list"),
        ("pairs: a", "wrong-type", "a list"),
        ("inner: x", "wrong-type", "a mapping is needed"),
        ("inner: {size: 2}", "missing-key", "needs the key `name`"),
        ("inners: [a]", "wrong-type", "a mapping"),
        ("expected: [a]", "wrong-type", "a duration"),
        ("expected: {likely: x}", "wrong-type", "a duration"),
        ("expected: {likely: 1m, worst: x}", "wrong-type", "a duration"),
        ("renamed: x", "unknown-key", "has no key `renamed`"),
        ("count: -1", "invalid-value", "the count is negative"),
        ("text: refused", "invalid-value", "refused on purpose"),
        (f"colour: {'x' * 100}", "wrong-type", "xxx...`"),
    ],
)
def test_what_does_not_fit_is_one_finding(text: str, code: str, part: str) -> None:
    _, findings = bound(text)
    assert [found.code for found in findings] == [code]
    assert part in findings[0].message
    assert findings[0].hint


def test_a_wrong_optional_value_keeps_its_default_so_that_the_rest_is_checked() -> None:
    thing, findings = bound("count: many\ntext: fine\nday: never\n")
    assert (thing.count, thing.text, thing.day) == (0, "fine", None)
    assert [found.at.line for found in findings] == [1, 3]


def test_a_list_is_no_thing() -> None:
    thing, findings = bound("[1]")
    assert thing is INVALID
    assert repr(thing) == "INVALID"
    assert [found.code for found in findings] == ["wrong-type"]


def test_in_lint_a_value_of_the_run_stands_for_anything() -> None:
    fields = (
        "ratio",
        "count",
        "flag",
        "day",
        "lasts",
        "colour",
        "expected",
        "codes",
        "pairs",
        "items",
        "inner",
        "inners",
        "when",
        "anything",
    )
    _, findings = bound("".join(f"{field}: '${{inputs.x}}'\n" for field in fields))
    assert findings == []


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("count: ${n}", "count", 5),
        ("count: ${number}", "count", 7),
        ("text: ${n}", "text", "5"),
        ("lasts: ${long}", "lasts", timedelta(minutes=2)),
        ("items: ${list}", "items", ["a", "b"]),
        ("items: ['${text}']", "items", ["t"]),
        ("inner: ${map}", "inner", Inner("x", 3)),
        ("inners: {a: '${map}'}", "inners", {"a": Inner("x", 3)}),
        ("anything: {a: '${list}', b: 'x${n}'}", "anything", {"a": ["a", "b"], "b": "x5"}),
        ("command: 'echo ${list} ${text}'", "command", "echo a b t"),
    ],
)
def test_in_a_run_the_value_is_put_in(text: str, field: str, value: object) -> None:
    thing, findings = bound(text, known=True)
    assert findings == []
    assert getattr(thing, field) == value


@pytest.mark.parametrize("field", ["count", "text", "items", "inners", "inner", "anything", "command", "lasts"])
def test_in_a_run_a_missing_value_is_a_finding(field: str) -> None:
    _, findings = bound(f"{field}: '${{gone}}'", known=True)
    assert [found.code for found in findings] == ["value-missing"]


def test_a_field_may_keep_its_tree() -> None:
    thing, _ = bound("node: x")
    assert isinstance(thing.node, Scalar)


def test_a_type_that_yaml_cannot_fill_is_a_fault_of_the_class() -> None:
    with pytest.raises(TypeError, match="complex"):
        reader_of(complex)
