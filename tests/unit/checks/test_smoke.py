from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from changeover.contracts import Answer
from changeover.runbook.systems import ServiceEntry
from changeover.testing import FakeContext
from checks.smoke import pages_answer, shows_customer

if TYPE_CHECKING:
    from tests.unit.checks.conftest import Pages


def test_pages_that_answer_and_show_what_they_must_pass(context: FakeContext, pages: Pages) -> None:
    pages.answers.update({"/": (200, "<h1>Web shop</h1>"), "/gone": (410, "")})
    wanted: list[str | dict[str, object]] = [
        pages.url,
        {"page": pages.url, "shows": "Web shop"},
        {"page": pages.url, "path": "gone", "status": 410},
    ]
    verdict = pages_answer(context, pages=wanted)
    assert (verdict.answer, verdict.summary) == (Answer.PASSED, "2 of 2 pages answer")


def test_a_wrong_status_and_a_missing_text_fail_with_the_url(context: FakeContext, pages: Pages) -> None:
    pages.answers["/"] = (503, "closed")
    pages.answers["/shop"] = (200, "closed")
    verdict = pages_answer(context, pages=[pages.url, {"page": f"{pages.url}/shop", "shows": "open"}])
    assert verdict.answer is Answer.FAILED
    assert verdict.summary == f"{pages.url} answers 503 instead of 200; {pages.url}/shop does not show 'open'"


def test_a_closed_port_fails_and_does_not_raise(context: FakeContext) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        verdict = pages_answer(context, pages=[url], within_s=1)
    assert verdict.answer is Answer.FAILED
    assert f"{url} does not answer" in verdict.summary


def test_no_page_is_not_verifiable(context: FakeContext) -> None:
    assert pages_answer(context, pages=[]).answer is Answer.NOT_VERIFIABLE


def test_a_service_is_found_by_name_and_its_secret_headers_are_sent(context: FakeContext, pages: Pages) -> None:
    pages.answers["/health"] = (200, "{}")
    context.systems = {"services": {"shop": ServiceEntry(url=f"{pages.url}/", headers={"X-Token": "env:TOKEN", "X-Plain": "p"})}}
    context.secrets = {"env:TOKEN": "t0ken"}
    assert pages_answer(context, pages=[{"page": "shop", "path": "/health"}]).answer is Answer.PASSED
    assert (pages.asked[0]["X-Token"], pages.asked[0]["X-Plain"]) == ("t0ken", "p")


def test_a_front_end_must_show_the_customer_with_its_fields(context: FakeContext, pages: Pages) -> None:
    pages.answers["/customers/F1"] = (200, {"number": "F1", "read_from": "crm", "services": 2})
    shown = shows_customer(context, pages=[pages.url], customer="F1", fields={"read_from": "crm", "services": 2})
    assert shown.answer is Answer.PASSED
    other = shows_customer(context, pages=[pages.url], customer="F1", fields={"read_from": "legacy-crm"})
    assert other.summary == f"{pages.url}/customers/F1 says read_from = crm, not legacy-crm"
    unknown = shows_customer(context, pages=[pages.url], customer="F2")
    assert unknown.summary == f"{pages.url}/customers/F2 answers 404"


def test_a_page_that_is_no_json_shows_no_fields(context: FakeContext, pages: Pages) -> None:
    pages.answers["/customers/F1"] = (200, "<p>F1</p>")
    assert shows_customer(context, pages=[pages.url], customer="F1").answer is Answer.PASSED
    assert shows_customer(context, pages=[pages.url], customer="F1", fields={"a": 1}).answer is Answer.FAILED
