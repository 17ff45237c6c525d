"""Real servers refuse in their own words; a person reads ours."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from changeover.runbook.systems import DatabaseEntry
from changeover.testing import FakeContext
from changeover.transfer.copying import Migration
from changeover.transfer.databases import (
    DatabaseForbidden,
    DatabaseRefusedLogin,
    DatabaseUnknown,
    OpenDatabase,
    StatementFailed,
    open_database,
)
from changeover.transfer.examining import examine
from changeover.transfer.failing import CopyFailed
from changeover.transfer.mapping import Mapped, TableMapping
from changeover.transfer.planning import MigrationRefused


@pytest.fixture(params=["postgresql_url", "mariadb_url"])
def url(request: pytest.FixtureRequest) -> sa.URL:
    return sa.make_url(request.getfixturevalue(request.param))


def opened(url: sa.URL, password: str) -> OpenDatabase:
    return open_database("crm", DatabaseEntry(url=url.set(password=None).render_as_string()), password)


def test_the_right_password_lets_us_in(url: sa.URL) -> None:
    database = opened(url, url.password or "")
    assert database.scalar("select :a + 1", a=1) == 2
    database.close()


def test_a_wrong_password_is_a_refused_login_and_is_not_shown(url: sa.URL) -> None:
    database = opened(url, "wr0ng-w0rd")
    with pytest.raises(DatabaseRefusedLogin, match=f"database crm refuses the login of {url.username}") as refused:
        database.scalar("select 1")
    assert "wr0ng-w0rd" not in f"{refused.value} {refused.value.hint}"


def test_an_unknown_database_is_named(url: sa.URL) -> None:
    database = opened(url.set(database="nowhere"), url.password or "")
    with pytest.raises(DatabaseUnknown, match="database crm: there is no database nowhere"):
        database.scalar("select 1")


def test_who_lacks_a_right_is_told_which_and_not_that_something_is_missing(url: sa.URL, tmp_path: Path) -> None:
    crm = opened(url, url.password or "")
    schema = "public" if crm.engine.dialect.name == "postgresql" else "weak_tables"
    if schema == "public":
        crm.execute("create role weak login password 'pw'")
        crm.execute(f"revoke connect on database {url.database} from public")
    else:
        crm.execute("create user weak identified by 'pw'")
        crm.execute("create database weak_tables")
    try:
        crm.execute(f"create table {schema}.t (id bigint primary key)")
        crm.execute(f"grant select on {schema}.t to weak")
        weak = opened(url.set(username="weak"), "pw")
        with pytest.raises(DatabaseForbidden, match=f"database crm does not let weak into {url.database}"):
            weak.scalar("select 1")
        if schema == "public":
            crm.execute(f"grant connect on database {url.database} to weak")
        else:
            weak = opened(url.set(username="weak", database=schema), "pw")
        legacy = open_database("legacy", DatabaseEntry(url=f"sqlite:///{tmp_path / 'legacy.db'}"), "")
        (tmp_path / "legacy.db").touch()
        legacy.execute("create table t (id bigint primary key)")
        if schema == "public":
            with pytest.raises(MigrationRefused, match="t may not be written by us: no right to insert, delete") as refused:
                examine(Mapped((TableMapping("t"),)), legacy, weak)
            assert "no right to create the tables of the checkpoint" in str(refused.value)
        with pytest.raises(CopyFailed, match="denied") as failed:
            Migration("run/copy", Mapped((TableMapping("t"),)), legacy, weak, FakeContext()).run()
        assert "grant the user of its `url:`" in failed.value.hint
        weak.close()
        legacy.close()
    finally:
        if schema == "public":
            crm.execute("drop table t")
            crm.execute("drop owned by weak")
            crm.execute(f"grant connect on database {url.database} to public")
            crm.execute("drop role weak")
        else:
            crm.execute("drop database weak_tables")
            crm.execute("drop user weak")
        crm.close()


def test_a_refused_statement_is_one_readable_line(url: sa.URL) -> None:
    database = opened(url, url.password or "")
    with pytest.raises(StatementFailed) as failed:
        database.rows("select * from\n nowhere")
    assert "\n" not in str(failed.value)
    assert "nowhere" in str(failed.value)
    database.close()
