from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.contracts import Value
from changeover.runbook import yaml_text
from changeover.runbook.position import Position
from changeover.runbook.tree import Mapping_, Scalar, Sequence, plain, tree_of


def read(text: str) -> Value:
    tree, findings = yaml_text.parse(text, "a.yaml")
    assert not findings
    assert tree is not None
    return plain(tree)


def codes(text: str) -> list[tuple[str, int, int]]:
    return [(found.code, found.at.line, found.at.column) for found in yaml_text.parse(text, "a.yaml")[1]]


@pytest.mark.parametrize(
    "text",
    [
        "22:22",
        "NO",
        "yes",
        "on",
        "1.10",
        "010",
        "1e3",
        "0x1F",
        "+1",
        "1_000",
        ".5",
        "True",
        "2027-03-13",
        "1.0000000000000001",
        "9" * 30,
    ],
)
def test_a_text_stays_what_was_written(text: str) -> None:
    assert read(f"a: {text}") == {"a": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("false", False), ("null", None), ("~", None), ("", None), ("0", 0), ("-7", -7), ("1.5", 1.5)],
)
def test_only_plain_values_are_typed(text: str, value: Value) -> None:
    assert read(f"a: {text}") == {"a": value}
    assert read(f"a: '{text}'") == {"a": text}


def test_every_value_and_key_knows_its_place() -> None:
    tree, _ = yaml_text.parse("stages:\n  freeze: [a, 'b c']\n", "a.yaml")
    assert isinstance(tree, Mapping_)
    stages = tree.entries["stages"]
    assert isinstance(stages, Mapping_)
    assert stages.keys["freeze"] == Position("a.yaml", 2, 3)
    steps = stages.entries["freeze"]
    assert isinstance(steps, Sequence)
    assert steps.items[1] == Scalar("b c", "b c", Position("a.yaml", 2, 15))


def test_columns_count_characters_not_bytes() -> None:
    assert codes("é: &x 1") == [("yaml-anchor", 1, 4)]


def test_several_refusals_are_found_in_one_pass() -> None:
    assert codes("a: &x 1\nb: *x\na: 2\nc: !!int 3\n<<: {d: 1}\n") == [
        ("yaml-anchor", 1, 4),
        ("yaml-anchor", 2, 4),
        ("duplicate-key", 3, 1),
        ("yaml-tag", 4, 4),
        ("yaml-anchor", 5, 1),
    ]


def test_a_double_key_keeps_the_first_value_and_is_told() -> None:
    tree, findings = yaml_text.parse("a: 1\nb: {c: 1, c: 2}\n", "a.yaml")
    assert tree is not None
    assert plain(tree) == {"a": 1, "b": {"c": 1}}
    assert "line 2" in findings[0].message


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        ("a: [1", "yaml-syntax", 2, 1),
        ("a: b: c", "yaml-syntax", 1, 5),
        ("a:\n\tb: 1", "yaml-syntax", 2, 1),
        ("a: \x00", "strange-character", 1, 4),
        ("a: \ud800", "strange-character", 1, 4),
        ("a: 1\n--- \nb: 2", "yaml-document", 2, 1),
        ("[" * 100, "file-too-large", 1, 65),
        ("[[1]]: 2", "wrong-type", 1, 1),
        ("'': 1\n~: 2", "wrong-type", 2, 1),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, code: str, line: int, column: int) -> None:
    assert (code, line, column) in codes(text)


def test_a_tab_in_the_indentation_is_called_one() -> None:
    finding = yaml_text.parse("a:\n  b: 1\n\tc: 1\n", "a.yaml")[1][0]
    assert "tabs" in finding.hint


def test_too_many_values_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_text, "MAX_NODES", 10)
    tree, findings = yaml_text.parse("[" + "1," * 20 + "]", "a.yaml")
    assert tree is None
    assert [found.code for found in findings] == ["file-too-large"]


def test_a_text_that_is_too_long_is_refused() -> None:
    assert codes("# " + "x" * yaml_text.MAX_BYTES) == [("file-too-large", 1, 1)]


@given(st.text(max_size=200))
def test_no_text_escapes_as_an_exception(text: str) -> None:
    tree, findings = yaml_text.parse(text, "a.yaml")
    assert all(found.at.line >= 1 and found.at.column >= 1 for found in findings)
    if not findings and tree is None:
        assert not yaml_text.lines_of(text)[0].strip() or text.lstrip("\ufeff").strip()[:1] in {"", "#", "-", ".", "%"}


@given(st.text(alphabet="ab:-[]{}&*!|>'\"%@`#,? \n\t~<1.", max_size=60))
def test_no_nearly_yaml_escapes_as_an_exception(text: str) -> None:
    yaml_text.parse(text, "a.yaml")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(alphabet="abc :#-'\"é{}", max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet="abc", min_size=1, max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(VALUES)
def test_what_json_says_is_read_as_json_means_it(value: Value) -> None:
    tree, findings = yaml_text.parse(json.dumps(value, ensure_ascii=False), "a.yaml")
    assert not findings
    assert tree is not None
    assert plain(tree) == value


@given(VALUES)
def test_a_value_and_its_tree_say_the_same(value: Value) -> None:
    assert plain(tree_of(value, Position("a.yaml", 1, 1))) == value
