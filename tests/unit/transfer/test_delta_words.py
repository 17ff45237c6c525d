"""What an author may write below `delta`, and what cannot be."""

from __future__ import annotations

from datetime import timedelta

import pytest

from changeover.steps.migrate import Migrate, NotCopiedYet, NothingCatchesUp
from changeover.testing import FakeContext
from changeover.transfer.databases import OpenDatabase
from changeover.transfer.delta_words import Buried, Delta, Tombstones, Until
from changeover.transfer.mapping import TableMapping
from changeover.transfer.watermarks import reaching_back

SOUND = Migrate("legacy", "crm", ("t",), delta=Delta("updated_at"))


def problems(**changes: object) -> list[str]:
    return list(Migrate(**{"source": "legacy", "target": "crm", "tables": ("t",), **changes}).problems())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("delta", "says"),
    [
        (Delta("at", overlap=timedelta(seconds=-1)), "`delta: overlap` is 0s or more"),
        (Delta("at", until=Until(rows=-1)), "`delta: until: rows` is 0 or more"),
        (Delta("at", until=Until(seconds=0)), "`delta: until: seconds` is more than 0"),
        (Delta("at", until=Until(passes=0)), "`delta: until: passes` is 1 or more"),
        (Delta("at", deletes=Buried(Tombstones())), "`delta: deletes: tombstones` has either a `column` or a `where`"),
        (Delta("at", deletes=Buried(Tombstones("a", "b"))), "`delta: deletes: tombstones` has either a `column` or a `where`"),
    ],
)
def test_a_delta_that_cannot_be_is_a_finding(delta: Delta, says: str) -> None:
    assert list(delta.problems()) == [says]


def test_catching_up_stands_alone_and_final_belongs_to_it() -> None:
    assert problems(delta=Delta("at")) == []
    assert list(Migrate(catch_up="copy", final=True).problems()) == []
    assert problems(catch_up="copy") == ["`catch_up` stands alone: which tables it was, the other step knows"]
    assert "`undo` stands alone" in " ".join(Migrate(undo="copy", catch_up="copy").problems())
    assert problems(final=True) == ["`final` belongs to `catch_up: STEP`, after the source was frozen"]
    assert problems(name="a/b") == ["`name` has no slash and at most 150 characters"]


def test_a_table_says_for_itself_how_it_catches_up_or_that_it_does_not() -> None:
    own = Delta("changed")
    step = Migrate("legacy", "crm", ("a", TableMapping("b", delta=own), TableMapping("c", delta="ignore")), delta=Delta("at"))
    assert [table.catching_up for table in step.mapped.tables] == [Delta("at"), own, None]


def test_a_delta_comes_after_a_copy_that_follows_its_source(
    context: FakeContext, source: OpenDatabase, target: OpenDatabase
) -> None:
    for database in (source, target):
        database.execute("create table t (id integer primary key, updated_at datetime)")
    context.steps = {"copy": SOUND, "still": Migrate("legacy", "crm", ("t",))}
    with pytest.raises(NotCopiedYet, match="step copy has not copied everything yet: it never began"):
        Migrate(catch_up="copy").run(context)
    with pytest.raises(NothingCatchesUp, match="no table of step still catches up"):
        Migrate(catch_up="still").run(context)


def test_a_copy_with_a_name_is_gone_on_with_by_another_run(
    context: FakeContext, source: OpenDatabase, target: OpenDatabase
) -> None:
    for database in (source, target):
        database.execute("create table t (id integer primary key, word text, updated_at datetime)")
    source.execute("insert into t values (1, 'one', '2027-01-01 00:00:00'), (2, 'two', '2027-01-01 00:00:00')")
    named = Migrate("legacy", "crm", ("t",), delta=Delta("updated_at"), name="fixed-line")
    context.run_id, context.step = "monday", "preload"
    named.run(context)
    source.execute("update t set word = 'zwei', updated_at = '2027-01-02 00:00:00' where id = 2")
    source.execute("delete from t where id = 1")
    context.run_id, context.step, context.steps = "saturday", "copy", {"copy": named}
    assert "1 row copied" in named.run(context).summary
    assert target.rows("select id, word from t") == [{"id": 2, "word": "zwei"}]
    Migrate(undo="copy").run(context)
    assert target.rows("select * from t") == []


@pytest.mark.parametrize(
    ("mark", "overlap", "low"),
    [
        ("2027-03-13 19:00:00", timedelta(minutes=5), "2027-03-13 18:55:00"),
        ("2027-03-13 19:00:00.250000+00", timedelta(minutes=5), "2027-03-13 18:55:00.250000+00"),
        ("2027-03-13T19:00:00", timedelta(days=1), "2027-03-12T19:00:00"),
        ("0001-01-01 00:00:01", timedelta(days=3650), "0001-01-01 00:00:00"),
        (None, timedelta(minutes=5), None),
    ],
)
def test_a_watermark_reaches_back_and_is_written_as_it_was(mark: str | None, overlap: timedelta, low: str | None) -> None:
    assert reaching_back(mark, overlap) == low
