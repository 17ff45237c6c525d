"""Indexes and foreign keys that are made after the load: back as they were whatever dies, and the same rows arrive as without."""

from __future__ import annotations

import itertools
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from changeover.cli import main
from changeover.contracts import Value
from changeover.steps.migrate import Migrate
from changeover.testing import FakeContext
from changeover.transfer.afterwards import Orphans
from changeover.transfer.checksums import Selection, checksums_of_pair
from changeover.transfer.control import ChunkRecord
from changeover.transfer.copying import Migration
from changeover.transfer.databases import OpenDatabase
from changeover.transfer.definitions import Definition, definitions_of
from changeover.transfer.failing import TooManyRejects
from changeover.transfer.mapping import Mapped, TableMapping
from changeover.transfer.planning import MigrationRefused, TablePlan
from changeover.transfer.probing import Standing, standing
from changeover.transfer.rebuilding import CannotDefer
from changeover.transfer.shapes import TableName
from changeover.transfer.undoing import Undo

Opener = Callable[[str, str], OpenDatabase]

PROCESS = Path(__file__).with_name("copying_process.py")
NAME = "run/copy"
TABLES = ("parents", "children")
MAPPED = Mapped(
    (TableMapping("children"), TableMapping("parents")), chunk_rows=50, max_rejects=2, indexes="after_load", workers=1
)
#: What stands in the way of a load, in every form that a definition can take.
INDEXES = (
    "create index by_name on parents (name)",
    "create index \"By 100%s\" on parents (lower(name) text_pattern_ops, id desc nulls last) where name <> '5%s :x'",
    "create index packed on children using btree (line) include (name) with (fillfactor = 70)",
    "create index spread on children using hash (name)",
    "comment on index packed is 'it''s 100% needed'",
    "create unique index once on parents (name, id)",
    'alter table children add constraint "of Parent%" foreign key (parent) references parents (id) deferrable initially deferred',
    "alter table children add constraint before foreign key (sooner) references children (id)",
    "comment on constraint before on children is 'which came before'",
)


@dataclass(frozen=True, slots=True)
class Pair:
    source: OpenDatabase
    target: OpenDatabase

    def migration(self, mapped: Mapped = MAPPED, **more: object) -> Migration:
        return Migration(NAME, mapped, self.source, self.target, FakeContext(), **more)  # type: ignore[arg-type]

    def undo(self) -> None:
        Undo(NAME, MAPPED, self.source, self.target, FakeContext()).run()

    def standing_definitions(self) -> list[tuple[str, str, str | None]]:
        return [(each.name, each.text, each.comment) for each in definitions(self.target)]

    def start(self) -> subprocess.Popen[str]:
        urls = [database.engine.url.render_as_string(hide_password=False) for database in (self.source, self.target)]
        words = [sys.executable, str(PROCESS), *urls, NAME, "--after-load"]
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def definitions(target: OpenDatabase) -> list[Definition]:
    with target.engine.begin() as connection:
        return [each for table in TABLES for each in definitions_of(connection, TableName(None, table))]


