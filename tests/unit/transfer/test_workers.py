from __future__ import annotations

import os
import pickle

import pytest

from changeover.transfer.chunks import Range
from changeover.transfer.control import ChunkRecord
from changeover.transfer.databases import Address
from changeover.transfer.failing import ConnectionLost
from changeover.transfer.mapping import ColumnMapping, Mapped, TableMapping
from changeover.transfer.orders import ChunkCopied, Failed, Job
from changeover.transfer.workers import how_many


@pytest.mark.parametrize(("wanted", "chunks", "expected"), [(3, 10, 3), (3, 2, 2), (1, 10, 1), ("auto", 1, 1), ("auto", 0, 1)])
def test_there_are_no_more_workers_than_chunks(wanted: int | str, chunks: int, expected: int) -> None:
    assert how_many(wanted, chunks) == expected


def test_left_to_itself_it_leaves_half_of_the_processors_to_the_databases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert how_many("auto", 100) == 3


def test_all_that_is_said_between_processes_can_be_sent() -> None:
    mapped = Mapped((TableMapping("t", columns={"a": ColumnMapping(do=("trim",), map={"x": None})}),))
    address = Address("crm", "postgresql://u:s3cret@db/crm", {"sslmode": "require"})
    messages = (
        Job("run/copy", mapped, address, address),
        ChunkCopied(1, ChunkRecord(1, Range((1,), (2,)), "done", 1, 1, 0, None)),
        Failed(ConnectionLost("crm", "gone")),
    )
    for message in messages:
        assert str(pickle.loads(pickle.dumps(message))) == str(message)  # noqa: S301 - our own
    assert str(Failed(ConnectionLost("crm", "gone")).error) == "copying crm failed: gone"


def test_an_address_does_not_show_its_password() -> None:
    assert "s3cret" not in repr(Address("crm", "postgresql://u:s3cret@db/crm", {}))
