from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from changeover.contracts import Answer, OnUnknown
from changeover.runbook.systems import DatabaseEntry
from changeover.runbook.values import ParametersRefused
from changeover.steps.sql import Sql, reads_only
from changeover.steps.transaction import ROWS_KEPT, NotAsExpected, plain
from changeover.testing import FakeContext
from changeover.transfer.databases import StatementFailed, open_database


@pytest.fixture
def crm(context: FakeContext, tmp_path: Path) -> Iterator[Any]:
    path = tmp_path / "crm.db"
    path.touch()
    database = open_database("crm", DatabaseEntry(f"sqlite:///{path}"), "")
    with database.engine.begin() as connection:
        connection.execute(sa.text("create table customer (id integer primary key, name text)"))
        connection.execute(sa.text("insert into customer values (1, 'Kovács'), (2, 'Шевченко'), (3, null)"))
    context.databases = {"crm": database}
    yield database
    database.close()


def names(crm: Any) -> list[str]:
    return [row["name"] for row in crm.rows("select name from customer order by id")]


def test_rows_are_its_output(bound: Any, context: FakeContext, crm: Any) -> None:
    result = bound("sql", "{on: crm, run: 'select id, name from customer where id < 3 order by id'}").run(context)
    assert result.output == [{"id": 1, "name": "Kovács"}, {"id": 2, "name": "Шевченко"}]
    assert result.summary == "2 rows"


def test_a_change_tells_how_many_rows_it_affected(bound: Any, context: FakeContext, crm: Any) -> None:
    result = bound("sql", "{on: crm, run: \"update customer set name = 'x' where id > 1\"}").run(context)
    assert result.output == {"affected": 2}
    assert names(crm) == ["Kovács", "x", "x"]


def test_values_are_bound_and_never_become_sql(bound: Any, context: FakeContext, crm: Any) -> None:
    evil = "'; drop table customer; --"
    sql = bound(
        "sql",
        "{on: crm, run: 'update customer set name = :name where id = 1', values: {name: '${inputs.n}'}}",
        {"inputs.n": evil},
    )
    sql.run(context)
    assert names(crm)[0] == evil


def test_a_value_written_into_the_text_is_refused_before_the_run() -> None:
    assert any("under `values`" in problem for problem in Sql("crm", "select ${inputs.x}").problems())


def test_all_statements_run_or_none(bound: Any, context: FakeContext, crm: Any) -> None:
    with pytest.raises(StatementFailed, match="no such table"):
        bound("sql", "{on: crm, run: ['delete from customer', 'delete from no_such_table']}").run(context)
    assert len(names(crm)) == 3


def test_more_rows_than_allowed_are_rolled_back(bound: Any, context: FakeContext, crm: Any) -> None:
    with pytest.raises(NotAsExpected, match="3 rows would change, at most 2 may"):
        bound("sql", "{on: crm, run: delete from customer, expect: {affected_at_most: 2}}").run(context)
    assert len(names(crm)) == 3


def test_the_limit_counts_all_statements_together(bound: Any, context: FakeContext, crm: Any) -> None:
    run = "['delete from customer where id = 1', 'delete from customer where id > 1']"
    with pytest.raises(NotAsExpected, match="at most 2"):
        bound("sql", f"{{on: crm, run: {run}, expect: {{affected_at_most: 2}}}}").run(context)
    assert len(names(crm)) == 3


@pytest.mark.parametrize("value", ["3", "'3'", "3.0"])
def test_the_expected_value_is_compared(bound: Any, context: FakeContext, crm: Any, value: Any) -> None:
    assert bound("sql", f"{{on: crm, run: select count(*) from customer, expect: {{value: {value}}}}}").run(context)  # noqa: S608 - the test's own


def test_another_value_or_number_of_rows_fails(bound: Any, context: FakeContext, crm: Any) -> None:
    with pytest.raises(NotAsExpected, match="3 instead of 4"):
        bound("sql", "{on: crm, run: select count(*) from customer, expect: {value: 4}}").run(context)
    with pytest.raises(NotAsExpected, match="3 rows instead of 1"):
        bound("sql", "{on: crm, run: select * from customer, expect: {rows: 1}}").run(context)
    with pytest.raises(NotAsExpected, match="one value is expected, and 3 rows came"):
        bound("sql", "{on: crm, run: select id from customer, expect: {value: 1}}").run(context)


