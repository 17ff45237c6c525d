"""Names of tables and columns that somebody would stumble over mean nothing: they are copied, compared and taken back."""

# ruff: noqa: S608 - the names stand in this file

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

import pytest

from changeover.contracts import Answer
from changeover.steps.migrate import Migrate
from changeover.steps.reconcile import Reconcile
from changeover.testing import FakeContext
from changeover.transfer.checksums import Selection, checksum, checksums_of_pair
from changeover.transfer.copying import Migration
from changeover.transfer.databases import OpenDatabase
from changeover.transfer.delta_words import Delta
from changeover.transfer.mapping import Mapped, TableMapping
from changeover.transfer.questions import count_rows
from changeover.transfer.reconcile.words import Domain, Reference, Sample, Unique
from changeover.transfer.rehearsing import rehearse
from changeover.transfer.shapes import ColumnsUnreadable
from changeover.transfer.undoing import Undo

Opener = Callable[[str, str], OpenDatabase]

#: Signs that mean something to a driver, to SQLAlchemy, to COPY, to SQL, or to a format string.
TEXTS: Final = (
    "100%", "%s", "%(name)s", "%%", ":name", "a::b", "it's", 'say "it"', "back`tick", "back\\slash", "a b", "a.b", "(x)", "[x]",
    "{0}", "$1", "?", "x;--", "/*x*/", "UPPER", "select", "ő" * 31 + "x",
)  # fmt: skip
KEY: Final = 'Key %s :id "é"'
NUMBER: Final = "Order %d"
CHANGED: Final = "changed %(at)s :then"
PEOPLE: Final = "People %s :x \"y\" 'z' `b` \\"
LINES: Final = "user"
WORDS: Final = {
    "mariadb": {"text": "varchar(40)", "moment": "datetime(6)", "now": "now(6)"},
    "postgresql": {"text": "varchar(40)", "moment": "timestamp", "now": "clock_timestamp() at time zone 'UTC'"},
    "sqlite": {"text": "varchar(40)", "moment": "datetime", "now": "strftime('%Y-%m-%d %H:%M:%f', 'now')"},
}
ROWS: Final = 700  # more than one batch


def quoted(database: OpenDatabase, name: str) -> str:
    sign = "`" if database.engine.dialect.name == "mysql" else '"'
    return sign + name.replace(sign, sign * 2) + sign


def execute(database: OpenDatabase, statement: str, rows: Sequence[tuple[Any, ...]] = ()) -> None:
    """Past SQLAlchemy: the names are exactly these."""
    driver: Any = database.engine.raw_connection()
    try:
        cursor = driver.cursor()
        if rows:
            cursor.executemany(statement, rows)
        else:
            cursor.execute(statement)
        driver.commit()
    finally:
        driver.close()


def made(database: OpenDatabase, system: str) -> None:
    words = WORDS[system]
    people, lines, key, text, quote, at = (quoted(database, name) for name in (PEOPLE, LINES, KEY, "%s", "it's", CHANGED))
    texts = ", ".join(f"{quoted(database, name)} {words['text']}" for name in TEXTS)
    execute(
        database,
        f"create table {people} ({key} bigint not null primary key, {quoted(database, NUMBER)} integer, {texts},"
        f" {at} {words['moment']})",
    )
    execute(
        database,
        f"create table {lines} ({key} bigint not null, {text} varchar(20) not null, {quote} varchar(20), {at} {words['moment']},"
        f" primary key ({key}, {text}), foreign key ({key}) references {people} ({key}))",
    )
    execute(database, f"create index {quoted(database, 'index %s')} on {people} ({text}, {quoted(database, '100%')})")


def changed(database: OpenDatabase, system: str) -> None:
    people, lines, key = (quoted(database, name) for name in (PEOPLE, LINES, KEY))
    new = f"{quoted(database, 'UPPER')} = 'new', {quoted(database, CHANGED)} = {WORDS[system]['now']}"
    execute(database, f"update {people} set {new} where {key} < 40")
    execute(database, f"delete from {lines} where {key} between 30 and 60")


