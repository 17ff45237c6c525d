from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from changeover.contracts import Answer
from changeover.runbook.systems import DatabaseEntry
from changeover.testing import FakeContext
from changeover.transfer.databases import OpenDatabase, open_database
from rollback.restore import put_back_rows, remember_state, save_table, state_equals_before


@pytest.fixture
def crm(tmp_path: Path) -> Iterator[OpenDatabase]:
    (tmp_path / "crm.db").touch()
    database = open_database("crm", DatabaseEntry(url="sqlite:///crm.db"), "", base=tmp_path)
    database.execute("create table prices (id integer primary key, price integer)")
    database.execute("insert into prices values (1, 10), (2, 20)")
    yield database
    database.close()


@pytest.fixture
def context(crm: OpenDatabase) -> FakeContext:
    return FakeContext(databases={"crm": crm})


def test_a_table_is_saved_changed_put_back_and_proven(context: FakeContext, crm: OpenDatabase) -> None:
    remembered = remember_state(context, database="crm", tables=["prices"]).output
    assert isinstance(remembered, dict)
    saved = save_table(context, database="crm", table="prices", saved="prices_r1")
    assert saved.summary == "2 rows of prices saved in prices_r1"
    crm.execute("delete from prices where id = 1")
    broken = state_equals_before(context, database="crm", before=remembered["tables"])
    assert broken.answer is Answer.FAILED
    assert broken.summary.startswith("0 of 1 table as before; these are not: prices (was 2 rows, ")
    assert put_back_rows(context, database="crm", table="prices", saved="prices_r1").output == {"table": "prices", "rows": 2}
    proven = state_equals_before(context, database="crm", before=remembered["tables"])
    assert (proven.answer, proven.summary) == (Answer.PASSED, "1 of 1 table as before")


def test_nothing_remembered_proves_nothing(context: FakeContext) -> None:
    assert state_equals_before(context, database="crm", before={}).answer is Answer.NOT_VERIFIABLE
