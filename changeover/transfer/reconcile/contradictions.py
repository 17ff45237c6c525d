"""Several systems, one key: about which things they disagree, whom to believe, and whom the processes would send in circles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from changeover.contracts import Answer, Database, Value
from changeover.transfer.adapters import dialect_of
from changeover.transfer.databases import StatementFailed, reason
from changeover.transfer.fitting import plain
from changeover.transfer.questions import first_rows
from changeover.transfer.quoting import quoted
from changeover.transfer.reading import authored
from changeover.transfer.reconcile.figures import streamed
from changeover.transfer.reconcile.findings import Evidence, Finding, evidence
from changeover.transfer.reconcile.routes import Outcome, RouteMap, Way, answer_text
from changeover.transfer.reconcile.testimony import Said, Testimony, Thing
from changeover.transfer.reconcile.words import Contradiction, Routes, Survivor, Witness
from changeover.transfer.sessions import session
from changeover.transfer.shapes import TableName

Look = Callable[[str], Database]

_LISTED: Final = 1_000
_EXAMPLES: Final = 5


def contradiction(words: Contradiction, database: Look, check_stopped: Callable[[], None]) -> Finding:
    """What several systems say about the same things.

    Args:
        words: which systems, key and fields.
        database: a database by its name.
        check_stopped: raises when the step has to stop.

    Raises:
        StatementFailed: a system cannot be asked.
        RoutesUnclear: the table of routes does not say where to go.
    """
    routes = _routes(words.routes, database, words) if words.routes is not None else None
    tally = _Tally(words, routes)
    with Testimony(list(words.systems)) as testimony:
        for name, witness in words.systems.items():
            check_stopped()
            tally.known[name], tally.twice[name] = testimony.hear(name, _heard(words, witness, database(witness.database)))
        for number, thing in enumerate(testimony.things()):
            if number % 1_000 == 0:
                check_stopped()
            tally.add(thing)
    return tally.finding()


def _heard(words: Contradiction, witness: Witness, database: Database) -> Iterator[tuple[str, Said]]:
    known_by = witness.known_by or words.known_by
    dialect = database.engine.dialect
    reads = [
        authored(witness.fields[name]) if name in witness.fields else sa.literal_column(quoted(name, dialect))
        for name in words.fields
    ]
    key: sa.ColumnElement[Any] = sa.literal_column(quoted(known_by, dialect))
    labelled = [part.label(f"f{place}") for place, part in enumerate([key, *reads])]
    select = sa.select(*labelled).select_from(TableName.parse(witness.table).clause).where(key.is_not(None))
    if witness.where:
        select = select.where(authored(witness.where))
    try:
        with session(database, dialect_of(database)) as connection, connection.begin():
            for batch in streamed(connection, select):
                for row in batch:
                    key_value, *values = tuple(row)
                    yield str(plain(key_value)), tuple(_said(value) for value in values)
    except SQLAlchemyError as error:
        raise StatementFailed(database.name, f"reading {witness.table}", reason(error)) from error


def _said(value: Any) -> Value:
    """A value in the words of JSON, numbers alike whatever their type."""
    simple: Any = plain(value)
    match simple:
        case bool(flag):
            return int(flag)
        case float() | Decimal() as number:
            exact = Decimal(str(number))
            return int(exact) if exact == exact.to_integral_value() else format(exact.normalize(), "f")
        case bytes(raw):
            return raw.hex()
        case other:
            return None if other is None else other if isinstance(other, int) else str(other)


def _routes(words: Routes, database: Look, contradiction: Contradiction) -> RouteMap:
    columns: list[sa.ColumnElement[Any]] = [
        sa.column(name) for name in (words.at, words.system, words.field, words.value, words.to)
    ]
    rows = first_rows(database(words.database), words.table, columns, limit=100_000)
    ways = [Way(*("" if part is None else answer_text(_said(part)) for part in row)) for row in rows]
    return RouteMap.of(words.start, ways, contradiction.systems, contradiction.fields)


@dataclass(slots=True)
class _Tally:
    """What has come out so far."""

    words: Contradiction
    routes: RouteMap | None
    known: dict[str, int] = field(default_factory=dict)
    twice: dict[str, int] = field(default_factory=dict)
    only: Counter[str] = field(default_factory=Counter)
    by_field: Counter[str] = field(default_factory=Counter)
    things: int = 0
    shared: int = 0
    disagreeing: int = 0
    quarantined: int = 0
    listed: list[tuple[Value, ...]] = field(default_factory=list)
    quarantine: list[tuple[Value, ...]] = field(default_factory=list)
    loops: Counter[tuple[str, ...]] = field(default_factory=Counter)
    also_resolved: Counter[tuple[str, ...]] = field(default_factory=Counter)
    stuck: Counter[tuple[str, ...]] = field(default_factory=Counter)
    examples: dict[tuple[str, ...], list[str]] = field(default_factory=dict)

    def add(self, thing: Thing) -> None:
        """One more thing."""
        self.things += 1
        if len(thing.said) == 1:
            self.only[next(iter(thing.said))] += 1
        else:
            self.shared += 1
        resolved = self._fields(thing)
        if self.routes is not None:
            self._walk(thing, resolved)

    def _fields(self, thing: Thing) -> Mapping[str, Value]:
        """What is to be believed of each field that can be told."""
        believed: dict[str, Value] = {}
        disputed, undecided = [], []
        compared = set(self.words.compared)
        for place, name in enumerate(self.words.fields):
            if name not in compared:
                continue
            answers = {system: said[place] for system, said in thing.said.items()}
            if len({_alike(value, self.words.ignore) for value in answers.values()}) == 1:
                believed[name] = next(iter(answers.values()))
                continue
            self.by_field[name] += 1
            winner = _survivor(self.words, name, thing, place)
            if winner is not None:
                believed[name] = answers[winner]
            else:
                undecided.append(name)
            disputed.append((name, answers, winner))
        if disputed:
            self.disagreeing += 1
            for name, answers, winner in disputed:
                if len(self.listed) < _LISTED:
                    proposal = f"{believed[name]} ({winner})" if winner is not None else "somebody has to decide"
                    self.listed.append((thing.key, name, *[answers.get(system) for system in self.words.systems], proposal))
        if undecided:
            self.quarantined += 1
            if len(self.quarantine) < _LISTED:
                self.quarantine.append((thing.key, ", ".join(undecided)))
        return believed

    def _walk(self, thing: Thing, resolved: Mapping[str, Value]) -> None:
        if self.routes is None:
            return
        places = {name: place for place, name in enumerate(self.words.fields)}

        def as_it_is(system: str, name: str) -> Value:
            said = thing.said.get(system)
            return None if said is None else said[places[name]]

        walk = self.routes.walk(as_it_is)
        if walk.outcome is Outcome.SERVED:
            return
        kept = self.loops if walk.outcome is Outcome.LOOP else self.stuck
        kept[walk.places] += 1
        examples = self.examples.setdefault(walk.places, [])
        if len(examples) < _EXAMPLES:
            examples.append(thing.key)
        if walk.outcome is Outcome.LOOP and self.routes.walk(lambda _system, name: resolved.get(name)).outcome is Outcome.LOOP:
            self.also_resolved[walk.places] += 1

    def finding(self) -> Finding:
        """The answer."""
        looping = sum(self.loops.values())
        figures: dict[str, Value] = {
            "compared": self.shared,
            **{f"known to {system}": number for system, number in self.known.items()},
            **{f"only in {system}": self.only[system] for system in self.words.systems},
            **{f"twice in {system}": number for system, number in self.twice.items() if number},
            **{f"disagree about {name}": self.by_field[name] for name in self.words.compared},
            "quarantined": self.quarantined,
        }
        if self.routes is not None:
            figures |= {"go in circles": looping, "have nowhere to go": sum(self.stuck.values())}
        systems = list(self.words.systems)
        about = f"{self.words.known_by}: {', '.join(systems)}"
        if not self.shared:
            return Finding(
                "contradiction", about, Answer.NOT_VERIFIABLE, "no two of them know the same thing: 0 of 0", 0, 0, figures
            )
        summary = f"they disagree about {self.disagreeing:,} of {self.shared:,} (at most {self.words.limit:,})"
        if self.routes is not None:
            summary += f"; {looping:,} of {self.things:,} would go in circles (at most {self.words.loops:,})"
        good = self.disagreeing <= self.words.limit and looping <= self.words.loops
        return Finding(
            "contradiction",
            about,
            Answer.PASSED if good else Answer.FAILED,
            summary,
            self.words.limit,
            self.disagreeing,
            figures,
            evidence=self._evidence(systems),
        )

    def _evidence(self, systems: Sequence[str]) -> tuple[Evidence, ...]:
        circles = [
            (" → ".join(places), number, self.also_resolved[places], ", ".join(self.examples[places]))
            for places, number in self.loops.most_common(_LISTED)
        ]
        ends = [
            (" → ".join(places), number, ", ".join(self.examples[places])) for places, number in self.stuck.most_common(_LISTED)
        ]
        known_by = self.words.known_by
        return (
            *evidence("circles", ("circle", "customers", "also once the data agree", "such as"), circles),
            *evidence("ways that lead nowhere", ("way", "customers", "such as"), ends),
            *evidence("quarantine", (known_by, "undecided"), self.quarantine, self.quarantined),
            *evidence(
                "contradictions", (known_by, "field", *systems, "to be believed"), self.listed, sum(self.by_field.values())
            ),
        )


def _alike(value: Value, ignore: Sequence[str]) -> Value:
    if isinstance(value, str):
        value = value.strip() if "blanks" in ignore else value
        return value.casefold() if "case" in ignore else value
    return value if not isinstance(value, int) else str(value)


def _survivor(words: Contradiction, name: str, thing: Thing, place: int) -> str | None:
    """The system that is believed about a field; None when the rules cannot tell."""
    rule = words.survives.get(name)
    if rule is None:
        return None
    speaking = {system: said[place] for system, said in thing.said.items() if said[place] not in {None, ""}}
    match rule.rule:
        case "prefer":
            return next((system for system in rule.prefer if system in speaking), None)
        case "latest":
            return _latest(words, rule, thing, speaking)
        case "most":
            return _most(words, speaking)


def _latest(words: Contradiction, rule: Survivor, thing: Thing, speaking: Mapping[str, Value]) -> str | None:
    by = words.fields.index(rule.by)
    moments = {system: str(thing.said[system][by]) for system in speaking if thing.said[system][by] is not None}
    newest = [system for system, moment in moments.items() if moment == max(moments.values())]
    return newest[0] if len({_alike(speaking[system], words.ignore) for system in newest}) == 1 else None


def _most(words: Contradiction, speaking: Mapping[str, Value]) -> str | None:
    votes = Counter(_alike(value, words.ignore) for value in speaking.values())
    ranked = votes.most_common(2)
    if not ranked or (len(ranked) > 1 and ranked[0][1] == ranked[1][1]):
        return None
    return next(system for system, value in speaking.items() if _alike(value, words.ignore) == ranked[0][0])
