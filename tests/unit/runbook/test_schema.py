from __future__ import annotations

import importlib
import json
from typing import Protocol

import pytest

from changeover.contracts import Kind
from changeover.runbook import yaml_text
from changeover.runbook.schema import FILES, schema
from changeover.runbook.tree import plain

jsonschema = importlib.import_module("jsonschema")  # it has no type stubs


class Texts(Protocol):
    runbook: str
    people: str
    systems: str


def problems(text: str, kinds: dict[str, Kind], file: str = "runbook") -> list[str]:
    tree, findings = yaml_text.parse(text, "a.yaml")
    assert not findings
    assert tree is not None
    validator = jsonschema.Draft7Validator(schema(kinds, file))
    return [error.message for error in validator.iter_errors(plain(tree))]


@pytest.mark.parametrize("file", FILES)
def test_the_schema_is_one_and_is_json(kinds: dict[str, Kind], file: str) -> None:
    written = schema(kinds, file)
    jsonschema.Draft7Validator.check_schema(written)
    assert json.loads(json.dumps(written)) == written
    assert written["description"]


def test_what_the_loader_takes_the_schema_takes(kinds: dict[str, Kind], texts: Texts) -> None:
    assert problems(texts.runbook, kinds) == []
    assert problems(texts.people, kinds, "people") == []
    assert problems(texts.systems, kinds, "systems") == ["'${values.port}' is not of type 'integer'"] or not problems(
        texts.systems.replace("'${values.port}'", "22"), kinds, "systems"
    )


@pytest.mark.parametrize(
    ("sound", "broken"),
    [
        ("title: Customers", "titel: Customers"),
        ("shell: ./close.sh", "shel: ./close.sh"),
        ("shell: ./back.sh", "title: ./back.sh"),
        ("id: close\n        ", "id: close\n        ssh: {on: a, run: x}\n        "),
        ("expect: 2m", "expect: 2 minutes"),
        ("on_failure: warn", "on_failure: ignore"),
        ("freeze:", "Freeze It:"),
        ("opens: 2027-03-13 19:00", "opens: tomorrow"),
        ("changeover: 1", "changeover: 2"),
    ],
)
def test_what_the_loader_refuses_the_schema_refuses(kinds: dict[str, Kind], texts: Texts, sound: str, broken: str) -> None:
    assert sound in texts.runbook
    assert problems(texts.runbook.replace(sound, broken), kinds)


def test_a_value_of_the_run_may_stand_in_a_step_kind_but_not_in_the_plan(kinds: dict[str, Kind], texts: Texts) -> None:
    assert not problems(texts.runbook.replace("ssh: {on: '${item}'", "ssh: {limit: '${inputs.ticket}', on: '${item}'"), kinds)
    assert problems(texts.runbook.replace("expect: 2m", "expect: '${inputs.ticket}'"), kinds)


def test_every_key_of_a_step_is_described(kinds: dict[str, Kind]) -> None:
    properties = schema(kinds)["definitions"]["step"]["properties"]
    assert set(kinds) <= set(properties)
    assert all(entry.get("description") for entry in properties.values())
    assert "id" not in schema(kinds)["definitions"]["inline-step"]["properties"]
