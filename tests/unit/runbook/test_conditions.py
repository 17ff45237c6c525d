from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.contracts import Value
from changeover.runbook import conditions
from changeover.runbook.conditions import ConditionInvalid, holds
from changeover.runbook.references import ValueMissing


class Known:
    def lookup(self, path: tuple[str, ...]) -> Value:
        values: dict[str, Value] = {
            "inputs.wave": "residential",
            "inputs.count": 5,
            "inputs.fast": True,
            "inputs.list": ["a", "b"],
        }
        name = ".".join(path)
        if name not in values:
            raise ValueMissing(name)
        return values[name]


@pytest.mark.parametrize(
    "text",
    [
        "${inputs.wave} == residential",
        "${inputs.wave} != 'business'",
        '${inputs.wave} == "residential"',
        "${inputs.count} > 3 and ${inputs.count} <= 5",
        "${inputs.count} == 5.0",
        "${inputs.count} >= 10 or ${inputs.wave} in [business, residential]",
        "not (${inputs.wave} == business) and ${inputs.fast}",
        "${inputs.wave} not in [a, b]",
        "a in ${inputs.list}",
        "${inputs.fast} == true",
        "$.open == 0",
        "$.hosts[0].name == app-1",
        "$.lag < 2.5",
        "$.text == '5'",
        "$.text > 4",
        "$.nothing == null",
        "not $.none",
        "22:00 < 23:00",
        "'a b' == 'a b'",
        r"'it\'s' == 'it\'s'",
        "side in inside",
        "false or not false",
    ],
)
def test_these_hold(text: str) -> None:
    output: Value = {"open": 0, "hosts": [{"name": "app-1"}], "lag": 1.75, "text": "5", "nothing": None, "none": False}
    assert holds(text, Known(), output)


@pytest.mark.parametrize(
    "text", ["1.10 == '1.1'", "a == A", "'5' == '5.0'", "${inputs.count} < 5", "not true", "true and false", "[a] == [b]"]
)
def test_these_do_not(text: str) -> None:
    assert not holds(text, Known())


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("", 1),
        ("a ==", 5),
        ("a = b", 3),
        ("a b", 3),
        ("(a == b", 8),
        ("a == b)", 7),
        ("a == b or", 10),
        ("and b", 1),
        ("a in b in c", 8),
        ("[a, [b]]", 5),
        ("[a b]", 4),
        ("[a", 3),
        ("${a b} == c", 1),
        ("$.a[x] == c", 1),
        ("$.a..b == 1", 1),
        ("__import__('os')", 11),
        ("'open", 1),
        ("${inputs.wave", 2),
        ("(" * 60 + "a", 42),
    ],
)
def test_what_is_no_condition_is_refused_at_its_column(text: str, column: int) -> None:
    with pytest.raises(ConditionInvalid) as refused:
        conditions.parse(text)
    assert refused.value.column == column
    assert refused.value.hint


@pytest.mark.parametrize("text", ["${inputs.wave}", "${inputs.wave} < 3", "a in 5", "$.x < 3"])
def test_what_cannot_be_compared_is_refused_not_guessed(text: str) -> None:
    with pytest.raises(ConditionInvalid):
        holds(text, Known(), {"x": None})


def test_a_missing_name_is_an_error_not_false() -> None:
    with pytest.raises(ValueMissing):
        holds("${inputs.other} == 1", Known())


def test_operands_are_listed_for_lint() -> None:
    found = list(conditions.operands(conditions.parse("not (${inputs.wave} in [a, b]) or $.x == 1")))
    assert [type(operand).__name__ for operand in found] == ["Name", "Constant", "Constant", "OutputPath", "Constant"]


@given(st.text(alphabet="ab ${}.()[],'\"=!<>$&|and or not in 0123", max_size=40))
def test_no_text_escapes_as_another_exception(text: str) -> None:
    try:
        conditions.parse(text)
    except ConditionInvalid as refused:
        assert 1 <= refused.column <= len(text) + 1  # noqa: PT017 - either way is fine


NUMBERS = st.integers(-100, 100) | st.floats(-100, 100, allow_nan=False).map(lambda number: round(number, 3))


@given(NUMBERS, NUMBERS)
def test_numbers_compare_as_numbers(left: float, right: float) -> None:
    output: Value = {"left": left, "right": right}
    assert holds("$.left < $.right", Known(), output) == (left < right)
    assert holds("$.left == $.right", Known(), output) == (left == right)
    assert holds("not $.left < $.right", Known(), output) == holds("$.left >= $.right", Known(), output)