@pytest.fixture
def pair(opened: Opener) -> Pair:
    source, target = opened("mariadb", "legacy"), opened("postgresql", "crm")
    for database in (source, target):
        database.execute("create table parents (id bigint not null primary key, name varchar(20) not null)")
        database.execute(
            "create table children (id bigint not null primary key, parent bigint not null, sooner bigint,"
            " line integer not null, name varchar(20) not null)"
        )
    for statement in INDEXES:
        with target.engine.begin() as connection:
            connection.exec_driver_sql(statement.replace("%", "%%"))
    with source.engine.begin() as connection:
        connection.exec_driver_sql("insert into parents values (%s, %s)", [(n, f"p{n}") for n in range(1, 501)])
        rows = [(n, (n + 2) // 3, n + 1 if n < 1500 else None, n % 3, "x" * (n % 7)) for n in range(1, 1501)]
        connection.exec_driver_sql("insert into children values (%s, %s, %s, %s, %s)", rows)
    return Pair(source, target)


def assert_equal(pair: Pair) -> None:
    for table in TABLES:
        one, other, _ = checksums_of_pair(pair.source, Selection(table), pair.target, Selection(table))
        assert one == other


@dataclass(slots=True)
class Watcher:
    """Looks at which definitions are in place while rows come."""

    seen: set[str] = field(default_factory=set)

    def chunk_copied(self, plan: TablePlan, chunk: ChunkRecord, reading: sa.Connection, writing: sa.Connection) -> None:
        with writing.begin():
            self.seen |= {each.name for each in definitions_of(writing, plan.target.name)}


def test_indexes_and_foreign_keys_are_away_during_the_load_and_back_as_they_were(pair: Pair) -> None:
    before, watcher = pair.standing_definitions(), Watcher()
    assert len(before) == 7
    migration = pair.migration(replace(MAPPED, workers=2), onlooker=watcher)
    assert migration.run().rows == 2000
    assert watcher.seen == {"public.once"}
    assert pair.standing_definitions() == before
    assert_equal(pair)
    assert standing(NAME, pair.target).state is Standing.DONE
    said = migration.context.said  # type: ignore[attr-defined]
    assert [line.split(" is ")[0] for line in said if line.startswith("index ")] == [f"index {n} of 4" for n in range(1, 5)]
    assert any(line.startswith("foreign key 2 of 2 is back: ") for line in said), said


class Telling(FakeContext):
    """Keeps which part was said to be at work."""

    def progress(self, done: int, total: int | None, unit: str, **figures: Value) -> None:
        self.progressed.append((done, total, unit))
        if "part" in figures:
            self.logged.append(str(figures["part"]).rstrip(" 0123456789of"))


def test_an_index_is_not_said_to_be_made_once_rows_come_again(pair: Pair) -> None:
    telling = Telling()
    replace(pair.migration(), context=telling).run()
    assert [part for part, _ in itertools.groupby(telling.logged)] == ["index", "", "index", "", *(["foreign key", ""] * 2)]


def test_a_copy_that_is_killed_again_and_again_ends_with_every_definition_back(pair: Pair) -> None:
    before = pair.standing_definitions()
    moments = random.Random(20270314)  # noqa: S311 - moments to kill at
    for _ in range(6):
        process = pair.start()
        assert process.stdout is not None
        for _ in range(moments.randrange(1, 16)):
            process.stdout.readline()
        time.sleep(moments.random() * 0.05)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
    out, err = pair.start().communicate(timeout=60)
    assert out.splitlines()[-1] == "finished 2000 0", err
    assert pair.standing_definitions() == before
    assert_equal(pair)


@pytest.mark.parametrize("lines", [1, 12, 45])
def test_an_undo_after_a_kill_brings_every_definition_back(pair: Pair, lines: int) -> None:
    before = pair.standing_definitions()
    process = pair.start()
    assert process.stdout is not None
    for _ in range(lines):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    pair.undo()
    assert pair.standing_definitions() == before
    assert [pair.target.scalar(f"select count(*) from {table}") for table in TABLES] == [0, 0]  # noqa: S608 - ours
    assert standing(NAME, pair.target).state is Standing.UNDONE


def test_rows_without_a_parent_are_named_and_become_dead_letters_where_that_is_allowed(pair: Pair) -> None:
    before = pair.standing_definitions()
    pair.source.execute("update children set parent = 9999 where id in (700, 1500)")
    with pytest.raises(Orphans, match=r"of Parent% of children does not hold: 2 rows without a parent \(id 700, id 15") as caught:
        pair.migration(replace(MAPPED, max_rejects=1)).run()
    assert "max_rejects" in caught.value.hint
    assert standing(NAME, pair.target).state is Standing.PARTIAL
    # 699 refers to 700 and 1499 to 1500, so they go with them, and so on: the whole chain
    with pytest.raises(Orphans, match="before of children does not hold"):
        pair.migration().run()
    pair.source.execute("update children set sooner = null where id in (699, 1499)")
    pair.target.execute("update children set sooner = null where id in (699, 1499)")
    report = pair.migration().run()
    assert report.tables["children"].copied == 1498
    assert report.rejected == 2
    letters = pair.target.rows("select row_key, code, reason from changeover_rejects order by chunk_no")
    assert [(letter["row_key"], letter["code"]) for letter in letters] == [("[700]", "23503"), ("[1500]", "23503")]
    assert "9999" in letters[0]["reason"]
    assert pair.standing_definitions() == before
    assert pair.target.scalar("select sum(rows_read - rows_written - rows_rejected) from changeover_chunk") == 0
    pair.source.execute("update children set parent = 1 where id = 700")
    assert pair.migration().run().rejected == 1  # what was refused is tried again, with everything in place


def test_what_cannot_be_made_again_is_said_and_the_next_attempt_goes_on_with_it(pair: Pair) -> None:
    pair.target.execute("create index risky on parents ((100 / (id - 77)))")
    before = pair.standing_definitions()
    with pytest.raises(CannotDefer, match=r"index risky of public.parents could not be made again: division by zero") as caught:
        pair.migration().run()
    assert "changeover_deferred" in caught.value.hint
    assert pair.target.scalar("select count(*) from parents") == 500
    pair.source.execute("delete from children where parent = 77")
    with pytest.raises(CannotDefer):
        pair.migration().run()
    with pytest.raises(MigrationRefused, match="that migration run/copy has taken away did not come back"):
        replace(pair.migration(replace(MAPPED, indexes="keep")), name="run-2/copy").run()
    pair.undo()
    assert pair.standing_definitions() == before


def test_where_it_is_not_safe_everything_stays_in_place_and_the_dry_run_says_why(pair: Pair, opened: Opener) -> None:
    pair.target.execute("insert into parents values (100000, 'was here')")
    step = Migrate(source="legacy", target="crm", tables=TABLES, indexes="after_load")
    context = FakeContext(run_id="run", step="copy", databases={"legacy": pair.source, "crm": pair.target})
    step.dry_run(context)
    said = "\n".join(context.said)
    assert "parents: stays in place, because the table holds 1 row already, and others may need it: public.by_name" in said
    assert "children: dropped before the load, made again after it: CREATE INDEX spread ON public.children USING hash" in said
    assert 'ALTER TABLE public.children ADD CONSTRAINT "of Parent%" FOREIGN KEY (parent) REFERENCES public.parents(id)' in said
    replace(step, indexes="keep").dry_run(context)
    assert "children: 2 indexes and 2 foreign keys stay in place during the load" in context.said[-1] + context.said[-2]
    before = pair.standing_definitions()
    step.run(context)
    assert pair.standing_definitions() == before
    pair.target.execute("create table copies (like parents including all)")
    replace(step, source="crm", tables=(TableMapping("parents", "copies"),)).dry_run(context)  # between two that are alike
    assert any(line.startswith("copies: dropped before the load, made again after it: CREATE INDEX") for line in context.said)
    other = opened("sqlite", "files")
    for table in TABLES:
        other.execute(f"create table {table} (id integer primary key, name text)")
    context = FakeContext(run_id="run", step="copy", databases={"legacy": pair.source, "crm": other})
    for act in (replace(step, tables=("parents",)).run, replace(step, tables=("parents",)).dry_run):
        with pytest.raises(MigrationRefused, match="`indexes: after_load` needs PostgreSQL as the target"):
            act(context)


def test_a_table_that_others_hold_is_left_alone(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("changeover.transfer.rebuilding._LOCK_S", 1)
    monkeypatch.setattr("changeover.transfer.rebuilding._PATIENCE_S", 0.0)
    before = pair.standing_definitions()
    with pair.target.engine.begin() as other:
        other.exec_driver_sql("select * from parents")
        with pytest.raises(CannotDefer, match="could not be dropped for the load: canceling statement due to lock timeout"):
            pair.migration().run()
    assert pair.standing_definitions() == before
    assert pair.migration().run().rows == 2000
    assert pair.standing_definitions() == before


def test_a_rejected_row_counts_as_everywhere_else(pair: Pair) -> None:
    pair.source.execute("update parents set name = concat('x', char(0)) where id in (3, 4, 5)")
    with pytest.raises(TooManyRejects):
        pair.migration().run()


RUNBOOK = """
changeover: 1
id: small
title: A small cutover
timezone: Europe/Budapest
systems: systems.yaml
people: people.yaml
stages:
  migrate:
    owner: lead
    steps:
      - id: copy
        migrate: {from: legacy, to: crm, tables: [parents, children], indexes: after_load}
        expect: 1m
        undo: {migrate: {undo: copy}}
    rollback: {none: every step has its own undo}
"""
PEOPLE = "persons: {anna: {name: Nagy Anna, chat: U1}}\nroles: {lead: {person: anna}}\n"


def test_what_a_run_that_was_aborted_took_away_is_made_again_by_a_command(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "project" / "runbooks"
    folder.mkdir(parents=True)
    entries = []
    for database in (pair.source, pair.target):
        url = database.engine.url
        monkeypatch.setenv(database.name.upper(), url.password or "")
        bare = url.render_as_string(hide_password=False).replace(f":{url.password}@", "@")
        entries.append(f"{database.name}: {{url: '{bare}', password: 'env:{database.name.upper()}'}}")
    (folder / "small.yaml").write_text(RUNBOOK, encoding="utf-8")
    (folder / "people.yaml").write_text(PEOPLE, encoding="utf-8")
    (folder / "systems.yaml").write_text(f"databases: {{{', '.join(entries)}}}\n", encoding="utf-8")
    monkeypatch.chdir(folder.parent)
    monkeypatch.delenv("CHANGEOVER_JOURNAL", raising=False)
    monkeypatch.setenv("CHANGEOVER_WHO", "anna")
    pair.target.execute("create index risky on parents ((100 / (id - 77)))")
    before = pair.standing_definitions()
    words = ("--environment", "test", "--engine", "local", "--no-wait", "--lines")
    assert main(["rehearse", "runbooks/small.yaml", *words]) != 0
    assert main(["abort", "--why", "the window is over", "--yes"]) == 0
    assert main(["resume", "--engine", "local", "--no-wait", "--lines"]) != 0
    assert main(["restore-indexes"]) == 10
    assert "index risky of public.parents could not be made again: division by zero" in capsys.readouterr().err
    pair.target.execute("delete from parents where id = 77")
    assert main(["restore-indexes"]) == 0
    assert "made again" in capsys.readouterr().out
    assert pair.standing_definitions() == before
    assert main(["restore-indexes"]) == 0
    assert "nothing is missing" in capsys.readouterr().out
