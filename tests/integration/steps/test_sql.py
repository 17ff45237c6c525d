from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from changeover.contracts import Found
from changeover.errors import Stopped, Unclear
from changeover.runbook.systems import DatabaseEntry
from changeover.steps.marker import FencedOff, Marker, make_table
from changeover.steps.transaction import NotAsExpected
from changeover.testing import FakeContext
from changeover.transfer.databases import StatementFailed, open_database

SLEEP = {"postgresql": "select pg_sleep(20)", "mysql": "select sleep(20)"}
KILL = {"postgresql": "select pg_terminate_backend(:session)", "mysql": "kill :session"}
SESSION = {"postgresql": "select pg_backend_pid()", "mysql": "select connection_id()"}


@pytest.fixture(params=["fresh_postgresql_url", "fresh_mariadb_url"])
def crm(request: Any, context: FakeContext) -> Iterator[Any]:
    url = sa.make_url(request.getfixturevalue(request.param))
    password = str(url.password or "")
    database = open_database("crm", DatabaseEntry(url.set(password=None).render_as_string()), password)
    with database.engine.begin() as connection:
        connection.execute(sa.text("create table customer (id integer primary key, name varchar(40), paid numeric(10, 2))"))
        connection.execute(sa.text("insert into customer values (1, 'Kovács', 1.50), (2, 'Шевченко', 2), (3, null, null)"))
    context.databases = {"crm": database}
    yield database
    database.close()


def count(crm: Any) -> Any:
    return crm.scalar("select count(*) from customer")


def test_values_are_bound_and_rows_come_back_plain(bound: Any, context: FakeContext, crm: Any) -> None:
    sql = bound("sql", "{on: crm, run: 'select id, name, paid from customer where name = :name', values: {name: Шевченко}}")
    assert sql.run(context).output == [{"id": 2, "name": "Шевченко", "paid": 2}]


def test_too_many_affected_rows_are_rolled_back(bound: Any, context: FakeContext, crm: Any) -> None:
    with pytest.raises(NotAsExpected, match="3 rows would change"):
        bound("sql", "{on: crm, run: delete from customer, expect: {affected_at_most: 1}}").run(context)
    assert count(crm) == 3


def test_all_statements_or_none(bound: Any, context: FakeContext, crm: Any) -> None:
    with pytest.raises(StatementFailed):
        bound("sql", "{on: crm, run: ['delete from customer', 'delete from no_such_table']}").run(context)
    assert count(crm) == 3
    bound("sql", "{on: crm, run: ['delete from customer where id = 1', 'delete from customer where id = 2']}").run(context)
    assert count(crm) == 1


def test_a_stop_cancels_the_statement_at_the_server(bound: Any, context: FakeContext, crm: Any) -> None:
    backend = crm.engine.dialect.name

    def stop() -> None:
        context.stopped = "abort"
        for action in context.on_stopping:
            action()

    threading.Timer(0.5, stop).start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        bound("sql", f"{{on: crm, run: ['delete from customer', '{SLEEP[backend]}']}}").run(context)  # noqa: S608 - the test's own
    assert time.monotonic() - began < 5
    assert count(crm) == 3


def test_a_connection_lost_while_something_changes_is_unclear(bound: Any, context: FakeContext, crm: Any) -> None:
    backend = crm.engine.dialect.name
    marked = sa.create_engine(crm.engine.url)

    def kill() -> None:
        with marked.connect() as connection:
            own = connection.scalar(sa.text(SESSION[backend]))
            sessions = {
                "postgresql": "select pid from pg_stat_activity where query like '%pg_sleep%' and datname = current_database()",
                "mysql": "select id from information_schema.processlist where info like 'select sleep%' and db = database()",
            }
            for (session,) in connection.execute(sa.text(sessions[backend])).all():
                if session != own:
                    connection.execute(sa.text(KILL[backend]), {"session": session})

    killer = threading.Timer(0.5, kill)
    killer.start()
    try:
        with pytest.raises(Unclear, match="the connection was lost"):
            bound("sql", f"{{on: crm, run: ['delete from customer', '{SLEEP[backend]}']}}").run(context)  # noqa: S608 - the test's own
    finally:
        killer.join()
        marked.dispose()
    assert count(crm) == 3


# the marker row

MARKED = "{on: crm, marker: true, run: 'delete from customer where id = 1'}"


def test_a_marker_tells_that_it_happened_with_its_output(bound: Any, context: FakeContext, crm: Any) -> None:
    step = bound("sql", MARKED)
    done = step.run(context)
    found = step.probe(context)
    assert (found.found, found.output) == (Found.DONE, done.output)
    assert count(crm) == 2


def test_what_left_no_marker_did_not_happen_and_can_no_longer(bound: Any, context: FakeContext, crm: Any) -> None:
    step = bound("sql", MARKED)
    assert step.probe(context).found is Found.CLEAN
    with pytest.raises(FencedOff):
        step.run(context)  # a request that was on its way all the time
    assert count(crm) == 3
    assert step.probe(context).found is Found.CLEAN
    context.attempt = 2
    step.run(context)
    assert count(crm) == 2


def test_what_was_rolled_back_left_no_marker(bound: Any, context: FakeContext, crm: Any) -> None:
    step = bound("sql", "{on: crm, marker: true, run: delete from customer, expect: {affected_at_most: 1}}")
    with pytest.raises(NotAsExpected):
        step.run(context)
    assert step.probe(context).found is Found.CLEAN


def test_a_transaction_that_is_still_open_is_in_progress_and_then_known(bound: Any, context: FakeContext, crm: Any) -> None:
    step = bound("sql", MARKED)
    make_table(crm.engine)
    with crm.engine.connect() as connection:
        Marker.of(context, "crm").begin(connection)
        assert step.probe(context).found is Found.IN_PROGRESS
        Marker.of(context, "crm").end(connection, {"affected": 0})
        connection.commit()
    assert step.probe(context).found is Found.DONE


def test_a_part_that_the_database_committed_by_itself_is_a_part(bound: Any, context: FakeContext, crm: Any) -> None:
    step = bound("sql", "{on: crm, marker: true, run: ['create table more (id integer)', 'delete from no_such_table']}")
    with pytest.raises(StatementFailed):
        step.run(context)
    by_itself = crm.engine.dialect.name == "mysql"
    assert step.probe(context).found is (Found.PARTIAL if by_itself else Found.CLEAN)


def test_after_a_connection_that_was_lost_in_the_middle_the_marker_decides(bound: Any, context: FakeContext, crm: Any) -> None:
    backend = crm.engine.dialect.name
    make_table(crm.engine)
    other = sa.create_engine(crm.engine.url)
    connection = other.connect()
    own = connection.scalar(sa.text(SESSION[backend]))
    Marker.of(context, "crm").begin(connection)
    with crm.engine.begin() as killer:
        killer.execute(sa.text(KILL[backend]), {"session": own})
    assert bound("sql", MARKED).probe(context).found is Found.CLEAN
    connection.connection.driver_connection.close()  # type: ignore[union-attr]
    connection.invalidate()
    other.dispose()