def test_a_wrong_result_takes_the_changes_before_it_back(bound: Any, context: FakeContext, crm: Any) -> None:
    run = "['delete from customer where id = 1', 'select count(*) from customer']"
    with pytest.raises(NotAsExpected):
        bound("sql", f"{{on: crm, run: {run}, expect: {{value: 3}}}}").run(context)
    assert len(names(crm)) == 3


def test_only_so_many_rows_become_output_and_all_are_counted(bound: Any, context: FakeContext, crm: Any) -> None:
    many = f"with recursive n(i) as (select 1 union all select i + 1 from n where i < {ROWS_KEPT + 500}) select i from n"  # noqa: S608 - the test's own
    result = bound("sql", f"{{on: crm, run: '{many}', expect: {{rows: {ROWS_KEPT + 500}}}}}").run(context)
    assert len(result.output) == ROWS_KEPT
    assert result.summary == f"{ROWS_KEPT + 500:,} rows"


def test_what_is_said_to_read_is_rolled_back(bound: Any, context: FakeContext, crm: Any) -> None:
    bound("sql", "{on: crm, run: delete from customer, changes: false}").run(context)
    assert len(names(crm)) == 3


def test_a_dry_run_reads_and_shows_changes(bound: Any, context: FakeContext, crm: Any) -> None:
    assert bound("sql", "{on: crm, run: select count(*) c from customer}").dry_run(context).output == [{"c": 3}]
    assert (
        "would run on crm: delete from customer" in bound("sql", "{on: crm, run: delete from customer}").dry_run(context).summary
    )
    assert len(names(crm)) == 3


def test_a_dry_run_that_cannot_read_yet_is_not_verifiable(bound: Any, context: FakeContext, crm: Any) -> None:
    result = bound("sql", "{on: crm, run: select * from not_migrated_yet}").dry_run(context)
    assert result.verdict.answer is Answer.NOT_VERIFIABLE


@pytest.mark.parametrize(
    ("statement", "reads"),
    [
        ("select 1", True),
        ("  -- note\n/* and */ (SELECT 1)", True),
        ("select replace(name, 'into', '') from c", True),
        ("select 'x' into outfile '/tmp/x'", False),
        ("select * into copy from c", False),
        ("with a as (select 1) select * from a", True),
        ("with a as (delete from c returning *) select * from a", False),
        ("with a as (select 'delete') select * from a", True),
        ("show tables", True),
        ("explain select 1", True),
        ("explain analyze delete from c", False),
        ("update c set a = 1", False),
        ("call refresh()", False),
        ("drop table c", False),
        ("", False),
    ],
)
def test_the_first_word_tells_whether_it_only_reads(statement: Any, reads: Any) -> None:
    assert reads_only(statement) is reads


def test_it_may_have_happened_means(bound: Any) -> None:
    assert bound("sql", "{on: crm, run: select 1}").on_unknown is OnUnknown.RERUN
    assert bound("sql", "{on: crm, run: delete from c}").on_unknown is OnUnknown.ASK


@pytest.mark.parametrize("run", ["''", "[]", "['select 1', ' ']"])
def test_empty_statements_are_refused(bound: Any, run: Any) -> None:
    with pytest.raises(ParametersRefused, match="empty statement"):
        bound("sql", f"{{on: crm, run: {run}}}")


def test_values_of_rows_become_plain_values() -> None:
    moment = datetime(2027, 3, 13, 19, tzinfo=UTC)
    assert [plain(value) for value in (Decimal("3.00"), Decimal("0.5"), moment, b"\x01", {"a": (1,)}, object)] == [
        3,
        0.5,
        "2027-03-13T19:00:00+00:00",
        "01",
        {"a": [1]},
        "<class 'object'>",
    ]


@pytest.mark.parametrize(
    ("yaml", "problem"),
    [
        ("{on: crm, run: 'select :a', values: {a: 1, b: 2}}", "the value `b` is used in no statement"),
        ("{on: crm, run: ['select :a', 'select :c'], values: {a: 1}}", "`:c` stands in a statement"),
    ],
)
def test_names_and_values_have_to_fit(bound: Any, yaml: str, problem: str) -> None:
    with pytest.raises(ParametersRefused, match=problem):
        bound("sql", yaml)


def test_colons_that_are_no_names_need_no_values(bound: Any, context: FakeContext, crm: Any) -> None:
    yaml = "{on: crm, run: \"select '12:30' as time, :a as a\", values: {a: 1}}"
    assert bound("sql", yaml).run(context).output == [{"time": "12:30", "a": 1}]
