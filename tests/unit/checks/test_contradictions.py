from __future__ import annotations

import pytest

from changeover.contracts import Answer, Verdict
from changeover.testing import FakeContext
from changeover.transfer.databases import OpenDatabase
from checks.contradictions import within_limit


@pytest.fixture(autouse=True)
def _filled(legacy: OpenDatabase, crm: OpenDatabase) -> None:
    legacy.execute("create table customers (number text, mail text, credit decimal(8,2))")
    crm.execute("create table accounts (no text, email text, credit integer)")
    legacy.execute("insert into customers values ('1', 'A@x.hu', 5.00), ('2', 'b@x.hu ', 5), ('3', 'c@x.hu', 7), ('4', null, 1)")
    crm.execute("insert into accounts values ('1', 'a@x.hu', 5), ('2', 'b@x.hu', 5), ('3', 'c@x.hu', 8), ('9', null, 1)")


def asked(context: FakeContext, **more: object) -> Verdict:
    arguments = {
        "first": "legacy",
        "second": "crm",
        "table": "customers",
        "key": "number",
        "second_table": "accounts",
        "second_key": "no",
        "fields": {"mail": "email", "credit": "credit"},
        **more,
    }
    return within_limit(context, **arguments)  # type: ignore[arg-type] # as YAML gives them


def test_contradictions_are_counted_by_field_with_samples(context: FakeContext) -> None:
    verdict = asked(context)
    assert verdict.answer is Answer.FAILED
    assert verdict.summary == "legacy and crm disagree about 3 of 3 (at most 0)"
    assert verdict.figures["fields"] == {"mail": 2, "credit": 1}
    assert (verdict.figures["only in legacy"], verdict.figures["only in crm"]) == (1, 1)
    samples = verdict.figures["samples"]
    assert isinstance(samples, list)
    assert samples[0] == {"key": "1", "field": "mail", "legacy": "A@x.hu", "crm": "a@x.hu"}


def test_case_and_blanks_may_mean_nothing(context: FakeContext) -> None:
    verdict = asked(context, ignore=["case", "blanks"])
    assert (verdict.answer, verdict.found) == (Answer.FAILED, 1)
    assert asked(context, ignore=["case", "blanks"], limit=1).answer is Answer.PASSED


def test_nobody_in_common_is_not_verifiable(context: FakeContext) -> None:
    verdict = asked(context, where="number = '4'")
    assert verdict.answer is Answer.NOT_VERIFIABLE


def test_more_rows_than_one_page_are_all_compared(context: FakeContext, legacy: OpenDatabase, crm: OpenDatabase) -> None:
    for database, table in ((legacy, "customers"), (crm, "accounts")):
        with database.engine.begin() as connection:
            connection.exec_driver_sql(
                f"insert into {table} values (?, 'same', 1)",  # noqa: S608 - the test's own words
                [(f"n{number:05d}",) for number in range(5_200)],
            )
    assert asked(context).figures["compared"] == 5_203
