from __future__ import annotations

import re
from dataclasses import replace

import pytest

from changeover.errors import Stopped
from changeover.testing import FakeContext
from changeover.transfer.copying import Migration
from changeover.transfer.databases import OpenDatabase
from changeover.transfer.failing import AlreadyUndone, MappingChanged, TooManyRejects
from changeover.transfer.mapping import ColumnMapping, Mapped, Sequences, TableMapping, TextPolicy
from changeover.transfer.planning import MigrationRefused
from changeover.transfer.reports import summary
from changeover.transfer.shapes import TableMissing
from changeover.transfer.undoing import ForeignRows, Undo, UndoFailed
from changeover.transfer.verifying import RowsMissing


def mapped(*tables: TableMapping | str, chunk_rows: int = 10, max_rejects: int = 0) -> Mapped:
    return Mapped(
        tuple(TableMapping(source=table) if isinstance(table, str) else table for table in tables),
        chunk_rows=chunk_rows,
        max_rejects=max_rejects,
    )


def migration(context: FakeContext, plan: Mapped) -> Migration:
    return Migration("run/copy", plan, context.databases["legacy"], context.databases["crm"], context)


def undo(context: FakeContext, plan: Mapped) -> Undo:
    return Undo("run/copy", plan, context.databases["legacy"], context.databases["crm"], context)


def customers(database: OpenDatabase, rows: int, *, columns: str = "id integer primary key, name varchar(20)") -> None:
    database.execute(f"create table customers ({columns})")
    for number in range(1, rows + 1):
        database.execute("insert into customers (id, name) values (:id, :name)", id=number, name=f"name {number}")


def test_every_row_arrives_and_is_counted(source: OpenDatabase, target: OpenDatabase, context: FakeContext) -> None:
    customers(source, 25)
    customers(target, 0)
    report = migration(context, mapped("customers")).run()
    assert summary(report) | {"seconds": 0} == {
        "tables": {"customers": {"source": 25, "copied": 25, "rejected": 0}},
        "rows": 25,
        "rejected": 0,
        "seconds": 0,
    }
    assert target.rows("select * from customers order by id") == source.rows("select * from customers order by id")
    assert context.progressed == [(10, 25, "rows"), (20, 25, "rows"), (25, 25, "rows"), (25, 25, "rows")]


def test_a_second_run_copies_nothing_twice(source: OpenDatabase, target: OpenDatabase, context: FakeContext) -> None:
    customers(source, 25)
    customers(target, 0)
    migration(context, mapped("customers")).run()
    report = migration(context, mapped("customers")).run()
    assert (report.rows, target.scalar("select count(*) from customers")) == (25, 25)
    assert context.said == ["going on after 25 of 25 rows"]


