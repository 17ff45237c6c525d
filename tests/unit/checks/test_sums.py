from __future__ import annotations

import pytest

from changeover.contracts import Answer
from changeover.testing import FakeContext
from changeover.transfer.databases import OpenDatabase
from checks.sums import equal


@pytest.fixture(autouse=True)
def _filled(legacy: OpenDatabase, crm: OpenDatabase) -> None:
    legacy.execute("create table invoices (id integer primary key, total decimal(8,2), old text)")
    crm.execute("create table bills (id integer primary key, total decimal(8,2), minor integer)")
    for number in range(1, 4):
        legacy.execute("insert into invoices values (:n, :n + 0.25, 'x')", n=number)
        crm.execute("insert into bills values (:n, :n + 0.25, :n * 100 + 25)", n=number)


TABLE = {
    "from": "invoices",
    "to": "bills",
    "figures": {"total": "sum(total)", "in minor units": {"source": "sum(total) * 100", "target": "sum(minor)"}},
}


def test_checksums_and_figures_that_agree_pass(context: FakeContext) -> None:
    verdict = equal(context, source="legacy", target="crm", tables=[TABLE])
    assert (verdict.answer, verdict.found, verdict.expected) == (Answer.PASSED, 3, 3)
    assert verdict.figures["bills: in minor units"] == {"source": "675.0", "target": "675"}


def test_a_changed_value_of_equal_sum_is_found_by_the_checksum(context: FakeContext, crm: OpenDatabase) -> None:
    crm.execute("update bills set total = case id when 1 then 2.25 when 2 then 1.25 else total end")
    verdict = equal(context, source="legacy", target="crm", tables=[TABLE])
    assert verdict.answer is Answer.FAILED
    assert verdict.summary.startswith("bills: checksum of 2 columns: 3 rows, ")


def test_figures_may_differ_by_the_tolerance(context: FakeContext, crm: OpenDatabase) -> None:
    crm.execute("update bills set minor = minor + 1 where id = 1")
    table = {**TABLE, "checksum": False}
    assert equal(context, source="legacy", target="crm", tables=[table], tolerance=1).answer is Answer.PASSED
    verdict = equal(context, source="legacy", target="crm", tables=[table], tolerance=0.5)
    assert verdict.summary == "bills: in minor units: 675.0 in legacy, 676 in crm"


def test_nothing_to_compare_is_not_verifiable(context: FakeContext, legacy: OpenDatabase, crm: OpenDatabase) -> None:
    legacy.execute("delete from invoices")
    crm.execute("delete from bills")
    assert equal(context, source="legacy", target="crm", tables=[TABLE]).answer is Answer.NOT_VERIFIABLE
    assert equal(context, source="legacy", target="crm", tables=[]).answer is Answer.NOT_VERIFIABLE


def test_tables_without_a_common_column_fail(context: FakeContext, crm: OpenDatabase) -> None:
    crm.execute("create table other (x text)")
    verdict = equal(context, source="legacy", target="crm", tables=[{"from": "invoices", "to": "other"}])
    assert verdict.answer is Answer.FAILED
    assert "no column in common" in verdict.summary
