"""Four ways to take a copy back, on real servers: afterwards the target is what it was, and what others wrote is not lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from changeover.contracts import Found
from changeover.steps.migrate import Migrate
from changeover.testing import FakeContext
from changeover.transfer.checksums import checksum
from changeover.transfer.databases import OpenDatabase
from changeover.transfer.mapping import Swap, TableMapping
from changeover.transfer.questions import count_rows
from changeover.transfer.swapping import CannotSwap, swap_in
from changeover.transfer.undoing import ForeignRows, NotEmptyBefore
from rollback.exchange import make_live

Opener = Callable[[str, str], OpenDatabase]

COLUMNS = "(id bigint not null primary key, name varchar(20))"


@pytest.fixture(params=["postgresql", "mariadb", "sqlite"])
def context(opened: Opener, request: pytest.FixtureRequest, tmp_path: Path) -> FakeContext:
    legacy, crm = opened("sqlite", "legacy"), opened(request.param, "crm")
    legacy.execute(f"create table t {COLUMNS}")
    crm.execute(f"create table t {COLUMNS}")
    for number in range(1, 31):
        legacy.execute("insert into t values (:id, :name)", id=number, name=f"n{number}")
    return FakeContext(run_id="r", step="copy", databases={"legacy": legacy, "crm": crm}, folder=tmp_path)


def copied(context: FakeContext, into: str = "") -> None:
    copy = Migrate(source="legacy", target="crm", tables=(TableMapping(source="t", target=into),), chunk_rows=10)
    context.steps = {"copy": copy}
    copy.run(context)
    context.step = "take-back"


@pytest.mark.parametrize("by", ["ranges", "truncate"])
def test_an_undo_leaves_what_was_there_before(context: FakeContext, by: str) -> None:
    crm = context.databases["crm"]
    if by == "ranges":
        crm.execute("insert into t values (1000, 'was here')")
    before = checksum(crm, "t")
    copied(context)
    assert checksum(crm, "t").rows == before.rows + 30
    undo = Migrate(undo="copy", by=by)  # type: ignore[arg-type]
    assert undo.run(context).summary == "30 rows deleted from 1 table"
    assert checksum(crm, "t") == before
    assert undo.probe(context).found is Found.DONE
    assert undo.run(context).summary == "0 rows deleted from 1 table"


def test_a_table_that_held_rows_is_not_truncated(context: FakeContext) -> None:
    context.databases["crm"].execute("insert into t values (1000, 'was here')")
    copied(context)
    with pytest.raises(NotEmptyBefore, match="t held rows before the copy"):
        Migrate(undo="copy", by="truncate").run(context)
    assert count_rows(context.databases["crm"], "t") == 31


def test_what_others_wrote_since_refuses_the_undo_or_is_exported_before_anything_goes_back(context: FakeContext) -> None:
    crm = context.databases["crm"]
    before = checksum(crm, "t")
    copied(context)
    crm.execute("insert into t values (31, 'new customer')")
    crm.execute("update t set name = 'moved' where id = 5")
    crm.execute("delete from t where id = 6")
    crm.execute("insert into t values (32, 'another')")
    with pytest.raises(ForeignRows):
        Migrate(undo="copy").run(context)
    assert count_rows(crm, "t") == 31
    result = Migrate(undo="copy", written_since="export").run(context)
    assert isinstance(result.output, dict)
    assert result.output["written_since"] == {"t": 4}
    exported = Path(str(result.output["file"]))
    assert exported.stat().st_mode & 0o777 == 0o600
    assert [json.loads(line) for line in exported.read_text(encoding="utf-8").splitlines()] == [
        {"table": "t", "key": [5], "happened": "changed", "row": {"name": "moved"}, "was": {"name": "n5"}},
        {"table": "t", "key": [6], "happened": "deleted", "was": {"id": 6, "name": "n6"}},
        {"table": "t", "key": [31], "happened": "added", "row": {"id": 31, "name": "new customer"}},
        {"table": "t", "key": [32], "happened": "added", "row": {"id": 32, "name": "another"}},
    ]
    assert checksum(crm, "t") == before


def test_rows_of_others_are_not_taken_for_rows_that_were_refused(context: FakeContext) -> None:
    legacy, crm = context.databases["legacy"], context.databases["crm"]
    legacy.execute("update t set name = 'far too long a name for twenty' where id > 20")
    context.steps = {"copy": Migrate(source="legacy", target="crm", tables=("t",), max_rejects=10)}
    context.steps["copy"].run(context)
    assert count_rows(crm, "t") == 20
    crm.execute("insert into t values (31, 'new customer')")
    with pytest.raises(ForeignRows, match="at least 1 came from elsewhere"):
        Migrate(undo="copy").run(context)
    assert count_rows(crm, "t") == 21


def test_rows_of_others_are_seen_although_as_many_of_ours_were_deleted(context: FakeContext) -> None:
    crm = context.databases["crm"]
    copied(context)
    crm.execute("delete from t where id < 10")
    crm.execute("insert into t values (31, 'new customer')")
    with pytest.raises(ForeignRows, match="22 rows where 30 were copied; at least 1 came from elsewhere"):
        Migrate(undo="copy").run(context)
    assert count_rows(crm, "t") == 22


def test_nothing_goes_back_when_the_export_cannot_be_written(context: FakeContext) -> None:
    from changeover.transfer.written_since import NotExported, export_written_since  # noqa: PLC0415 - of this test alone

    (context.folder / "file").write_text("no folder", encoding="utf-8")
    with pytest.raises(NotExported, match="nothing was taken back"):
        export_written_since((), context.folder / "file" / "x.jsonl", context.check_stopped)


def test_a_function_restores_and_nothing_is_copied_afterwards(context: FakeContext) -> None:
    crm = context.databases["crm"]
    before = checksum(crm, "t")
    copied(context)
    context.functions = {
        "rollback.restore:backup": lambda context, *, table: context.database("crm").execute(
            "delete from t where :t = :t", t=table
        )
    }
    undo = Migrate(undo="copy", by="call", call="rollback.restore:backup", arguments={"table": "t"})
    assert undo.run(context).summary == "rollback.restore:backup has restored"
    assert checksum(crm, "t") == before
    assert undo.probe(context).found is Found.DONE


def test_exchanged_tables_are_exchanged_back_both_at_once(context: FakeContext) -> None:
    crm = context.databases["crm"]
    if crm.engine.dialect.name == "sqlite":
        with pytest.raises(CannotSwap, match="SQLite has no schemas"):
            swap_in(crm, ["t"], Swap("live", "loaded", "kept"))
        return
    own = sa.make_url(str(crm.engine.url)).database or ""
    live = own if crm.engine.dialect.name == "mysql" else "public"
    swap = Swap(live, f"{own}_new", f"{own}_old")
    for schema in (swap.loaded, swap.kept):
        crm.execute(f"create schema {schema}")
    try:
        crm.execute(f"create table {swap.loaded}.t {COLUMNS}")
        crm.execute("insert into t values (7, 'live')")
        before = checksum(crm, "t")
        copied(context, into=f"{swap.loaded}.t")
        schemas = {"live": swap.live, "loaded": swap.loaded, "kept": swap.kept}
        for done in ("exchanged", "had been exchanged"):
            assert make_live(context, database="crm", tables=["t"], **schemas).summary == f"1 table of {live} {done}"
        assert count_rows(crm, "t") == 30
        undo = Migrate(undo="copy", by="swap_schema", swap=swap)
        assert undo.run(context).summary == f"1 table of {live} exchanged back"
        assert checksum(crm, "t") == before
        assert undo.run(context).summary == f"1 table of {live} had been exchanged back"
        assert Migrate(undo="copy").run(context).summary == "30 rows deleted from 1 table"
        assert count_rows(crm, f"{swap.loaded}.t") == 0
        assert checksum(crm, "t") == before
        crm.execute(f"drop table {swap.loaded}.t")
        with pytest.raises(CannotSwap, match=f"t is not in {swap.loaded}"):
            swap_in(crm, ["t"], swap)
    finally:
        for schema in (swap.loaded, swap.kept):
            crm.execute(f"drop schema {schema}" + (" cascade" if live == "public" else ""))
