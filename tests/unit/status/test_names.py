"""People by their names, and persons by what they are called."""

from __future__ import annotations

import pytest

from changeover.runbook.people import People, Person, Role
from changeover.status.names import everybody, identity, person

PEOPLE = People(
    persons={"anna": Person("Kovács Anna"), "bela": Person("Nagy Béla")},
    roles={"lead": Role("anna", "bela"), "owner": Role("bela"), "gone": Role("nobody")},
)


@pytest.mark.parametrize(
    ("name", "known"), [("lead", "Kovács Anna"), ("bela", "Nagy Béla"), ("gone", "nobody"), ("x", "x"), ("", "")]
)
def test_a_role_and_a_person_have_a_name_and_what_is_unknown_stays_as_it_is(name: str, known: str) -> None:
    assert person(PEOPLE, name) == known


def test_everybody_behind_roles_and_persons_stands_there_once() -> None:
    assert everybody(PEOPLE, ["lead", "owner", "anna", "x"]) == ("Kovács Anna", "Nagy Béla", "x")


@pytest.mark.parametrize(
    ("called", "found"), [("anna", "anna"), ("ANNA", "anna"), ("nagy béla", "bela"), ("lead", None), ("x", None), ("", None)]
)
def test_a_person_is_found_by_id_or_name_in_any_case(called: str, found: str | None) -> None:
    assert identity(PEOPLE, called) == found


def test_without_a_people_file_every_name_will_do() -> None:
    assert identity(People(), "whoever") == "whoever"
