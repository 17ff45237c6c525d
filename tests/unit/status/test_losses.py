"""What going back loses."""

from __future__ import annotations

from changeover.runbook.model import Rollback, Stage
from changeover.status.losses import losses_of


def stage(name: str, loses: str, title: str = "") -> Stage:
    return Stage(name, title=title, rollback=Rollback(loses=loses))


def test_only_stages_that_lose_something_are_named_each_by_its_title() -> None:
    said = losses_of([stage("a", "nothing; no order was taken"), stage("b", "orders since 19:00", "Copy"), stage("c", "notes")])
    assert said == ("Copy: orders since 19:00", "c: notes")


def test_when_every_stage_says_nothing_it_is_said_once() -> None:
    assert losses_of([stage("a", "Nothing"), stage("b", "nothing; every channel was closed"), stage("c", "")]) == ("nothing",)


def test_a_word_that_only_begins_like_nothing_is_something() -> None:
    assert losses_of([stage("a", "nothingness")]) == ("a: nothingness",)


def test_where_no_stage_says_anything_nothing_is_claimed() -> None:
    assert losses_of([stage("a", "")]) == ()
