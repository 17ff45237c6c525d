"""Looking at what has arrived while the load goes on: nothing that is right is called wrong, and what is wrong stops it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from changeover.testing import FakeClock, FakeContext
from changeover.transfer.copying import Migration
from changeover.transfer.databases import OpenDatabase
from changeover.transfer.mapping import Mapped, TableMapping
from changeover.transfer.reconcile.between_chunks import ArrivedDifferently, CheapLook

Opener = Callable[[str, str], OpenDatabase]

COLUMNS = "id bigint primary key, name varchar(40), money decimal(12,2), kind char(4), day date, note text"
SYSTEMS = [("mariadb", "postgresql"), ("postgresql", "mariadb"), ("mariadb", "sqlite"), ("sqlite", "postgresql")]


@pytest.fixture
def pair(opened: Opener, request: pytest.FixtureRequest) -> tuple[OpenDatabase, OpenDatabase]:
    source, target = (opened(system, name) for system, name in zip(request.param, ("legacy", "crm"), strict=True))
    for database in (source, target):
        options = " character set utf8mb4" if database.engine.dialect.name == "mysql" else ""
        database.execute(f"create table t ({COLUMNS}){options}")
    for number in range(1, 101):
        values = {
            "id": number,
            "name": f"Ő{number}" if number % 3 else None,
            "money": number * 1.25,
            "day": "2024-02-29" if number % 2 else None,
        }
        source.execute("insert into t values (:id, :name, :money, 'ab', :day, '')", **values)
    return source, target


def copied(pair: tuple[OpenDatabase, OpenDatabase], look: CheapLook) -> int:
    mapped = Mapped((TableMapping(source="t"),), chunk_rows=20, max_rejects=5)
    return Migration("run/copy", mapped, *pair, FakeContext(), look).run().rows


@pytest.mark.parametrize("pair", SYSTEMS, ids="-".join, indirect=True)
def test_what_arrives_as_it_was_sent_is_left_alone(pair: tuple[OpenDatabase, OpenDatabase]) -> None:
    look = CheapLook(FakeClock())  # on which no time passes: every chunk is looked at
    assert copied(pair, look) == 100
    assert look.summary == "5 of 5 chunks compared while the load went on"


@pytest.mark.parametrize("pair", SYSTEMS[:1], ids="-".join, indirect=True)
@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("new.money := new.money + 1", "the sum of money is"),
        ("new.name := new.name || '!'", "the length of all name is"),
        ("new.day := null", "the number of values of day is"),
    ],
)
def test_a_trigger_that_changes_rows_is_found_in_the_first_chunk(
    pair: tuple[OpenDatabase, OpenDatabase], body: str, what: str
) -> None:
    pair[1].execute(
        f"create function spoil() returns trigger language plpgsql as $$ begin {body.replace(':=', '=')}; return new; end $$"
    )
    pair[1].execute("create trigger spoil before insert on t for each row execute function spoil()")
    with pytest.raises(ArrivedDifferently, match=f"table t, keys after 0 up to 20: {what}"):
        copied(pair, CheapLook(FakeClock()))
    assert pair[1].scalar("select count(*) from t") == 20


@pytest.mark.parametrize("pair", SYSTEMS[:1], ids="-".join, indirect=True)
def test_a_trigger_that_drops_rows_is_found_in_the_first_chunk(pair: tuple[OpenDatabase, OpenDatabase]) -> None:
    body = "begin if new.id = 7 then return null; end if; return new; end"
    pair[1].execute(f"create function spoil() returns trigger language plpgsql as $$ {body} $$")
    pair[1].execute("create trigger spoil before insert on t for each row execute function spoil()")
    with pytest.raises(ArrivedDifferently, match=r"the number of rows is 20 in the source and 19 \(20 written, 0 dead letters\)"):
        copied(pair, CheapLook(FakeClock()))


class SlowClock(FakeClock):
    """Every look at it takes a second."""

    def monotonic(self) -> float:
        self.advance(1)
        return super().monotonic()


@pytest.mark.parametrize("pair", SYSTEMS[3:], ids="-".join, indirect=True)
def test_looking_takes_no_more_of_the_time_than_it_may(pair: tuple[OpenDatabase, OpenDatabase]) -> None:
    look = CheapLook(SlowClock(), share=0.25)
    copied(pair, look)
    assert look.looked + look.passed_over == 5
    assert 1 <= look.looked < 5
