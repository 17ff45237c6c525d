from __future__ import annotations

import pickle
import socket
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from changeover.runbook.systems import DatabaseEntry
from changeover.secrets import SecretMissing
from changeover.transfer.databases import (
    DatabaseAddressWrong,
    DatabaseUnknown,
    DatabaseUnreachable,
    DriverMissing,
    OpenDatabase,
    SecretNotSent,
    StatementFailed,
    open_database,
    reason,
)


def test_values_are_bound_and_never_part_of_the_statement(source: OpenDatabase) -> None:
    source.execute("create table people (name text)")
    hostile = "x'); drop table people; --"
    assert source.execute("insert into people values (:name)", name=hostile) == 1
    assert source.rows("select name from people where name = :name", name=hostile) == [{"name": hostile}]
    assert source.scalar("select count(*) from people") == 1


def test_a_scalar_of_no_row_is_none(source: OpenDatabase) -> None:
    assert source.scalar("select 1 where 1 = 0") is None


def test_a_refused_statement_names_the_database_and_the_reason(source: OpenDatabase) -> None:
    with pytest.raises(StatementFailed, match=r"database legacy: no such table: nowhere \(in: select \* from nowhere\)"):
        source.rows("select *\n  from nowhere")


def test_a_failed_statement_changes_nothing(source: OpenDatabase) -> None:
    source.execute("create table people (id integer primary key)")
    source.execute("insert into people values (1)")
    with pytest.raises(StatementFailed, match="UNIQUE"):
        source.execute("insert into people values (2), (1)")
    assert source.scalar("select count(*) from people") == 1


def test_a_missing_file_is_an_unknown_database_and_is_not_created(tmp_path: Path) -> None:
    database = open_database("crm", DatabaseEntry(url="sqlite:///nowhere.db"), "", base=tmp_path)
    with pytest.raises(DatabaseUnknown, match=r"database crm: there is no file .*nowhere\.db"):
        database.scalar("select 1")
    assert not (tmp_path / "nowhere.db").exists()


@pytest.mark.parametrize("system", ["postgresql", "mysql"])
def test_a_closed_port_is_unreachable_and_shows_no_password(system: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        database = open_database("crm", DatabaseEntry(url=f"{system}://crm@127.0.0.1:{port}/crm"), "s3cret-word")
        with pytest.raises(DatabaseUnreachable, match=f"database crm does not answer at 127.0.0.1:{port}") as refused:
            database.scalar("select 1")
    assert "s3cret-word" not in str(refused.value) + refused.value.hint


@pytest.mark.parametrize(("url", "why"), [("no url", "cannot be read"), ("klingon://x/y", "no database system called 'klingon'")])
def test_a_url_that_cannot_be_used_says_why(url: str, why: str) -> None:
    with pytest.raises(DatabaseAddressWrong, match=why) as wrong:
        open_database("crm", DatabaseEntry(url=url), "")
    assert "mysql+pymysql://crm@db-1/crm" in wrong.value.hint


def test_a_missing_driver_is_named_with_its_cure() -> None:
    with pytest.raises(DriverMissing, match="needs the driver oracledb") as missing:
        open_database("crm", DatabaseEntry(url="oracle://x@y/z"), "")
    assert "pip install oracledb" in missing.value.hint


def test_plain_urls_get_the_drivers_that_are_installed() -> None:
    for written, driver in (("mysql://u@h/d", "pymysql"), ("mariadb://u@h/d", "pymysql"), ("postgres://u@h/d", "psycopg")):
        database = open_database("x", DatabaseEntry(url=written), "p")
        assert database.engine.dialect.driver == driver
        database.close()


def test_the_password_is_not_in_the_engine_s_words() -> None:
    database = open_database("x", DatabaseEntry(url="postgresql://u@h/d"), "s3cret-word")
    assert "s3cret-word" not in repr(database.engine)
    database.close()


def test_a_reason_is_one_line_without_the_driver_s_wrapping() -> None:
    error = sa.exc.OperationalError("select 1", {}, Exception(1234, "went\n  wrong"))
    assert reason(error) == "went wrong"


def test_a_database_passes_through_other_hands_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = DatabaseEntry("postgresql://crm@db-1:5433/crm", "env:CRM_PASSWORD", {"sslmode": "require"})
    opened = open_database("crm", entry, "pa:ss/w0rd")
    assert opened.address is not None
    reference = opened.address.by_reference()
    for words in (repr(reference), pickle.dumps(reference).decode("latin-1")):
        assert "w0rd" not in words
        assert "db-1:5433" in words
    monkeypatch.setenv("CRM_PASSWORD", "pa:ss/w0rd")
    there = reference.open()
    assert there.address == replace(opened.address, password="")
    monkeypatch.delenv("CRM_PASSWORD")
    with pytest.raises(SecretMissing, match="CRM_PASSWORD"):
        reference.open()
    for database in (opened, there):
        database.close()


def test_a_password_that_is_no_reference_is_not_passed_on() -> None:
    opened = open_database("crm", DatabaseEntry(url="postgresql://crm@db-1/crm"), "secret")
    assert opened.address is not None
    with pytest.raises(SecretNotSent, match="no password is sent through a cluster"):
        opened.address.by_reference()
    opened.close()
