"""Whether a run's record is as it was written: every row against the one before, and the rest of the run against the rows.

An export is made of JSON lines: what was started, each row, each command, and the end of the chain. A row's line holds the
very bytes that were hashed, ``{"row":[...],"hash":"..."}``, so that it can be verified anywhere, also without changeover:
the hash is the SHA-256 of the hash of the row before (nothing before the first), a line feed, and the text of the list.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from changeover.contracts import Value
from changeover.errors import Mistake
from changeover.journal.canonical import mapping_of, moment_text, text_of, value_of
from changeover.journal.chain import START, Row, linked, text_of_row
from changeover.journal.events import CommandRecord, EventKind
from changeover.journal.records import Head, RunRecord
from changeover.runbook.bundle import digest_of

#: The format of an export.
FORMAT: Final = 1
#: Hexadecimal digits of a hash that people have to give at least.
SHORTEST: Final = 8
_ROW, _HASH, _END = '{"row":', ',"hash":"', '"}'


@dataclass(frozen=True, slots=True)
class Entry:
    """A row as it stands: the text that is hashed, and the hash beside it."""

    text: str
    hash: str

    @classmethod
    def of(cls, row: Row, data: str, hashed: str) -> Entry:
        """A row of the table."""
        return cls(text_of_row(row, data), hashed)

    @property
    def fields(self) -> list[Any]:
        """Run, seq, at, epoch, kind, step, attempt, who, data; empty when the text is no such list."""
        try:
            found = value_of(self.text)
        except ValueError:
            return []
        return found if isinstance(found, list) and len(found) == _FIELDS else []


_FIELDS: Final = 9


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found.

    Attributes:
        rows: how many rows there are.
        head: hash of the last one.
        wrong: what is not as it was written, a sentence each; empty: all of it is.
    """

    run: str
    rows: int
    head: str
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """All that is kept of a run.

    Attributes:
        run: the run's own row, as :func:`described` gives it.
        commands: the answered commands, as :func:`command_of` gives them.
        end: what the run's own row says of the end of the chain.
        kept: a head that was noted elsewhere (in chat, in a report), or its first digits; empty: none.
    """

    run: Mapping[str, Value]
    entries: Iterable[Entry]
    commands: Iterable[Mapping[str, Value]]
    end: Head
    kept: str = ""


@dataclass(eq=False)
class NotAnExport(Mistake):
    """The file was not written by ``audit export``, or is damaged beyond reading."""

    line: int
    why: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.why}; this is no export of a journal, or it was cut or edited"

    @property
    def hint(self) -> str:
        return "`changeover audit export RUN --output FILE` writes one"


def described(run: RunRecord) -> dict[str, Value]:
    """The fixed part of a run."""
    return {
        "id": run.id,
        "runbook": run.runbook,
        "title": run.title,
        "environment": run.environment,
        "mode": run.mode.value,
        "runner": run.runner,
        "created_at": moment_text(run.created_at),
        "digest": run.digest,
        "file": run.file,
        "sources": dict(run.sources),
        "values": dict(run.values),
        "inputs": dict(run.inputs),
        "schema": run.schema,
    }


def fingerprint(run: RunRecord) -> str:
    """A digest of the fixed part of a run, apart from its sources; it stands in the run's first event."""
    return _fingerprint(described(run))


def _fingerprint(run: Mapping[str, Value]) -> str:
    fixed = {name: value for name, value in run.items() if name != "sources"}
    return sha256(text_of(fixed).encode()).hexdigest()[:32]


def command_of(record: CommandRecord) -> dict[str, Value]:
    """A command as an export keeps it."""
    asked = record.command
    return {
        "id": record.id,
        "verb": asked.verb.value,
        "who": asked.who,
        "why": asked.why,
        "step": asked.step,
        "whence": asked.whence,
        "key": asked.key,
        "data": dict(asked.data),
        "at": moment_text(record.at),
        "accepted": record.accepted,
        "answer": record.answer,
    }


def asked_by(record: CommandRecord) -> str:
    """A digest of what was asked, by whom, from where and why; it stands in the row that answers."""
    return _asked(command_of(record))


def _asked(command: Mapping[str, Value]) -> str:
    fixed = {name: value for name, value in command.items() if name not in {"accepted", "answer"}}
    return sha256(text_of(fixed).encode()).hexdigest()[:32]


def audit(record: Record) -> Audit:
    """Compare everything with everything. The cost is linear."""
    reading = _Reading(str(record.run.get("id") or ""))
    for entry in record.entries:
        reading.take(entry)
    return Audit(reading.run, reading.rows, reading.previous, tuple(reading.close(record)))


