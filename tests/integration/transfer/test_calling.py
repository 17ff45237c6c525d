"""A function of the project makes values, in the step and in its workers; one that it cannot make is one dead letter."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from changeover.contracts import Answer
from changeover.modules import ReferenceNotFound
from changeover.steps.migrate import Migrate
from changeover.steps.reconcile import Reconcile
from changeover.testing import FakeContext
from changeover.transfer.databases import OpenDatabase
from changeover.transfer.mapping import ColumnMapping, Mapped, TableMapping
from changeover.transfer.orders import Job
from changeover.transfer.workers import Workers

Opener = Callable[[str, str], OpenDatabase]

ROWS = 900
FUNCTIONS = """
from decimal import Decimal

def to_minor_units(value):
    return int(Decimal(str(value)) * 100)

def initials(value):
    if value == "?":
        raise ValueError("no name")
    return "".join(part[0] for part in value.split()) or None
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for folder in ("runbooks", "checks"):
        (tmp_path / "project" / folder).mkdir(parents=True)
    (tmp_path / "project" / "checks" / "transforms.py").write_text(FUNCTIONS, encoding="utf-8")
    return tmp_path / "project"


TABLE = TableMapping(
    "customers",
    columns={
        "credit": ColumnMapping("credit_limit", call="checks.transforms:to_minor_units"),
        "short": ColumnMapping("name", do=("trim",), call="checks.transforms:initials"),
    },
)
#: An SQL expression makes the whole table go row by row.
COMPUTED = replace(
    TABLE, columns={**TABLE.columns, "born": ColumnMapping(sql="id + 1900", call="checks.transforms:to_minor_units")}
)


def filled(source: OpenDatabase, target: OpenDatabase) -> None:
    source.execute(
        "create table customers (id integer not null primary key, credit_limit decimal(12, 2), name varchar(40) not null)"
    )
    target.execute("create table customers (id integer primary key, credit bigint, short varchar(4), born varchar(12))")
    rows = [(n, None if n % 10 == 0 else n + 0.25, "?" if n == 500 else f" Ács {n} Béla ") for n in range(1, ROWS + 1)]
    mark = "?" if source.engine.dialect.name == "sqlite" else "%s"
    with source.engine.begin() as connection:
        connection.exec_driver_sql("insert into customers values (?, ?, ?)".replace("?", mark), rows)


@pytest.mark.parametrize(("system", "table"), [("mariadb", TABLE), ("sqlite", COMPUTED)])
def test_what_functions_make_arrives_and_one_exception_is_one_dead_letter(
    opened: Opener, project: Path, system: str, table: TableMapping
) -> None:
    source, target = opened(system, "legacy"), opened("postgresql", "crm")
    filled(source, target)
    copy = Migrate("legacy", "crm", (table,), chunk_rows=100, workers=2, max_rejects=1)
    context = FakeContext(
        run_id="r", step="copy", folder=project, databases={"legacy": source, "crm": target}, steps={"copy": copy}
    )
    assert copy.dry_run(context).summary == f"would copy {ROWS} rows into 1 table; 1 would be rejected, 1 may be"
    assert (context.said[1] == "customers: in blocks that the source joins; made here: credit, short") is (table is TABLE)
    result = copy.run(context)
    assert result.summary == f"{ROWS - 1} rows copied into 1 table, 1 rejected"
    if system == "mariadb":
        assert "2 workers side by side" in context.said
    assert target.rows("select row_key, column_name, reason from changeover_rejects") == [
        {"row_key": "[500]", "column_name": "short", "reason": "`checks.transforms:initials`: ValueError: no name"}
    ]
    assert target.rows("select credit, short from customers where id in (7, 10) order by id") == [
        {"credit": 725, "short": "Á7B"},
        {"credit": None, "short": "Á1B"},
    ]
    assert target.scalar("select born from customers where id = 7") == (None if table is TABLE else "190700")
    compared = Reconcile(of="copy").run(context)
    assert compared.verdict is not None
    assert compared.verdict.answer is Answer.PASSED, compared.output


def test_a_worker_that_does_not_find_the_function_says_so_before_any_row(opened: Opener, project: Path, tmp_path: Path) -> None:
    source, target = opened("mariadb", "legacy"), opened("postgresql", "crm")
    filled(source, target)
    assert source.address is not None
    assert target.address is not None
    job = Job("r/copy", Mapped((TABLE,), project=tmp_path / "elsewhere"), source.address, target.address)
    with closing(Workers(job, 1, lambda _: None)) as workers, pytest.raises(ReferenceNotFound) as caught:
        list(workers.copy(1))
    assert str(caught.value) == "'checks.transforms:to_minor_units': the project has no folder checks/"
    assert target.scalar("select count(*) from customers") == 0
