from __future__ import annotations

from changeover.contracts import Answer
from changeover.testing import FakeContext
from changeover.transfer.databases import OpenDatabase
from checks.reconciliation import nobody_goes_in_circles, same_content


def test_the_same_content_passes_and_a_difference_is_named(context: FakeContext, legacy: OpenDatabase, crm: OpenDatabase) -> None:
    for database in (legacy, crm):
        database.execute("create table t (id integer primary key, name text)")
        database.execute("insert into t values (1, 'a')")
    assert same_content(context, source="legacy", target="crm", tables=["t"]).answer is Answer.PASSED
    crm.execute("update t set name = 'b'")
    verdict = same_content(context, source="legacy", target="crm", tables=["t"])
    assert (verdict.answer, verdict.summary) == (
        Answer.FAILED,
        "1 of 2 questions passed; t: 1 row of 1 not the same: 1 differs",
    )


def test_a_customer_who_would_go_in_circles_fails_the_check(
    context: FakeContext, legacy: OpenDatabase, crm: OpenDatabase
) -> None:
    for database, segment in ((legacy, "fixed"), (crm, "mobile")):
        database.execute("create table people (nr text, segment text)")
        database.execute("insert into people values ('1', :segment)", segment=segment)
    crm.execute('create table ivr (at text, system text, field text, value text, "to" text)')
    crm.execute(
        "insert into ivr values ('start', 'legacy', 'segment', 'fixed', 'desk'), ('start', 'legacy', 'segment', '*', null),"
        " ('desk', 'crm', 'segment', 'mobile', 'start'), ('desk', 'crm', 'segment', '*', null)"
    )

    def asked() -> Answer:
        return nobody_goes_in_circles(
            context,
            systems={"legacy": "people", "crm": "people"},
            key="nr",
            fields=["segment"],
            routes="ivr",
            routes_in="crm",
            disagreeing=1,
        ).answer

    assert asked() is Answer.FAILED
    crm.execute("update people set segment = 'fixed'")
    assert asked() is Answer.PASSED
