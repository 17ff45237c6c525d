"""Real servers refuse in their own words; a person reads ours."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from changeover.runbook.systems import DatabaseEntry
from changeover.transfer.databases import DatabaseRefusedLogin, DatabaseUnknown, OpenDatabase, StatementFailed, open_database


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


def test_a_refused_statement_is_one_readable_line(url: sa.URL) -> None:
    database = opened(url, url.password or "")
    with pytest.raises(StatementFailed) as failed:
        database.rows("select * from\n nowhere")
    assert "\n" not in str(failed.value)
    assert "nowhere" in str(failed.value)
    database.close()
