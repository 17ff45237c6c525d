from __future__ import annotations

from dataclasses import replace
from functools import partial

from changeover.contracts import Answer
from changeover.steps.migrate import Migrate
from changeover.testing import FakeContext
from changeover.transfer.copying import Migration
from changeover.transfer.databases import OpenDatabase
from changeover.transfer.mapping import Mapped, TableMapping
from checks.counts import nobody_is_orphaned, nothing_is_there_twice, same_number_of_rows


def filled(database: OpenDatabase, table: str, rows: int, columns: str = "id integer primary key, name text") -> None:
    database.execute(f"create table {table} ({columns})")
    for number in range(rows):
        database.execute(f"insert into {table} (id) values (:id)", id=number)  # noqa: S608 - the test's own words


def test_equal_numbers_pass_with_figures(context: FakeContext, legacy: OpenDatabase, crm: OpenDatabase) -> None:
    filled(legacy, "people", 5)
    filled(crm, "customers", 7)
    verdict = same_number_of_rows(
        context,
        source="legacy",
        target="crm",
        tables=[{"from": "people", "to": "customers", "where": "id >= 0", "target_where": "id < 5"}],
    )
    assert (verdict.answer, verdict.expected, verdict.found) == (Answer.PASSED, 5, 5)
    assert verdict.figures == {"customers": {"source": 5, "target": 5, "rejected": 0}}


def test_a_missing_row_fails_by_table(context: FakeContext, legacy: OpenDatabase, crm: OpenDatabase) -> None:
    filled(legacy, "people", 5)
    filled(crm, "people", 4)
    verdict = same_number_of_rows(context, source="legacy", target="crm", tables=["people"])
    assert verdict.answer is Answer.FAILED
    assert verdict.summary == "rows differ: people: 4 and 0 rejected of 5"


def test_dead_letters_of_this_run_count_and_those_of_others_do_not(
    context: FakeContext, legacy: OpenDatabase, crm: OpenDatabase
) -> None:
    filled(legacy, "people", 5)
    filled(crm, "people", 0, "id integer primary key check (id <> 3), name text")
    Migration("r1/copy", Mapped((TableMapping(source="people"),), max_rejects=1), legacy, crm, context).run()
    assert same_number_of_rows(context, source="legacy", target="crm", tables=["people"]).answer is Answer.PASSED
    other = FakeContext(run_id="r2", databases=context.databases)
    assert same_number_of_rows(other, source="legacy", target="crm", tables=["people"]).answer is Answer.FAILED


def test_dead_letters_of_a_copy_that_has_a_name_count_where_it_is_named(
    context: FakeContext, legacy: OpenDatabase, crm: OpenDatabase
) -> None:
    filled(legacy, "people", 5)
    filled(crm, "people", 0, "id integer primary key check (id <> 3), name text")
    step = Migrate("legacy", "crm", ("people",), max_rejects=1, name="first wave")
    step.run(replace(context, step="copy"))
    asked = partial(same_number_of_rows, replace(context, run_id="a later run"), source="legacy", target="crm", tables=["people"])
    assert asked(copies=["first wave"]).figures == {"people": {"source": 5, "target": 4, "rejected": 1}}
    assert asked(copies=["first wave"]).answer is Answer.PASSED
    assert asked(copies=["first"]).answer is Answer.FAILED


def test_nothing_of_nothing_is_not_verifiable(context: FakeContext, legacy: OpenDatabase, crm: OpenDatabase) -> None:
    filled(legacy, "people", 0)
    filled(crm, "people", 0)
    empty = same_number_of_rows(context, source="legacy", target="crm", tables=["people"])
    assert (empty.answer, empty.summary) == (Answer.NOT_VERIFIABLE, "too few rows to compare: people: 0 of 0")
    assert same_number_of_rows(context, source="legacy", target="crm", tables=[]).answer is Answer.NOT_VERIFIABLE
    assert same_number_of_rows(context, source="legacy", target="crm", tables=["people"], at_least=0).answer is Answer.PASSED


def test_orphans_fail_with_samples(context: FakeContext, crm: OpenDatabase) -> None:
    filled(crm, "customers", 3)
    filled(crm, "services", 3, "id integer primary key, customer_id integer")
    references = [{"table": "services", "column": "customer_id", "parent": "customers"}]
    assert nobody_is_orphaned(context, database="crm", references=references).answer is Answer.PASSED
    crm.execute("update services set customer_id = 77 where id = 1")
    verdict = nobody_is_orphaned(context, database="crm", references=references)
    assert verdict.answer is Answer.FAILED
    assert verdict.summary == "1 row of services with a customer_id that customers does not have, such as 77"
    crm.execute("delete from services")
    assert nobody_is_orphaned(context, database="crm", references=references).answer is Answer.NOT_VERIFIABLE


def test_shared_values_fail_unless_they_are_allowed(context: FakeContext, crm: OpenDatabase) -> None:
    filled(crm, "customers", 4)
    crm.execute("update customers set name = 'Éva' where id < 2")
    verdict = nothing_is_there_twice(context, database="crm", table="customers", columns="name")
    assert verdict.answer is Answer.FAILED
    assert verdict.figures["samples"] == [["Éva", 2]]
    assert nothing_is_there_twice(context, database="crm", table="customers", columns=["name"], at_most=1).answer is Answer.PASSED
    nobody = nothing_is_there_twice(context, database="crm", table="customers", columns="name", where="id > 99")
    assert nobody.answer is Answer.NOT_VERIFIABLE