@dataclass(slots=True)
class _Reading:
    run: str
    previous: str = START
    rows: int = 0
    wrong: list[str] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)
    planned: Mapping[str, Any] = field(default_factory=dict)
    answers: dict[int, Mapping[str, Any]] = field(default_factory=dict)  # by command

    def take(self, entry: Entry) -> None:
        """Take the next row in. After the first broken one nothing can be said of the chain: it is said once."""
        self.rows += 1
        fields = entry.fields
        if not self.wrong:
            if entry.hash != linked(self.previous, entry.text):
                self.wrong.append(f"row {self.rows} was changed, or the one before it was dropped or has another place")
            elif not fields or fields[0] != self.run or fields[1] != self.rows:
                self.wrong.append(f"row {self.rows} does not belong there: a row was dropped or has another place")
        self.previous = entry.hash
        self.hashes.append(entry.hash)
        if not fields:
            return
        kind, data = fields[4], fields[8]
        if kind == EventKind.RUN_PLANNED and not self.planned:
            self.planned = data
        elif kind == EventKind.COMMAND_ANSWERED and isinstance(data.get("command"), int):
            self.answers[data["command"]] = {"who": fields[7], "step": fields[5], **data}

    def close(self, record: Record) -> Iterator[str]:
        """All that is wrong."""
        yield from self.wrong
        end = Head(self.rows, self.previous)
        if record.end != end:
            noted, found = (f"row {head.seq}, {head.hash[:12]}…" for head in (record.end, end))
            yield f"the run's end is noted as {noted}; its rows end at {found}"
        if record.kept and not any(hashed.startswith(record.kept.lower()) for hashed in self.hashes):
            yield f"the head {record.kept} that was noted elsewhere is in none of the {self.rows} rows"
        yield from self._of_run(record.run)
        yield from self._of_commands(record.commands)

    def _of_run(self, run: Mapping[str, Any]) -> Iterator[str]:
        planned, sources = self.planned, run.get("sources")
        if "digest" in planned and not (run.get("digest") == planned["digest"] == digest_of(sources or {})):
            yield "the runbook's texts are not those that were started"
        if "record" in planned and planned["record"] != _fingerprint(run):
            yield "the run's own row was changed: its mode, environment, inputs or who started it are not those of its beginning"

    def _of_commands(self, commands: Iterable[Mapping[str, Value]]) -> Iterator[str]:
        open_answers = dict(self.answers)
        for command in commands:
            number = command["id"]
            answer = open_answers.pop(number, None) if isinstance(number, int) else None
            said = f"command {number} ({command['verb']} by {command['who']})"
            if answer is None:
                yield f"{said} is noted as answered, and no row answers it"
            elif not _same(answer, command):
                yield f"{said} is not what its row says was asked and answered"
        for number in open_answers:
            yield f"command {number} was answered, and is gone"


def _same(answer: Mapping[str, Any], command: Mapping[str, Value]) -> bool:
    """A long answer may have been cut in its row."""
    text, whole = str(answer.get("text")), str(command["answer"])
    asked = answer["asked"] == _asked(command) if "asked" in answer else True
    named = all(answer.get(name) == command[name] for name in ("verb", "who", "step", "accepted"))
    return asked and named and (text == whole or ("… (" in text and whole.startswith(text.partition("… (")[0])))


def lines_of(record: Record, *, version: str) -> Iterator[str]:
    """The lines of an export."""
    yield text_of({"changeover_audit": FORMAT, "version": version, "run": record.run})
    for entry in record.entries:
        yield f"{_ROW}{entry.text}{_HASH}{entry.hash}{_END}"
    for command in record.commands:
        yield text_of({"command": command})
    yield text_of({"end": {"seq": record.end.seq, "hash": record.end.hash}})


def record_of(lines: Iterable[str], *, kept: str = "") -> Record:
    """An export read again. Raises NotAnExport."""
    run: Mapping[str, Any] = {}
    entries: list[Entry] = []
    commands: list[Mapping[str, Value]] = []
    end: Head | None = None
    number = 0
    for number, text in enumerate((line.rstrip("\n") for line in lines), start=1):
        if number == 1:
            run = _first(text)
        elif end is not None:
            raise NotAnExport(number, "something follows the end")
        elif text.startswith(_ROW):
            body, found, hashed = text.removeprefix(_ROW).removesuffix(_END).rpartition(_HASH)
            if not found or not text.endswith(_END):
                raise NotAnExport(number, "a row without its hash")
            entries.append(Entry(body, hashed))
        else:
            document = _document(number, text)
            if isinstance(document.get("command"), Mapping) and {"id", "verb", "who"} <= set(document["command"]):
                commands.append({**dict.fromkeys(("step", "accepted", "answer")), **document["command"]})
            elif isinstance(document.get("end"), Mapping):
                end = Head(document["end"].get("seq"), str(document["end"].get("hash")))
            else:
                raise NotAnExport(number, "neither a row nor a command nor the end")
    if end is None:
        raise NotAnExport(number, "the end is missing")
    return Record(run, entries, commands, end, kept)


def _first(text: str) -> Mapping[str, Any]:
    document = _document(1, text)
    run = document.get("run")
    if document.get("changeover_audit") != FORMAT or not isinstance(run, Mapping):
        raise NotAnExport(1, "the first line does not say what was exported")
    return run


def _document(number: int, text: str) -> dict[str, Any]:
    try:
        return mapping_of(text)
    except ValueError:
        raise NotAnExport(number, "it is no JSON object") from None
