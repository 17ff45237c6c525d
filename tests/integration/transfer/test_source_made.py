"""What MariaDB makes of a value is what Python makes of it, whatever character it has; of any other it says so."""

# ruff: noqa: S608 - the expressions are our own

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import pytest
import sqlalchemy as sa

from changeover.transfer.blocks import Block, BlockForm, Refused, block_form, block_reader
from changeover.transfer.changes import Unfit, changes_of, in_order
from changeover.transfer.chunks import Range
from changeover.transfer.databases import OpenDatabase
from changeover.transfer.encoding import copied_text
from changeover.transfer.fitting import Target, fit
from changeover.transfer.mapping import Change, ColumnMapping, Mapped, TableMapping
from changeover.transfer.mariadb import Mariadb
from changeover.transfer.paths import path_of
from changeover.transfer.planning import Feed, Side, TablePlan, plan_tables
from changeover.transfer.postgresql import Postgresql
from changeover.transfer.reading import Reader
from changeover.transfer.sessions import session
from changeover.transfer.shapes import Column, Sort
from changeover.transfer.source_made import made_by_source

Opener = Callable[[str, str], OpenDatabase]

OLD: Final = """create table t (id integer not null primary key, name varchar(20), turkish varchar(20) collate utf8mb4_turkish_ci,
    latin varchar(20) character set latin2, old varchar(20) character set utf8mb3, kind enum('a','B','ő',''),
    padded char(9), number bigint unsigned, bits bit(6), born date) character set utf8mb4"""
NEW: Final = """create table t (id integer primary key, name varchar(7), turkish text, latin varchar(7), old text,
    kind varchar(3), padded text, number numeric(20), bits integer, born date)"""
DO: Final[tuple[Change, ...]] = ("trim", "lower", "upper", "zero_date_to_null", "empty_to_null")
TEXTS: Final = (
    "",
    " ",
    "a",
    "A ",
    " ő",
    "a\t",
    "0000-00-00",
    "0000-00-00x",
    "İ",
    "ß",
    "ΑΣ",
    "\u00a0b",
    "ab\n",
    "\x1d\x1d",
    "I",
    "\u0131",
)
LETTERS: Final = (
    "aAzZ IőŐéÉ\u00ff\u00b5ß\u0130\u0131\u0149\u017f\u03a3\u1e9e\u01c5\u212a\U0001f600\u00a0\u2003\u3000\t\n\x1c\x1f\x00\\'\""
)


@pytest.fixture
def sides(opened: Opener) -> Iterator[tuple[Side, Side]]:
    legacy, crm = opened("mariadb", "legacy"), opened("postgresql", "crm")
    legacy.execute(OLD)
    crm.execute(NEW)
    with session(legacy, Mariadb()) as near, session(crm, Postgresql()) as far:
        yield Side(legacy, Mariadb(), near), Side(crm, Postgresql(), far)


def feed_of(mapping: ColumnMapping, source: Column, target: Column) -> Feed:
    last = fit(None, target, Target("postgresql", "reject"), source_dialect="mysql")
    assert last is not None
    convert = in_order([*changes_of(mapping), last])
    return Feed(target, source, source.name, None, convert, required=False, mapping=mapping, fits=last)


@pytest.mark.parametrize(
    ("do", "around"),
    [
        (("trim",), "{}"),
        (("trim",), " {}a"),
        (("trim",), "a{} "),
        (("lower",), "A{}B"),
        (("upper",), "a{}b"),
        (("trim", "lower"), "{}B"),
        (("upper", "trim"), "a{}"),
    ],
)
def test_of_every_character_the_source_makes_what_python_makes(opened: Opener, do: tuple[Change, ...], around: str) -> None:
    column = Column("x", Sort.TEXT, "text", utf8=True)
    mapping = ColumnMapping(do=do)
    made = made_by_source(feed_of(mapping, column, column), "x", ("x", ""))
    assert made is not None
    usual = around.strip()  # what it becomes, mostly
    value, usually = (
        "CONCAT('{}', CONVERT(CHAR(seq USING utf32) USING utf8mb4), '{}')".format(*text.split("{}")) for text in (around, usual)
    )
    every = (
        f"(SELECT seq, {value} AS x, {usually} AS usual FROM seq_1_to_1114111 WHERE seq NOT BETWEEN 0xd800 AND 0xdfff) AS every"
    )
    other = f"CAST({made.expression} AS BINARY) <> CAST(usual AS BINARY)"
    with session(opened("mariadb", "legacy"), Mariadb()) as connection:
        connection.exec_driver_sql("SET SESSION group_concat_max_len = 16000000")
        safe = connection.exec_driver_sql(f"SELECT GROUP_CONCAT(seq) FROM {every} WHERE {made.safe}").scalar_one()
        changed = connection.exec_driver_sql(f"SELECT seq, {made.expression} FROM {every} WHERE {made.safe} AND {other}").all()
    found: Mapping[int, str] = dict(changed)
    change = in_order(changes_of(mapping))
    assert change is not None
    safely = [int(number) for number in safe.split(",")]
    assert set(range(0x20, 0x7F)) | {ord(letter) for letter in "áÁőŐüŰłŻ"} <= {*safely}
    wrong = [n for n in safely if found.get(n, usual.format(chr(n))) != change(around.format(chr(n)))]
    assert [hex(number) for number in wrong] == []
    if do == ("trim",):
        assert len(safely) > 1_111_900  # a few spaces are left to Python, and nothing else