def test_a_stop_keeps_finished_chunks_and_the_next_run_goes_on(
    source: OpenDatabase, target: OpenDatabase, context: FakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    customers(source, 35)
    customers(target, 0)
    told = FakeContext.progress

    def stop_after_two(self: FakeContext, done: int, total: int | None, unit: str, **figures: object) -> None:
        told(self, done, total, unit)
        self.stopped = "abort" if done == 20 else ""

    monkeypatch.setattr(FakeContext, "progress", stop_after_two)
    with pytest.raises(Stopped):
        migration(context, mapped("customers")).run()
    assert target.scalar("select count(*) from customers") == 20
    context.stopped = ""
    assert migration(context, mapped("customers")).run().rows == 35
    assert target.rows("select * from customers") == source.rows("select * from customers")


@pytest.mark.parametrize("rows", [0, 1])
def test_an_empty_table_and_one_row_are_no_special_cases(
    source: OpenDatabase, target: OpenDatabase, context: FakeContext, rows: int
) -> None:
    customers(source, rows)
    customers(target, 0)
    assert migration(context, mapped("customers")).run().rows == rows


def test_composite_and_text_keys_are_ranged_over_by_boundaries(
    source: OpenDatabase, target: OpenDatabase, context: FakeContext
) -> None:
    for database in (source, target):
        database.execute(
            "create table lines (customer text, line integer, note text, primary key (customer, line)) without rowid"
        )
    for customer in ("ágnes", "Bela", "bela", "ж", ""):
        for line in range(7):
            source.execute("insert into lines values (:c, :l, 'x')", c=customer, l=line)
    assert migration(context, mapped("lines", chunk_rows=3)).run().rows == 35
    assert target.scalar("select count(*) from changeover_chunk") == 12
    assert target.rows("select * from lines") == source.rows("select * from lines")


def test_columns_are_renamed_computed_mapped_and_set(source: OpenDatabase, target: OpenDatabase, context: FakeContext) -> None:
    source.execute("create table kunden (id integer primary key, mail text, vorname text, nachname text, status text, alt text)")
    source.execute("insert into kunden values (1, ' A@B.HU ', 'Éva', 'Kiss: 100%', 'active', 'x')")
    target.execute(
        "create table customers (id integer primary key, email text, full_name text, state text, greeting text,"
        " segment text not null)"
    )
    table = TableMapping(
        source="kunden",
        target="customers",
        columns={
            "email": ColumnMapping(source="mail", do=("trim", "lower")),
            "full_name": ColumnMapping(sql="nachname || ' :x ' || vorname -- and a comment"),
            "state": ColumnMapping(source="status", map={"active": "ACTIVE"}),
            "greeting": "vorname",
            "segment": ColumnMapping(value="fixed"),
        },
    )
    migration(context, mapped(table)).run()
    assert target.rows("select * from customers") == [
        {"id": 1, "email": "a@b.hu", "full_name": "Kiss: 100% :x Éva", "state": "ACTIVE", "greeting": "Éva", "segment": "fixed"}
    ]
    assert context.said == ["kunden: copied without alt (nothing in the target takes it)"]


def test_only_the_rows_of_where_are_copied(source: OpenDatabase, target: OpenDatabase, context: FakeContext) -> None:
    customers(source, 12)
    customers(target, 0)
    report = migration(context, mapped(TableMapping(source="customers", where="name <> 'name 5' and id % 2 = 1"))).run()
    assert report.rows == 5


def test_hostile_names_and_values_do_nothing(source: OpenDatabase, target: OpenDatabase, context: FakeContext) -> None:
    name = 'odd "table"; drop table x -- %s :y'
    quoted = '"' + name.replace('"', '""') + '"'
    for database in (source, target):
        with database.engine.begin() as connection:
            connection.exec_driver_sql(f'create table {quoted} ("select" integer primary key, "a b%" text)')
    with source.engine.begin() as connection:
        connection.exec_driver_sql(f"insert into {quoted} values (1, ?)", ("'); drop table x; --\t\\N\x1f\n",))  # noqa: S608 - quoted above
    migration(context, mapped(name)).run()
    with target.engine.connect() as connection:
        assert connection.exec_driver_sql(f"select * from {quoted}").all() == [(1, "'); drop table x; --\t\\N\x1f\n")]  # noqa: S608


def test_parents_come_before_children_by_the_target_s_foreign_keys(
    source: OpenDatabase, target: OpenDatabase, context: FakeContext
) -> None:
    customers(source, 3)
    customers(target, 0)
    source.execute("create table services (id integer primary key, customer_id integer)")
    source.execute("insert into services values (1, 1), (2, 3)")
    target.execute("create table services (id integer primary key, customer_id integer references customers (id))")
    report = migration(context, mapped("services", "customers")).run()
    assert list(report.tables) == ["customers", "services"]


def test_a_circle_of_references_is_spelled_out(source: OpenDatabase, target: OpenDatabase, context: FakeContext) -> None:
    for database in (source, target):
        database.execute("create table a (id integer primary key, b integer references b (id))")
        database.execute("create table b (id integer primary key, a integer references a (id))")
    with pytest.raises(MigrationRefused, match="in a circle: a -> b -> a; write `order:`"):
        migration(context, mapped("a", "b")).run()
    assert list(migration(context, replace(mapped("a", "b"), order=("b", "a"))).run().tables) == ["b", "a"]


def test_a_row_may_refer_to_one_of_its_own_table_that_comes_later(
    source: OpenDatabase, target: OpenDatabase, context: FakeContext
) -> None:
    for database in (source, target):
        database.execute("create table tree (id integer primary key, parent integer references tree (id))")
    for number in range(1, 14):
        source.execute("insert into tree values (:id, :parent)", id=number, parent=None if number == 13 else number + 1)
    assert migration(context, mapped("tree", chunk_rows=4)).run().rejected == 0
    assert target.rows("select * from tree") == source.rows("select * from tree")


def test_everything_that_does_not_fit_is_named_before_a_byte_moves(
    source: OpenDatabase, target: OpenDatabase, context: FakeContext
) -> None:
    source.execute("create table customers (id integer, name text)")
    target.execute("create table customers (id integer, name text, segment text not null, made text not null default 'x')")
    table = TableMapping(source="customers", columns={"nmae": ColumnMapping(), "name": ColumnMapping(source="nam")})
    with pytest.raises(MigrationRefused) as refused:
        migration(context, mapped(table)).run()
    assert refused.value.problems == (
        "table customers has no column nmae (did you mean name?)",
        "table customers column name: the source has no column nam (did you mean name?)",
        "table customers column segment must not be empty, has no default, and nothing fills it",
        (
            "table customers has no key in the source (customers): say `key: [column]` with columns that are unique and "
            "never empty, or give it a primary key"
        ),
    )
    assert target.scalar("select count(*) from sqlite_master where name like 'changeover%'") == 0


def test_a_key_that_is_shared_or_empty_is_refused(source: OpenDatabase, target: OpenDatabase, context: FakeContext) -> None:
    for database in (source, target):
        database.execute("create table t (a integer, b integer)")
    source.execute("insert into t values (1, 1), (1, 2), (null, 3)")
    with pytest.raises(MigrationRefused, match=r"no a in 1 row; .*several rows share the same a"):
        migration(context, mapped(TableMapping(source="t", key_columns=("a",)))).run()
    assert migration(context, mapped(TableMapping(source="t", key_columns=("b",)))).run().rows == 3


def test_a_missing_table_is_named_with_a_similar_one(source: OpenDatabase, target: OpenDatabase, context: FakeContext) -> None:
    customers(source, 1)
    with pytest.raises(TableMissing, match="database legacy has no table custmers") as missing:
        migration(context, mapped("custmers")).run()
    assert missing.value.hint == "did you mean customers?"


def dirty(source: OpenDatabase, target: OpenDatabase) -> None:
    source.execute("create table customers (id integer primary key, name text, born text, balance text)")
    target.execute(
        "create table customers (id integer primary key, name varchar(10) not null unique, born date,"
        " balance decimal(8,2) check (balance > 0))"
    )
    for number in range(1, 41):
        source.execute("insert into customers values (:id, :name, '2000-01-01', '1.50')", id=number, name=f"n{number}")
    source.execute("update customers set name = 'much too long' where id = 3")
    source.execute("update customers set name = null where id = 14")
    source.execute("update customers set born = '0000-00-00' where id = 15")
    source.execute("update customers set name = 'n1' where id = 20")
    source.execute("update customers set balance = '1.555' where id = 21")
    source.execute("update customers set balance = '-1' where id = 40")


def test_each_dirty_row_is_a_dead_letter_with_key_column_and_reason(
    source: OpenDatabase, target: OpenDatabase, context: FakeContext
) -> None:
    dirty(source, target)
    report = migration(context, mapped("customers", max_rejects=6)).run()
    assert (report.rows, report.rejected) == (34, 6)
    letters = target.rows("select row_key, column_name, reason from changeover_rejects order by chunk_no, row_key")
    assert {(row["row_key"], row["column_name"]) for row in letters} == {
        ("[3]", "name"),
        ("[14]", "name"),
        ("[15]", "born"),
        ("[20]", "name"),
        ("[21]", "balance"),
        ("[40]", "balance"),
    }
    raw = target.scalar("select raw_row from changeover_rejects where row_key = '[15]'")
    assert re.search(r'"born": "0000-00-00"', raw)


def test_more_dead_letters_than_allowed_fail_with_examples_and_keep_what_is_finished(
    source: OpenDatabase, target: OpenDatabase, context: FakeContext
) -> None:
    dirty(source, target)
    with pytest.raises(
        TooManyRejects, match=r"1 row was rejected, 0 allowed: customers 3 \(name\): 13 characters do not fit"
    ) as many:
        migration(context, mapped("customers")).run()
    assert "tries the rejected rows first" in many.value.hint
    assert target.scalar("select count(*) from customers") == 9


def test_rejected_rows_are_tried_again_once_their_source_is_corrected(
    source: OpenDatabase, target: OpenDatabase, context: FakeContext
) -> None:
    dirty(source, target)
    with pytest.raises(TooManyRejects):
        migration(context, mapped("customers")).run()
    source.execute(
        "update customers set name = 'c' || id, born = '2000-01-01', balance = '2' where id in (3, 14, 15, 20, 21, 40)"
    )
    report = migration(context, mapped("customers")).run()
    assert (report.rows, report.rejected) == (40, 0)
    assert target.scalar("select count(*) from changeover_rejects") == 0


def test_of_few_rows_a_part_is_fewer_than_a_number(source: OpenDatabase, target: OpenDatabase, context: FakeContext) -> None:
    dirty(source, target)  # 6 of 40
    plan = mapped("customers", max_rejects=10)
    with pytest.raises(TooManyRejects, match="6 rows were rejected, 5 allowed"):
        migration(context, replace(plan, max_reject_ratio=0.149)).run()
    assert migration(context, replace(plan, max_reject_ratio=0.15)).run().rejected == 6
    with pytest.raises(TooManyRejects, match="6 rows were rejected, 5 allowed"):
        migration(context, replace(mapped("customers", max_rejects=5), max_reject_ratio=1.0)).run()


def test_a_source_that_changed_meanwhile_is_found_out(source: OpenDatabase, target: OpenDatabase, context: FakeContext) -> None:
    dirty(source, target)
    with pytest.raises(TooManyRejects):
        migration(context, mapped("customers")).run()
    source.execute("insert into customers values (99, 'late', null, null)")
    with pytest.raises(RowsMissing, match="the source has 41 rows, 40 were read") as missing:
        migration(context, mapped("customers", max_rejects=6)).run()
    assert "frozen" in missing.value.hint


def test_rows_that_vanish_from_the_target_are_found_out(source: OpenDatabase, target: OpenDatabase, context: FakeContext) -> None:
    customers(source, 25)
    customers(target, 0)
    target.execute("create trigger thief after insert on customers when new.id = 7 begin delete from customers where id = 7; end")
    with pytest.raises(RowsMissing, match="25 written, 0 rejected, and the target holds 24"):
        migration(context, mapped("customers")).run()


def test_rows_that_others_write_meanwhile_are_not_taken_for_ours(
    source: OpenDatabase, target: OpenDatabase, context: FakeContext
) -> None:
    customers(source, 25)
    customers(target, 0)
    source.execute("delete from customers where id = 12")
    target.execute("insert into customers values (12, 'mobile')")
    target.execute(
        "create trigger other after insert on customers when new.id = 7 begin insert into customers values (900, 'x'); end"
    )
    assert migration(context, mapped("customers")).run().rows == 24
    target.execute("delete from customers where id = 3")
    assert undo(context, mapped("customers")).run() == {"customers": 23}
    assert [row["id"] for row in target.rows("select id from customers")] == [12, 900]


def test_text_that_is_not_utf_8_is_a_dead_letter_and_does_not_stop_the_rest(
    source: OpenDatabase, target: OpenDatabase, context: FakeContext
) -> None:
    customers(source, 15)
    customers(target, 0)
    source.execute("update customers set name = cast(x'41ff42' as text) where id = 4")
    report = migration(context, mapped("customers", max_rejects=1)).run()
    assert (report.rows, report.rejected) == (14, 1)
    assert target.scalar("select reason from changeover_rejects") == "text is not valid UTF-8"


def test_another_mapping_does_not_go_on_where_the_first_stopped(
    source: OpenDatabase, target: OpenDatabase, context: FakeContext
) -> None:
    customers(source, 5)
    customers(target, 0)
    migration(context, mapped("customers")).run()
    with pytest.raises(MappingChanged, match="table customers"):
        migration(context, mapped(TableMapping(source="customers", where="id > 1"))).run()
    assert migration(context, mapped("customers", chunk_rows=999, max_rejects=9)).run().rows == 5


def test_undo_of_a_table_that_was_empty_empties_it(source: OpenDatabase, target: OpenDatabase, context: FakeContext) -> None:
    customers(source, 25)
    customers(target, 0)
    migration(context, mapped("customers")).run()
    assert undo(context, mapped("customers")).run() == {"customers": 25}
    assert target.scalar("select count(*) from customers") == 0
    assert undo(context, mapped("customers")).run() == {"customers": 0}
    with pytest.raises(AlreadyUndone):
        migration(context, mapped("customers")).run()


def test_undo_by_ranges_leaves_rows_that_were_there(source: OpenDatabase, target: OpenDatabase, context: FakeContext) -> None:
    customers(source, 25)
    customers(target, 0)
    target.execute("insert into customers values (1000, 'mobile')")
    migration(context, mapped("customers")).run()
    assert target.scalar("select undo_by from changeover_migration") == "ranges"
    assert undo(context, mapped("customers")).run() == {"customers": 25}
    assert target.rows("select * from customers") == [{"id": 1000, "name": "mobile"}]


def test_undo_by_keys_leaves_rows_that_stand_between_ours(
    source: OpenDatabase, target: OpenDatabase, context: FakeContext
) -> None:
    customers(source, 25)
    customers(target, 0)
    source.execute("delete from customers where id = 12")
    target.execute("insert into customers values (12, 'mobile'), (13, 'taken')")
    report = migration(context, mapped("customers", max_rejects=1)).run()
    assert (report.rows, report.rejected) == (23, 1)
    target.execute("insert into customers values (500, 'written since')")
    assert undo(context, mapped("customers")).run() == {"customers": 23}
    assert [row["id"] for row in target.rows("select id from customers order by id")] == [12, 13, 500]


def test_undo_never_deletes_what_somebody_else_wrote_since(
    source: OpenDatabase, target: OpenDatabase, context: FakeContext
) -> None:
    customers(source, 5)
    customers(target, 0)
    migration(context, mapped("customers")).run()
    target.execute("insert into customers values (77, 'a new customer')")
    with pytest.raises(ForeignRows, match="at least 1 came from elsewhere since"):
        undo(context, mapped("customers")).run()
    assert target.scalar("select count(*) from customers") == 6


def test_undo_names_the_rows_that_refer_to_ours(source: OpenDatabase, target: OpenDatabase, context: FakeContext) -> None:
    customers(source, 5)
    customers(target, 0)
    migration(context, mapped("customers")).run()
    with target.engine.begin() as connection:
        connection.exec_driver_sql("create table orders (id integer primary key, customer integer references customers (id))")
        connection.exec_driver_sql("insert into orders values (1, 3)")
    with pytest.raises(UndoFailed, match="other rows refer to them"):
        undo(context, mapped("customers")).run()


def test_undo_of_a_half_finished_migration_takes_back_what_there_is(
    source: OpenDatabase, target: OpenDatabase, context: FakeContext
) -> None:
    dirty(source, target)
    with pytest.raises(TooManyRejects):
        migration(context, mapped("customers")).run()
    assert undo(context, mapped("customers")).run() == {"customers": 9}


def test_undo_before_anything_began_keeps_a_late_worker_from_writing(
    source: OpenDatabase, target: OpenDatabase, context: FakeContext
) -> None:
    customers(source, 5)
    customers(target, 0)
    assert undo(context, mapped("customers")).run() == {}
    with pytest.raises(AlreadyUndone):
        migration(context, mapped("customers")).run()
    assert target.scalar("select count(*) from customers") == 0


def test_a_filled_table_without_anything_to_tell_rows_apart_is_refused(
    source: OpenDatabase, target: OpenDatabase, context: FakeContext
) -> None:
    customers(source, 5)
    target.execute("create table customers (number integer primary key autoincrement, name text)")
    target.execute("insert into customers (name) values ('mobile')")
    with pytest.raises(MigrationRefused, match="nothing would tell the copied ones apart"):
        migration(context, mapped("customers")).run()


def test_counters_go_on_after_the_highest_key_and_come_back_with_undo(
    source: OpenDatabase, target: OpenDatabase, context: FakeContext
) -> None:
    customers(source, 25)
    customers(target, 0, columns="id integer primary key autoincrement, name text")
    plan = replace(mapped("customers"), sequences=Sequences(headroom=100))
    migration(context, plan).run()
    assert target.scalar("select seq from sqlite_sequence where name = 'customers'") == 125
    undo(context, plan).run()
    assert target.scalar("select count(*) from sqlite_sequence where name = 'customers'") == 0


def test_counters_stay_where_they_are_when_told_so(source: OpenDatabase, target: OpenDatabase, context: FakeContext) -> None:
    customers(source, 3)
    customers(target, 0, columns="id integer primary key autoincrement, name text")
    migration(context, replace(mapped("customers"), sequences=Sequences(reset=False))).run()
    assert target.scalar("select seq from sqlite_sequence where name = 'customers'") == 3


def test_two_tables_into_one_are_refused(source: OpenDatabase, target: OpenDatabase, context: FakeContext) -> None:
    customers(source, 3)
    customers(target, 0)
    with pytest.raises(MigrationRefused, match="customers is filled twice"):
        migration(context, mapped("customers", "customers")).run()


def test_the_table_s_text_policy_comes_before_the_step_s(
    source: OpenDatabase, target: OpenDatabase, context: FakeContext
) -> None:
    customers(source, 1)
    customers(target, 0)
    table = TableMapping(source="customers", text=TextPolicy(nul="strip"))
    assert migration(context, mapped(table)).run().rows == 1
