from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from changeover.contracts import Answer, Found, OnUnknown, registered_kinds
from changeover.runbook.systems import DatabaseEntry
from changeover.steps.migrate import Migrate, NotAMigration
from changeover.testing import FakeContext
from changeover.transfer.cluster_words import DaskMissing
from changeover.transfer.databases import OpenDatabase, open_database
from changeover.transfer.mapping import ColumnMapping, Swap, TableMapping


@pytest.fixture
def databases(tmp_path: Path) -> Iterator[dict[str, OpenDatabase]]:
    opened = {}
    for name in ("legacy", "crm"):
        (tmp_path / f"{name}.db").touch()
        opened[name] = open_database(name, DatabaseEntry(url=f"sqlite:///{name}.db"), "", base=tmp_path)
    opened["legacy"].execute("create table customers (id integer primary key, name text, born text, fax text)")
    opened["legacy"].execute(
        "insert into customers values (1, 'a', '2000-01-01', ''), (2, 'bb', '0000-00-00', ''), (3, null, null, '')"
    )
    opened["crm"].execute("create table customers (id integer primary key, name varchar(1) not null, born date)")
    yield opened
    for database in opened.values():
        database.close()


@pytest.fixture
def context(databases: dict[str, OpenDatabase]) -> FakeContext:
    return FakeContext(run_id="r1", step="copy", databases=databases)


COPY = Migrate(source="legacy", target="crm", tables=("customers",), max_rejects=2)


def test_it_copies_and_tells_what_became_of_every_row(context: FakeContext) -> None:
    result = COPY.run(context)
    assert result.summary == "1 row copied into 1 table, 2 rejected"
    assert isinstance(result.output, dict)
    assert result.output["tables"] == {"customers": {"source": 3, "copied": 1, "rejected": 2}}


def test_a_dry_run_counts_what_would_be_rejected_and_writes_nothing(
    context: FakeContext, databases: dict[str, OpenDatabase]
) -> None:
    result = COPY.dry_run(context)
    assert result.summary == "would copy 3 rows into 1 table; 3 would be rejected, 2 may be"
    assert context.said == [
        "customers -> customers: 3 rows in 1 chunk",
        "customers: copied without fax (nothing in the target takes it)",
        "customers: 1 x name: empty, and must not be",
        "customers: 1 x name: longer than 1",
        "customers: 1 x born: zero or partial date",
    ]
    assert [row["name"] for row in databases["crm"].rows("select name from sqlite_master")] == ["customers"]


def test_a_dry_run_counts_values_that_the_map_does_not_name(context: FakeContext) -> None:
    table = TableMapping(source="customers", columns={"name": ColumnMapping(map={"a": "A"})})
    replace(COPY, tables=(table,)).dry_run(context)
    assert "customers: 1 x name: not named in `map`" in context.said


def test_a_dry_run_before_the_target_s_tables_are_made_is_not_verifiable(
    context: FakeContext, databases: dict[str, OpenDatabase]
) -> None:
    databases["crm"].execute("drop table customers")
    result = COPY.dry_run(context)
    assert result.verdict is not None
    assert result.verdict.answer is Answer.NOT_VERIFIABLE
    assert "database crm has no table customers" in result.summary


def test_a_probe_follows_the_checkpoint(context: FakeContext) -> None:
    assert COPY.probe(context).found is Found.CLEAN
    with pytest.raises(Exception, match="2 rows were rejected, 0 allowed"):
        replace(COPY, max_rejects=0).run(context)
    assert COPY.probe(context).found is Found.PARTIAL
    COPY.run(context)
    probe = COPY.probe(context)
    assert probe.found is Found.DONE
    assert isinstance(probe.output, dict)
    assert probe.output["rows"] == 1


def test_undo_takes_back_what_the_named_step_copied(context: FakeContext, databases: dict[str, OpenDatabase]) -> None:
    COPY.run(context)
    back = replace(context, step="take-back", steps={"copy": COPY})
    undo = Migrate(undo="copy")
    assert undo.probe(back).found is Found.PARTIAL
    assert undo.dry_run(back).summary == "would take back what copy copied into crm"
    result = undo.run(back)
    assert (result.summary, result.output) == ("1 row deleted from 1 table", {"tables": {"customers": 1}, "rows": 1})
    assert undo.probe(back).found is Found.DONE
    assert COPY.probe(context).found is Found.CLEAN
    assert databases["crm"].scalar("select count(*) from customers") == 0


def test_undo_of_another_kind_of_step_is_refused(context: FakeContext) -> None:
    back = replace(context, steps={"copy": Migrate(undo="x")})
    with pytest.raises(NotAMigration, match="step copy is no migration"):
        Migrate(undo="copy").run(back)


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        (Migrate(), "`from` and `to` and `tables` are missing"),
        (Migrate(source="a", target="b"), "`tables` is missing"),
        (Migrate(undo="copy", source="a"), "`undo` stands alone"),
        (Migrate(undo="copy", by="swap_schema"), "`swap` and `by: swap_schema` belong together"),
        (
            Migrate(undo="copy", by="swap_schema", swap=Swap("live", "new", "old"), written_since="export"),
            "`written_since: export` is not for `by: swap_schema`",
        ),
        (replace(COPY, order="first"), "`order` is `auto` or a list"),
        (replace(COPY, chunk_rows=0), "`chunk_rows` is at least 1"),
        (replace(COPY, max_rejects=-1), "`max_rejects` is 0 or more"),
        (replace(COPY, max_reject_ratio=1.5), "`max_reject_ratio` is a part of the rows: from 0 to 1"),
    ],
)
def test_what_cannot_be_is_found_by_lint(step: Migrate, problem: str) -> None:
    assert [found for found in step.problems() if problem in found]


def test_a_sound_step_has_no_problems() -> None:
    assert list(COPY.problems()) == []
    assert list(Migrate(undo="copy").problems()) == []


def test_it_is_registered_and_may_always_run_again() -> None:
    assert registered_kinds()["migrate"].python is Migrate
    assert COPY.on_unknown is OnUnknown.RERUN


@pytest.mark.parametrize("workers", ["dask://", "dask://scheduler", "dask:8786", "dask://a b:8786"])
def test_a_cluster_is_written_with_host_and_port(workers: str) -> None:
    assert list(replace(COPY, workers=workers).problems()) == ["`workers` names a cluster as `dask://HOST:PORT`, its scheduler"]


def test_a_cluster_without_dask_is_refused_in_the_dry_run_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    copy = replace(COPY, workers="dask://scheduler:8786")
    assert list(copy.problems()) == []
    assert list(replace(COPY, workers="dask+tls://[::1]:8786/").problems()) == []
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(DaskMissing, match="needs Dask, which is not installed") as caught:
        copy.dry_run(FakeContext())
    assert "pip install 'changeover[dask]'" in caught.value.hint