def one_mapping(dice: random.Random, values: Sequence[Any], words: Sequence[str]) -> ColumnMapping:
    """Something to do, and a map that names some of the values as they are then, and other words."""
    do = tuple(dice.choices(DO, k=dice.randrange(4)))
    change = in_order(changes_of(ColumnMapping(do=do)))
    met = [str(value if change is None else change(value)) for value in values if value is not None]
    made: tuple[Any, ...] = ("x", "", " y ", None, "too long for it", 5, "ő\t", True)
    table = {dice.choice([*met, dice.choice(words)]): dice.choice(made) for _ in range(dice.randrange(5))}
    return ColumnMapping(do=do, map=table if dice.random() < 0.7 else {}, unmapped=dice.choice(["reject", "keep", "null"]))


def one_text(dice: random.Random) -> str | None:
    if dice.random() < 0.15:
        return None
    return dice.choice(TEXTS) if dice.random() < 0.4 else "".join(dice.choices(LETTERS, k=dice.randrange(7)))


def some_values(dice: random.Random, column: str) -> list[Any]:
    count = dice.randrange(1, 6)
    match column:
        case "number":
            return [dice.choice([None, 0, 1, 7, 2**63, 2**64 - 1]) for _ in range(count)]
        case "bits":
            return [dice.choice([None, 0, 1, 7, 63]) for _ in range(count)]
        case "born":
            return [dice.choice([None, "0000-00-00", "2024-02-29"]) for _ in range(count)]
        case "kind":
            return [dice.choice([None, "a", "B", "ő", ""]) for _ in range(count)]
        case _:
            return [one_text(dice) for _ in range(count)]


def stored(connection: sa.Connection, column: str, values: Sequence[Any]) -> None:
    connection.exec_driver_sql("DELETE FROM t")
    # IGNORE: what latin2 and utf8mb3 do not have is a question mark
    rows = [{"id": number, "value": value} for number, value in enumerate(values)]
    connection.exec_driver_sql(f"INSERT IGNORE INTO t (id, {column}) VALUES (%(id)s, %(value)s)", rows)


def by_rows(plan: TablePlan, form: BlockForm, connection: sa.Connection) -> bytes | None:
    """What the row path would send; None when it refuses a value."""
    (rows,) = Reader(connection, plan).batches(Range(None, None))
    columns = {}
    for place, feed in enumerate(plan.feeds):
        read = [row[place] for row in rows]
        try:
            columns[feed.target.name] = [
                value if value is None or feed.convert is None else feed.convert(value) for value in read
            ]
        except Unfit:
            return None
    return copied_text([columns[name] for name in form.names], len(rows))


def test_blocks_that_the_source_makes_are_what_the_row_path_sends_or_are_left_to_it(sides: tuple[Side, Side]) -> None:
    near, far = sides
    seed = random.randrange(10**9)  # noqa: S311 - data
    dice = random.Random(seed)  # noqa: S311
    (whole,) = plan_tables(Mapped((TableMapping("t"),)), near, far)
    fed = {feed.target.name: feed for feed in whole.feeds}
    told = {"sent": 0, "in doubt": 0, "aside": 0, "here": 0}
    for turn in range(1_200):
        column = dice.choice([name for name in fed if name != "id"])
        words = ("0", "1", "7", "01", "-1", str(2**64 - 1), "9" * 30) if column in {"number", "bits"} else TEXTS
        values = some_values(dice, column)
        mapping = one_mapping(dice, values, words)
        source = fed[column].source
        if source is None or not (mapping.do or mapping.map):
            continue
        feed = feed_of(mapping, source, fed[column].target)
        stored(near.connection, column, values)
        plan = replace(whole, feeds=(fed["id"], replace(feed, expression=fed[column].expression)))
        form = block_form(plan, near.connection.dialect, frozenset())
        assert isinstance(form, BlockForm), (seed, turn)
        told["here"] += bool(form.made)
        told["aside"] += any(field.safe for field in form.fields)
        expected = by_rows(plan, form, near.connection)
        found = block_reader(Reader(near.connection, plan), form).read(Range(None, None))
        near.connection.rollback()
        why = (seed, turn, column, mapping, values)
        if isinstance(found, Block):
            told["sent"] += 1
            numbers = column in {"number", "bits", "born"}  # of these PostgreSQL says what does not fit
            assert found == Block(len(values), expected or b"") or (expected is None and numbers), why
        else:
            told["in doubt"] += 1
            odd = any(isinstance(value, str) and set(value) & set("\x00\x1d\x1e\x1f") for value in values)
            assert found is Refused.IN_DOUBT, why
            assert expected is None or odd, why
    assert told["sent"] > 300, told
    assert told["in doubt"] > 100, told
    assert told["aside"] > 100, told
    assert told["here"] < 100, told


def test_it_is_said_who_makes_what(sides: tuple[Side, Side]) -> None:
    near, far = sides
    columns = {
        "name": ColumnMapping(do=("trim", "lower")),
        "kind": ColumnMapping(map={"a": "A"}, unmapped="keep"),
        "bits": ColumnMapping(source="name", map={"a": 1}, unmapped="keep"),
    }
    (plan,) = plan_tables(Mapped((TableMapping("t", columns=columns),)), near, far)
    path = path_of(plan, near, far, keeps_keys=False)
    assert path.words == (
        "t: in blocks that the source joins; made there: name, kind; made here: name where its letters are rare, bits"
    )
