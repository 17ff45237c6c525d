"""Functions of a project that make values: what they make arrives, and whatever they do otherwise is a dead letter."""

from __future__ import annotations

import pickle
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from changeover.contracts import Answer
from changeover.modules import ModuleBroken, ReferenceNotFound
from changeover.steps.migrate import Migrate
from changeover.steps.reconcile import Reconcile
from changeover.testing import FakeContext
from changeover.transfer.calling import called
from changeover.transfer.changes import Unfit
from changeover.transfer.databases import OpenDatabase
from changeover.transfer.failing import MappingChanged
from changeover.transfer.mapping import ColumnMapping, Mapped, TableMapping
from changeover.transfer.orders import Failed, Job

FUNCTIONS = """
import datetime
import enum
import sys
from decimal import Decimal

class Silent(Exception):
    def __str__(self):
        raise ValueError

class Colour(str, enum.Enum):
    RED = "red"

def to_minor_units(value):
    return int(Decimal(value) * 100)

def a_day(value):
    return datetime.date(2024, 2, 29)

def two(value, factor):
    return value

def list_of(value):
    return [value]

def colour(value):
    return Colour.RED

def silent(value):
    raise Silent

def empty(value):
    raise LookupError

def leaves(value):
    sys.exit(3)

def in_lines(value):
    raise ValueError("one\\n two\\0")

calls = 0

def only_the_first_times(value):
    global calls
    calls += 1
    if calls < 3:
        raise TimeoutError("busy")
    return 5

NO_FUNCTION = 5
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for folder in ("runbooks", "checks"):
        (tmp_path / folder).mkdir()
    (tmp_path / "checks" / "transforms.py").write_text(FUNCTIONS, encoding="utf-8")
    (tmp_path / "checks" / "broken.py").write_text("import no_such_module\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "value", "made"),
    [("to_minor_units", "12.34", 1234), ("to_minor_units", None, None), ("a_day", "x", date(2024, 2, 29).isoformat())],
)
def test_a_function_makes_the_value_and_is_not_asked_about_null(project: Path, name: str, value: Any, made: Any) -> None:
    assert called(f"checks.transforms:{name}", project)(value) == made


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("to_minor_units", "InvalidOperation: [<class 'decimal.ConversionSyntax'>]"),
        ("empty", "LookupError"),
        ("silent", "Silent: <exception str() failed>"),
        ("leaves", "SystemExit: 3"),
        ("in_lines", "ValueError: one two\\0"),
    ],
)
def test_an_exception_is_the_reason_of_a_dead_letter(project: Path, name: str, why: str) -> None:
    with pytest.raises(Unfit) as caught:
        called(f"checks.transforms:{name}", project)("x")
    assert caught.value.why == f"`checks.transforms:{name}`: {why}"


@pytest.mark.parametrize(("name", "kind"), [("list_of", "list"), ("colour", "Colour")])
def test_what_no_column_is_made_of_is_refused(project: Path, name: str, kind: str) -> None:
    with pytest.raises(Unfit, match=f"made a {kind}, of which no column is made"):
        called(f"checks.transforms:{name}", project)("x")


@pytest.mark.parametrize(
    ("reference", "error", "why"),
    [
        ("checks.transforms:to_minor", ReferenceNotFound, "checks/transforms.py has no 'to_minor'"),
        ("checks.transforms:two", ReferenceNotFound, "it does not take exactly one value"),
        ("checks.transforms:NO_FUNCTION", ReferenceNotFound, "is not a function"),
        ("elsewhere.transforms:two", ReferenceNotFound, "the project has no folder elsewhere/"),
        ("checks.broken:two", ModuleBroken, "checks/broken.py:1"),
    ],
)
def test_a_function_that_cannot_be_had_is_said_at_once(project: Path, reference: str, error: type[Exception], why: str) -> None:
    with pytest.raises(error, match=why) as caught:
        called(reference, project)
    sent = pickle.loads(pickle.dumps(Failed(caught.value)))  # type: ignore[arg-type] # noqa: S301 - our own; as a worker says it
    assert str(sent.error) == str(caught.value)


def test_without_a_project_there_is_no_function() -> None:
    with pytest.raises(ReferenceNotFound, match="there is no project here"):
        called("checks.transforms:two", None)


def test_workers_are_told_where_the_project_is(project: Path) -> None:
    mapped = Mapped((), project=project)
    sent = pickle.loads(pickle.dumps(Job("run/copy", mapped, None, None)))  # type: ignore[arg-type] # noqa: S301 - our own
    assert sent.mapped.project == project


def step(source: OpenDatabase, target: OpenDatabase, project: Path, mapping: ColumnMapping) -> tuple[Migrate, FakeContext]:
    table = TableMapping("customers", columns={"credit": mapping})
    copy = Migrate("legacy", "crm", (table,), max_rejects=2)
    databases = {"legacy": source, "crm": target}
    return copy, FakeContext(run_id="r", step="copy", folder=project, databases=databases, steps={"copy": copy})


@pytest.fixture
def customers(source: OpenDatabase, target: OpenDatabase) -> None:
    source.execute("create table customers (id integer primary key, credit_limit text)")
    source.execute("insert into customers values (1, '12.34'), (2, 'much'), (3, null), (4, ' 5 ')")
    target.execute("create table customers (id integer primary key, credit integer)")


MINOR = ColumnMapping("credit_limit", do=("trim",), call="checks.transforms:to_minor_units")


@pytest.mark.usefixtures("customers")
def test_a_copy_calls_it_the_dry_run_counts_and_reconcile_compares_what_it_makes(
    source: OpenDatabase, target: OpenDatabase, project: Path
) -> None:
    copy, context = step(source, target, project, MINOR)
    assert copy.dry_run(context).summary == "would copy 4 rows into 1 table; 1 would be rejected, 2 may be"
    assert context.said[-1].startswith("customers: 1 x credit: `checks.transforms:to_minor_units`: InvalidOperation")
    copy.run(context)
    assert [tuple(row.values()) for row in target.rows("select * from customers order by id")] == [(1, 1234), (3, None), (4, 500)]
    letters = target.rows("select row_key, column_name, reason from changeover_rejects")
    assert [(letter["column_name"], str(letter["reason"])[:50]) for letter in letters] == [
        ("credit", "`checks.transforms:to_minor_units`: InvalidOperation: "[:50])
    ]
    verdict = Reconcile(of="copy").run(context).verdict
    assert verdict is not None
    assert verdict.answer is Answer.PASSED, verdict
    target.execute("update customers set credit = 1235 where id = 1")
    verdict = Reconcile(of="copy").run(context).verdict
    assert verdict is not None
    assert verdict.answer is Answer.FAILED


@pytest.mark.usefixtures("customers")
def test_a_value_of_a_strange_type_is_a_dead_letter(source: OpenDatabase, target: OpenDatabase, project: Path) -> None:
    copy, context = step(source, target, project, ColumnMapping("credit_limit", call="checks.transforms:list_of"))
    with pytest.raises(Exception, match="3 rows were rejected") as caught:
        copy.run(context)
    assert "Unfit" not in type(caught.value).__name__
    assert target.scalar("select min(reason) from changeover_rejects") == (
        "`checks.transforms:list_of` made a list, of which no column is made"
    )


@pytest.mark.usefixtures("customers")
def test_a_function_that_changes_its_mind_stops_no_copy(source: OpenDatabase, target: OpenDatabase, project: Path) -> None:
    source.execute("delete from customers where id > 1")
    copy, context = step(source, target, project, ColumnMapping("credit_limit", call="checks.transforms:only_the_first_times"))
    copy.run(context)
    assert target.scalar("select reason from changeover_rejects") == (
        "`checks.transforms:only_the_first_times`: TimeoutError: busy"
    )


@pytest.mark.usefixtures("customers")
def test_another_function_is_another_mapping(source: OpenDatabase, target: OpenDatabase, project: Path) -> None:
    copy, context = step(source, target, project, MINOR)
    copy.run(context)
    other, context = step(source, target, project, ColumnMapping("credit_limit", do=("trim",), call="checks.transforms:a_day"))
    with pytest.raises(MappingChanged):
        other.run(context)


@pytest.mark.usefixtures("customers")
def test_nothing_is_written_when_the_function_is_not_there(source: OpenDatabase, target: OpenDatabase, project: Path) -> None:
    copy, context = step(source, target, project, ColumnMapping("credit_limit", call="checks.transforms:gone"))
    with pytest.raises(ReferenceNotFound, match="has no 'gone'"):
        copy.run(context)
    assert target.scalar("select count(*) from customers") == 0
