"""Everything that is asked of two databases, one question after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from changeover.contracts import Context, Database
from changeover.counting import counted
from changeover.transfer.control import Control, DeadLetter, letters_of_run
from changeover.transfer.databases import StatementFailed, reason
from changeover.transfer.mapping import Mapped
from changeover.transfer.reconcile import pair_kinds, table_kinds
from changeover.transfer.reconcile.contradictions import contradiction
from changeover.transfer.reconcile.findings import Finding, Report
from changeover.transfer.reconcile.mapped_pairs import Copied, copied_tables
from changeover.transfer.reconcile.pairs import Pair, pair_of
from changeover.transfer.reconcile.sampling import sample
from changeover.transfer.reconcile.words import (
    Aggregate,
    Contradiction,
    Domain,
    Reference,
    Sample,
    TablePair,
    Unique,
    Where,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """The questions."""

    tables: tuple[TablePair, ...] = ()
    count: bool = True
    checksum: bool = True
    aggregate: tuple[Aggregate, ...] = ()
    orphans: tuple[Reference, ...] = ()
    unique: tuple[Unique, ...] = ()
    domain: tuple[Domain, ...] = ()
    sequence: tuple[str, ...] = ()
    sample: tuple[Sample, ...] = ()
    contradiction: tuple[Contradiction, ...] = ()
    differences: int = 1_000  # after which no more are looked for in a table


@dataclass(frozen=True, slots=True)
class Migrated:
    """A migration whose tables are compared."""

    name: str  # run/step
    mapped: Mapped


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Puts the questions to two databases, and to those that `contradiction` names."""

    asked: Asked
    source: Database | None
    target: Database | None
    context: Context
    migrated: Migrated | None = None

    def run(self) -> Report:
        """Ask everything, whatever the answers are.

        Raises:
            StatementFailed, TableMissing, NotComparable, RoutesUnclear: a question cannot be put.
        """
        started = self.context.clock.monotonic()
        findings = []
        for finding in self._findings():
            self.context.check_stopped()
            self.context.say(f"{finding.kind} of {finding.about}: {finding.answer.value}: {finding.summary}")
            findings.append(finding)
        return Report(
            self.source.name if self.source else "",
            self.target.name if self.target else "",
            tuple(findings),
            self.context.clock.now(),
            self.context.clock.monotonic() - started,
        )

    def _findings(self) -> Iterator[Finding]:
        """Cheap questions first: what is wrong is known early."""
        pairs = self._pairs()
        if self.asked.count:
            yield from (pair_kinds.count(copied.pair, copied.words, copied.letters) for copied in pairs.values())
        by_name: Mapping[str, Pair] = {name: copied.pair for name, copied in pairs.items()}
        for aggregate in self.asked.aggregate:
            yield pair_kinds.aggregate(pair_kinds.pair_called(by_name, aggregate.table), aggregate)
        yield from self._of_tables()
        for wanted in self.asked.sample:
            yield sample(pair_kinds.pair_called(by_name, wanted.table), wanted)
        if self.asked.checksum:
            for copied in pairs.values():
                yield pair_kinds.checksum(copied.pair, copied.letters, self._teller(copied.pair), self.asked.differences)
        for contradictory in self.asked.contradiction:
            yield contradiction(contradictory, self.context.database, self.context.check_stopped)

    def _of_tables(self) -> Iterator[Finding]:
        yield from (table_kinds.orphans(self._database(words.on), words) for words in self.asked.orphans)
        yield from (table_kinds.unique(self._database(words.on), words) for words in self.asked.unique)
        yield from (table_kinds.domain(self._database(words.on), words) for words in self.asked.domain)
        yield from (table_kinds.sequence(self._database("target"), table) for table in self.asked.sequence)

    def _teller(self, pair: Pair) -> Callable[[int, int], None]:
        def tell(done: int, total: int) -> None:
            self.context.check_stopped()
            self.context.progress(done, total, "rows", table=pair.into)

        return tell

    def _database(self, on: Where) -> Database:
        found = self.source if on == "source" else self.target
        if found is None:
            raise AssertionError  # the step's rules want both when a table is asked about
        return found

    def _pairs(self) -> dict[str, Copied]:
        if self.source is None or self.target is None:
            return {}
        if self.migrated is not None:
            tables = copied_tables(self.migrated.name, self.migrated.mapped, self.source, self.target, self.asked.tables)
            return {copied.pair.into: copied for copied in tables}
        found = {}
        for words in self.asked.tables:
            pair = pair_of(words, self.source, self.target)
            found[pair.into] = Copied(words, pair, self._letters(self.target, pair.into))
        return found

    def _letters(self, target: Database, table: str) -> tuple[DeadLetter, ...]:
        """Those of this run's migrations."""
        try:
            with target.engine.connect() as connection:
                return letters_of_run(connection, self.context.run_id, table) if Control.exists(connection) else ()
        except SQLAlchemyError as error:
            raise StatementFailed(target.name, "reading dead letters", reason(error)) from error


def size(asked: Asked, tables: int) -> str:
    """How much is asked, in words."""
    questions = (
        tables * (asked.count + asked.checksum)
        + len(asked.aggregate)
        + len(asked.orphans)
        + len(asked.unique)
        + len(asked.domain)
        + len(asked.sequence)
        + len(asked.sample)
        + len(asked.contradiction)
    )
    return f"{counted(questions, 'question')} about {counted(tables, 'table')}"