def filled(database: OpenDatabase, system: str) -> None:
    now = WORDS[system]["now"]
    mark = "?" if system == "sqlite" else "%s"
    people, lines = (
        quoted(database, name) if system == "sqlite" else quoted(database, name).replace("%", "%%") for name in (PEOPLE, LINES)
    )
    rows = [
        (number, number, *(None if (number + place) % 9 == 0 else f"{name[:9]}{number}" for place, name in enumerate(TEXTS)))
        for number in range(1, ROWS)
    ]
    execute(database, f"insert into {people} values ({', '.join([mark] * (len(TEXTS) + 2))}, {now})", rows)
    execute(database, f"insert into {lines} values ({mark}, {mark}, 'x', {now})", [(row[0], f"%s{row[0]}") for row in rows])


@pytest.mark.parametrize(("source", "target"), list(itertools.permutations(WORDS, 2)))
def test_hostile_names_are_rehearsed_copied_followed_compared_and_taken_back(opened: Opener, source: str, target: str) -> None:
    legacy, crm = opened(source, "legacy"), opened(target, "crm")
    made(legacy, source)
    made(crm, target)
    filled(legacy, source)
    before = {table: checksum(crm, table) for table in (PEOPLE, LINES)}
    deferred: Literal["keep", "after_load"] = "after_load" if target == "postgresql" else "keep"
    plan = Migrate("legacy", "crm", (LINES, PEOPLE), chunk_rows=300, delta=Delta(CHANGED), indexes=deferred)
    context = FakeContext(run_id="run", step="copy", databases={"legacy": legacy, "crm": crm}, steps={"copy": plan})
    rehearsed = rehearse(plan.mapped, legacy, crm, context, one_in=3)
    assert all(table.sampled and not table.orphans for table in rehearsed.tables.values())
    # SQLite's scratch has the foreign keys too, and not every sampled line has its parent in the sample
    assert target == "sqlite" or not any(table.refused for table in rehearsed.tables.values())
    assert isinstance(output := plan.run(context).output, dict)
    assert output["rows"] == 2 * (ROWS - 1)
    if (source, target) == ("mariadb", "postgresql"):
        assert any("in blocks that the source joins" in line for line in context.said)
    changed(legacy, source)
    Migrate(catch_up="copy", final=True).run(context)
    for table in (PEOPLE, LINES):
        one, other, columns = checksums_of_pair(legacy, Selection(table), crm, Selection(table))
        assert one == other, f"{table}: {columns}"
    asked = Reconcile(
        "legacy",
        "crm",
        tables=(PEOPLE, LINES),
        orphans=(Reference(LINES, KEY, PEOPLE, KEY),),
        unique=(Unique(PEOPLE, (KEY, "%s")),),
        domain=(Domain(LINES, "it's", ("x",)),),
        sample=(Sample(PEOPLE),),
    )
    found = asked.run(context)
    assert found.verdict is not None
    assert found.verdict.answer is Answer.PASSED, found
    Migrate(undo="copy", written_since="export").run(context)
    assert {table: checksum(crm, table) for table in before} == before


@pytest.mark.parametrize("system", ["mariadb", "postgresql"])
def test_hostile_names_are_copied_within_one_database(opened: Opener, system: str) -> None:
    database = opened(system, "legacy")
    made(database, system)
    filled(database, system)
    copy = "%(copy)s :of \\ it"
    like = "(like {} including all)" if system == "postgresql" else "like {}"
    execute(database, f"create table {quoted(database, copy)} {like.format(quoted(database, PEOPLE))}")
    context = FakeContext()
    mapped = Mapped((TableMapping(source=PEOPLE, target=copy),), chunk_rows=300)
    assert Migration("run/copy", mapped, database, database, context).run().rows == ROWS - 1
    if system == "postgresql":
        assert any("COPY is passed on as it comes (binary)" in line for line in context.said)
    assert checksum(database, PEOPLE) == checksum(database, copy)
    Undo("run/copy", mapped, database, database, context).run()
    assert count_rows(database, copy) == 0


def test_a_column_that_cannot_be_read_by_its_name_is_not_passed_over(opened: Opener) -> None:
    legacy, crm = opened("mariadb", "legacy"), opened("sqlite", "crm")
    execute(legacy, "create table t (id integer primary key, `new\nline` integer)")
    execute(crm, 'create table t (id integer primary key, "new\nline" integer)')
    with pytest.raises(ColumnsUnreadable, match=r"how 'new\\nline' of table t is declared cannot be read"):
        Migration("run/copy", Mapped((TableMapping(source="t"),)), legacy, crm, FakeContext()).run()
