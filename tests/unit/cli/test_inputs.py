from __future__ import annotations

import pytest

from changeover.cli.inputs import GivenTwice, InvalidInput, MissingInputs, NotAnAssignment, UnknownInput, assignments, inputs_of
from changeover.contracts import Value
from changeover.runbook.model import Input

DECLARED = {
    "wave": Input(type="choice", of=("residential", "business"), default="residential"),
    "ticket": Input(type="text", matches=r"CHG-\d+"),
    "limit": Input(type="number", default=1),
    "loud": Input(type="flag", default=False),
    "day": Input(type="date", default="2027-01-01"),
}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("wave", "business", "business"),
        ("limit", "12", 12),
        ("limit", "1.5", 1.5),
        ("loud", "Yes", True),
        ("loud", "off", False),
        ("day", "2027-03-13", "2027-03-13"),
    ],
)
def test_a_value_gets_the_type_that_was_declared(name: str, text: str, value: Value) -> None:
    assert inputs_of(DECLARED, {"ticket": "CHG-1", name: text})[name] == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("wave", "mobile"),
        ("ticket", "CHG-"),
        ("ticket", "xCHG-1"),
        ("limit", "many"),
        ("limit", "nan"),
        ("loud", "maybe"),
        ("day", "13.3."),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_what_would(name: str, text: str) -> None:
    with pytest.raises(InvalidInput, match=f"'{name}' does not take") as caught:
        inputs_of(DECLARED, {"ticket": "CHG-1", name: text})
    assert caught.value.hint.startswith("it takes ")


def test_missing_inputs_come_with_what_to_type() -> None:
    with pytest.raises(MissingInputs, match="ticket") as caught:
        inputs_of(DECLARED, {})
    assert caught.value.hint == "add --set ticket=VALUE"


def test_an_unknown_input_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownInput, match="'tiket'") as caught:
        inputs_of(DECLARED, {"tiket": "CHG-1"})
    assert caught.value.hint == "did you mean 'ticket'?"


def test_defaults_stay_with_the_runbook() -> None:
    assert inputs_of(DECLARED, {"ticket": "CHG-1"}) == {"ticket": "CHG-1"}


@pytest.mark.parametrize("text", ["ticket", "=CHG-1", ""])
def test_something_else_than_an_assignment_is_refused(text: str) -> None:
    with pytest.raises(NotAnAssignment):
        assignments([text])


def test_a_value_may_contain_an_equals_sign() -> None:
    assert assignments(["a=1", "b=x=y"]) == {"a": "1", "b": "x=y"}


def test_a_name_with_two_values_is_refused_and_the_same_value_twice_is_not() -> None:
    assert assignments(["a=1", "a=1"]) == {"a": "1"}
    with pytest.raises(GivenTwice, match="--set a is given twice: '1' and '2'"):
        assignments(["a=1", "b=2", " a=2"])
