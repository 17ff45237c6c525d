from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from changeover.contracts import Answer
from changeover.testing import FakeContext
from changeover.transfer.databases import OpenDatabase
from checks.backlog import below_normal

if TYPE_CHECKING:
    from tests.unit.checks.conftest import Pages


@pytest.mark.parametrize(("waiting", "answer"), [(5, Answer.PASSED), (6, Answer.FAILED)])
def test_a_service_s_figure_is_held_against_what_it_calls_normal(
    context: FakeContext, pages: Pages, waiting: int, answer: Answer
) -> None:
    pages.answers["/backlog"] = (200, {"open": waiting, "normal": 5})
    verdict = below_normal(context, service=pages.url)
    assert (verdict.answer, verdict.found, verdict.expected) == (answer, waiting, 5)


def test_a_limit_of_the_author_comes_first(context: FakeContext, pages: Pages) -> None:
    pages.answers["/backlog"] = (200, {"open": 6, "normal": 5})
    assert below_normal(context, service=pages.url, limit=6).answer is Answer.PASSED


def test_a_database_can_be_asked(context: FakeContext, crm: OpenDatabase) -> None:
    crm.execute("create table tickets (id integer)")
    crm.execute("insert into tickets values (1), (2)")
    assert below_normal(context, database="crm", sql="select count(*) from tickets", limit=2).answer is Answer.PASSED
    assert below_normal(context, database="crm", sql="select count(*) from tickets", limit=1).answer is Answer.FAILED


@pytest.mark.parametrize("body", [{"open": None, "normal": 5}, {"open": 3}, {"open": True, "normal": 5}, "no json"])
def test_what_tells_no_figure_is_not_verifiable(context: FakeContext, pages: Pages, body: object) -> None:
    pages.answers["/backlog"] = (200, body)
    assert below_normal(context, service=pages.url).answer is Answer.NOT_VERIFIABLE


def test_nothing_named_and_nothing_answering_are_not_verifiable(context: FakeContext, pages: Pages) -> None:
    assert below_normal(context).answer is Answer.NOT_VERIFIABLE
    assert below_normal(context, service=pages.url).answer is Answer.NOT_VERIFIABLE
