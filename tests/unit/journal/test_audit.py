from __future__ import annotations

import random
import sqlite3
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from changeover.contracts import Mode
from changeover.journal.audit import NotAnExport, Record, audit, fingerprint, lines_of, record_of
from changeover.journal.events import Command, Draft, EventKind, Verb
from changeover.journal.records import Owner, RunRecord
from changeover.journal.store import Journal
from changeover.testing import FakeClock

SOURCES = {"runbooks/x.yaml": "changeover: 1\n", "people.yaml": "persons: {}\n"}
RUN = RunRecord("night", "x", "A night", "test", Mode.REHEARSE, "anna", FakeClock().now(), "", "runbooks/x.yaml", SOURCES, {}, {})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A journal with one run of twelve rows, two of them answers."""
    from changeover.runbook.bundle import digest_of  # noqa: PLC0415

    path = tmp_path / "journal.db"
    with Journal.open(f"sqlite:///{path}", clock=FakeClock()) as journal:
        run = replace(RUN, digest=digest_of(SOURCES))
        journal.create_run(run)
        lease = journal.take_lease(run.id, Owner("anna", "here", 1), seconds=60)
        planned = {"digest": run.digest, "record": fingerprint(run)}
        journal.append(lease, [Draft(EventKind.RUN_PLANNED, who="anna", data=planned), Draft(EventKind.RUN_STARTED)])
        for number in range(8):
            journal.append(lease, [Draft(EventKind.WARNED, data={"text": f"line {number} \u2028 é"})])
        for accepted in (True, False):
            asked = journal.request(Command(run.id, Verb.HOLD, "bela", "why", f"key-{accepted}", data={"a": 1}))
            journal.answer(lease, asked, accepted=accepted, text="x" * 20)
    return path


def read(file: Path, *, kept: str = "") -> Record:
    with Journal.open(f"sqlite:///{file}", clock=FakeClock()) as journal:
        return journal.record("night", kept=kept)


def exported(record: Record) -> list[str]:
    return list(lines_of(record, version="1"))


def test_an_untouched_run_is_whole_here_and_in_its_export(file: Path) -> None:
    record = read(file)
    assert audit(record).wrong == ()
    again = record_of(exported(record))
    assert audit(again) == audit(record)
    assert audit(again).rows == 12


def test_a_head_that_was_kept_is_found_wherever_it_stands_and_any_other_is_not(file: Path) -> None:
    heads = [entry.hash for entry in read(file).entries]
    assert audit(read(file, kept=heads[3][:16])).wrong == ()
    assert audit(read(file, kept=heads[-1].upper())).wrong == ()
    [sentence] = audit(read(file, kept="0123456789abcdef")).wrong
    assert "noted elsewhere" in sentence


TAMPERINGS = [
    "update event set data = replace(data, 'line 3', 'line 4') where seq = 6",
    "update event set who = 'csilla' where seq = 2",
    "update event set at = replace(at, '2027', '2026') where seq = 5",
    "update event set epoch = 9 where seq = 5",
    "update event set kind = 'run_held' where seq = 4",
    "update event set step = 'x' where seq = 4",
    "update event set attempt = 1 where seq = 4",
    "update event set hash = '00' || substr(hash, 3) where seq = 7",
    "update event set data = data || ' ' where seq = 7",
    "delete from event where seq = 1",
    "delete from event where seq = 6",
    "delete from event where seq = 12",
    "update event set seq = -seq where seq in (4, 5); update event set seq = 9 + seq where seq < 0",
    "update run set head = 'ff' || substr(head, 3)",
    "update run set last_seq = 11",
    "update run set mode = 'live'",
    "update run set runner = 'bela'",
    "update run set inputs = '{\"wave\":2}'",
    "update run set environment = 'production'",
    "update source set text = text || '#' where position = 0",
    "delete from source where position = 1",
    "update command set who = 'csilla' where id = 1",
    "update command set accepted = 1 where id = 2",
    "update command set answer = 'no' where id = 1",
    "update command set why = 'nothing' where id = 1",
    "update command set whence = 'chat' where id = 1",
    "update command set key = 'k' where id = 1",
    "delete from command where id = 1",
    "insert into command select 9, run, 'k9', verb, 'eve', why, step, whence, data, at, 1, answer from command where id = 1",
]


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_whatever_is_altered_in_the_journal_is_found(file: Path, tampering: str) -> None:
    connection = sqlite3.connect(file, isolation_level=None)
    connection.executescript(tampering)
    connection.close()
    record = read(file)
    assert audit(record).wrong
    assert audit(record_of(exported(record))).wrong, "an export says the same"


def test_five_hundred_flipped_characters_of_an_export_are_all_found(file: Path) -> None:
    lines = exported(read(file))
    chance = random.Random(4711)  # noqa: S311 - a test's own
    for _ in range(500):
        line = chance.randrange(1, len(lines))
        place = chance.randrange(len(lines[line]))
        old = lines[line][place]
        new = chance.choice([c for c in "abcdefghij0123456789" if c != old])
        flipped = [*lines[:line], f"{lines[line][:place]}{new}{lines[line][place + 1 :]}", *lines[line + 1 :]]
        with suppress(NotAnExport):  # it says so
            assert audit(record_of(flipped)).wrong, (line, place, old, new)


def test_a_cut_or_edited_export_says_where(file: Path) -> None:
    lines = exported(read(file))
    for broken, word in (
        (lines[:-1], "the end is missing"),
        ([*lines, lines[3]], "something follows the end"),
        (["{}", *lines[1:]], "line 1"),
        ([lines[0], '{"row":[1]', *lines[2:]], "a row without its hash"),
        ([lines[0], "no JSON", *lines[2:]], "no JSON object"),
    ):
        with pytest.raises(NotAnExport, match=word):
            record_of(broken)


def test_an_export_can_be_proven_with_a_hash_program_alone(file: Path) -> None:
    from hashlib import sha256  # noqa: PLC0415

    previous = ""
    for line in exported(read(file)):
        if line.startswith('{"row":'):
            text, _, hashed = line.removeprefix('{"row":').removesuffix('"}').rpartition(',"hash":"')
            assert hashed == sha256(f"{previous}\n{text}".encode()).hexdigest()
            previous = hashed
    assert previous == audit(read(file)).head
