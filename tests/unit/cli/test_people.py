from __future__ import annotations

import pytest

from changeover.cli.people import RoleIsNoPerson, UnknownPerson, acting_person
from changeover.runbook.people import People, Person, Role

PEOPLE = People({"anna": Person("Nagy Anna"), "bela": Person("Kovács Béla")}, {"lead": Role("anna", "bela")})


@pytest.mark.parametrize("name", ["anna", "Anna", "nagy anna", " anna "])
def test_a_person_is_found_by_id_or_name(name: str) -> None:
    assert acting_person(name, PEOPLE) == "anna"


def test_the_option_counts_more_than_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHANGEOVER_WHO", "bela")
    assert acting_person("anna", PEOPLE) == "anna"
    assert acting_person("", PEOPLE) == "bela"


def test_an_unknown_login_name_is_refused_with_who_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHANGEOVER_WHO", raising=False)
    monkeypatch.setattr("getpass.getuser", lambda: "root")
    with pytest.raises(UnknownPerson, match=r"'root' \(the login name\)") as caught:
        acting_person("", PEOPLE)
    assert "anna, bela" in caught.value.hint


def test_a_misspelt_person_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownPerson) as caught:
        acting_person("ana", PEOPLE)
    assert caught.value.hint == "did you mean `--who anna`?"


def test_a_role_is_no_person() -> None:
    with pytest.raises(RoleIsNoPerson) as caught:
        acting_person("lead", PEOPLE)
    assert caught.value.hint == "it is held by anna and bela: --who anna"


def test_without_a_people_file_every_name_will_do() -> None:
    assert acting_person("zed", People()) == "zed"


def test_a_user_without_a_name_has_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError

    monkeypatch.delenv("CHANGEOVER_WHO", raising=False)
    monkeypatch.setattr("getpass.getuser", nobody)
    assert acting_person("", People()).startswith("uid-")
