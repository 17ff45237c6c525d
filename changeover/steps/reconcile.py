"""``reconcile``: find out whether two databases say the same, down to the row and the column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from changeover.contracts import Context, DatabaseName, OnUnknown, Result, StepName, Value, key, step_kind
from changeover.errors import Mistake
from changeover.steps.dry_run import as_things_stand
from changeover.steps.migrate import Migrate
from changeover.transfer.reconcile.words import (
    Aggregate,
    Contradiction,
    Domain,
    Reference,
    Sample,
    TablePair,
    Unique,
)

if TYPE_CHECKING:
    from changeover.transfer.reconcile.asking import Reconciliation
    from changeover.transfer.reconcile.findings import Report


@dataclass(eq=False)
class NothingCopied(Mistake):
    """`of` names a step that copies nothing."""

    step: str

    def __str__(self) -> str:
        return f"step {self.step} copies nothing, so there is nothing to compare"

    @property
    def hint(self) -> str:
        return "`of:` names the id of a step of kind `migrate`; other tables are named in `tables:`"


@dataclass(eq=False)
class CannotCompare(Mistake):
    """`of` names a step that copied from a service."""

    step: str

    def __str__(self) -> str:
        return f"step {self.step} copied pages of a service, which cannot be asked for checksums"

    @property
    def hint(self) -> str:
        return "its own counts stand in the step's output; compare the target with another database by `tables:`"


@step_kind("reconcile", changes=False, timeout=timedelta(hours=6))
@dataclass(frozen=True, slots=True)
class Reconcile:
    """Find out whether two databases say the same, down to the row and the column that do not.

    Rows are counted exactly (source = target + dead letters) and every column of every row is compared, for each of
    `tables` or for all that the step `of` has copied, as its mapping made them. The other questions are asked where they
    are written. Nothing is vacuous in silence: 0 of 0 is *not verifiable*. A report for people is written as HTML,
    Markdown and JSON.

    Output: `{answer, summary, findings: [{kind, about, answer, summary, expected, found, figures, differences}], report}`.

    Dry run: the questions are asked; a *no* is not verifiable there, because the steps before it were not carried out.

    It may have happened: it is asked again.
    """

    source: DatabaseName = key("the database that was left, or is to be", word="from", default="")
    target: DatabaseName = key("the database that should say the same", word="to", default="")
    of: StepName = key("the `migrate` step whose tables are compared; `tables` then says more about some of them", default="")
    tables: tuple[str | TablePair, ...] = key("the tables that are compared: names, or mappings", default=())
    count: bool = key("whether rows are counted: source = target + dead letters", default=True)
    checksum: bool = key("whether every compared column of every row is the same; if not, which is not", default=True)
    aggregate: tuple[Aggregate, ...] = key("sums and other figures of both sides, of all rows or by group", default=())
    orphans: tuple[Reference, ...] = key("rows that must belong to a parent", default=())
    unique: tuple[Unique, ...] = key("columns that no two rows may share", default=())
    domain: tuple[Domain, ...] = key("what may stand in a column", default=())
    sequence: tuple[str, ...] = key("tables of the target whose counters must stand above every key", default=())
    sample: tuple[Sample, ...] = key("rows of both sides beside each other, for the owner to read", default=())
    contradiction: tuple[Contradiction, ...] = key("what several systems say about the same things", default=())
    differences: int = key("differences of one table after which no more are looked for", default=1_000)
    report: str = key("the report's file, without its suffix; left out: beside the run's logs", default="")

    @property
    def on_unknown(self) -> OnUnknown:
        """Asking again is harmless."""
        return OnUnknown.RERUN

    def problems(self) -> Iterable[str]:
        """Two databases for everything but `contradiction`, and something to ask."""
        about_tables = (self.aggregate, self.orphans, self.unique, self.domain, self.sequence, self.sample)
        if not (self.of or self.tables or self.contradiction or any(about_tables)):
            yield "nothing is asked: say `of`, `tables`, `contradiction`, or another question"
        if not self.of and (self.tables or any(about_tables)):
            missing = [word for word, value in (("from", self.source), ("to", self.target)) if not value]
            if missing:
                yield f"`{'` and `'.join(missing)}` {'is' if len(missing) == 1 else 'are'} missing"
        if self.of and (self.source or self.target):
            yield "`of` stands without `from` and `to`: which databases it was, the other step knows"
        if not (self.of or self.tables) and (self.aggregate or self.sample):
            yield "`aggregate` and `sample` need the pair of tables: name it in `tables`"
        yield from self._inside()

    def _inside(self) -> Iterator[str]:
        for domain in self.domain:
            if bool(domain.values) == bool(domain.holds):
                yield f"`domain` of {domain.table}.{domain.column} says either `values` or `holds`"
        for each in self.contradiction:
            if len(each.systems) < 2:  # noqa: PLR2004 - one system cannot contradict itself
                yield "`contradiction` needs two `systems` at least"
            for name, rule in each.survives.items():
                if name not in each.fields:
                    yield f"`survives` names {name}, which is not among `fields`"
                if rule.rule == "latest" and rule.by not in each.fields:
                    yield f"`survives` of {name}: `by` names a field that holds when it was changed; it must be among `fields`"
                unknown = [system for system in rule.prefer if system not in each.systems]
                if unknown:
                    yield f"`survives` of {name} prefers {', '.join(unknown)}, which `systems` does not name"

    def run(self, context: Context) -> Result:
        """Ask everything, write the report, and answer."""
        report = self._reconciliation(context).run()
        files = self._write(context, report)
        context.say(f"the report: {files[0]}")
        return Result(report.summary, _output(report, str(files[0])), report.verdict())

    def dry_run(self, context: Context) -> Result:
        """Ask; a no proves nothing yet."""

        def reading() -> Result:
            report = self._reconciliation(context).run()
            return Result(report.summary, _output(report, ""), report.verdict())

        return as_things_stand(reading)

    def _reconciliation(self, context: Context) -> Reconciliation:
        from changeover.transfer.reconcile.asking import Asked, Migrated, Reconciliation  # noqa: PLC0415 - loads SQLAlchemy

        source, target, migrated = self.source, self.target, None
        if self.of:
            forward = context.parameters_of(self.of)
            if not isinstance(forward, Migrate) or forward.undo or forward.catch_up:
                raise NothingCopied(self.of)
            if forward.from_service:
                raise CannotCompare(self.of)
            source, target = forward.source, forward.target
            migrated = Migrated(forward.called(context, self.of), forward.mapped_in(context))
        asked = Asked(
            tuple(TablePair(source=table) if isinstance(table, str) else table for table in self.tables),
            self.count,
            self.checksum,
            self.aggregate,
            self.orphans,
            self.unique,
            self.domain,
            self.sequence,
            self.sample,
            self.contradiction,
            self.differences,
        )
        return Reconciliation(
            asked,
            context.database(source) if source else None,
            context.database(target) if target else None,
            context,
            migrated,
        )

    def _write(self, context: Context, report: Report) -> tuple[Path, ...]:
        from changeover.project import Project  # noqa: PLC0415 - only a run writes
        from changeover.transfer.reconcile.writing import write_report  # noqa: PLC0415 - loads Jinja

        if self.report:
            base = context.folder / self.report
        else:
            base = Project(context.folder).log_file(context.run_id, context.step).with_suffix("")
        return write_report(report, base, f"Reconciliation {context.step} of {context.run_id}")


def _output(report: Report, file: str) -> Value:
    told: dict[str, Value] = dict(report.as_json(differences=5))
    told["report"] = file
    return told
