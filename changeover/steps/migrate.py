"""``migrate``: copy tables from one database to another, exactly, in chunks that survive any crash; or take that back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from changeover.contracts import (
    Context,
    Database,
    DatabaseName,
    Found,
    FunctionName,
    OnUnknown,
    Probe,
    Result,
    SourceName,
    StepName,
    Value,
    key,
    step_kind,
)
from changeover.counting import counted
from changeover.errors import Mistake, Setback
from changeover.project import root_of
from changeover.steps.dry_run import not_verifiable
from changeover.transfer.cluster_words import address_problem, is_cluster, refuse_without_dask
from changeover.transfer.delta_words import Delta
from changeover.transfer.mapping import Mapped, Sequences, Swap, TableMapping, TextPolicy
from changeover.transfer.throttle import Throttle

if TYPE_CHECKING:
    from changeover.transfer.copying import Migration
    from changeover.transfer.onlooker import Onlooker
    from changeover.transfer.reports import Report


#: The target keeps 200 characters, with a step's name behind it.
_LONGEST_NAME: Final = 150


@dataclass(eq=False)
class NotAMigration(Mistake):
    """`undo` names a step that is no `migrate`."""

    step: str

    def __str__(self) -> str:
        return f"step {self.step} is no migration, so there is nothing to undo this way, and nothing that catches up"

    @property
    def hint(self) -> str:
        return "`migrate: {undo: STEP}` and `migrate: {catch_up: STEP}` name the id of a step of kind `migrate` that copies"


@dataclass(eq=False)
class NothingCatchesUp(Mistake):
    """`catch_up` names a step that copies a source which stands still."""

    step: str

    def __str__(self) -> str:
        return f"no table of step {self.step} catches up"

    @property
    def hint(self) -> str:
        return f"write `delta: {{by: updated_at}}` in step {self.step}, or below one of its tables"


@dataclass(eq=False)
class NotCopiedYet(Setback):
    """`catch_up` comes before the copy itself."""

    step: str
    stands: str

    def __str__(self) -> str:
        return f"step {self.step} has not copied everything yet: {self.stands}"

    @property
    def hint(self) -> str:
        return f"let {self.step} pass first; a delta follows a copy"


@step_kind("migrate", timeout=None)
@dataclass(frozen=True, slots=True)
class Migrate:
    """Copy tables from one database to another, and see that no row is missing.

    Each chunk and its checkpoint go into the target in one transaction; after a crash the next attempt goes on with the
    chunk that was in the air. A row that the target cannot hold exactly becomes a dead letter with its key, column and
    reason in `changeover_rejects`; any other missing row fails the step. Chunks that have arrived are compared with the
    source while others are copied, so that a difference shows in the first minutes. `{undo: STEP}` takes back what STEP
    wrote, and exactly that.

    From MariaDB or MySQL to PostgreSQL the source joins thousands of rows into one value, from PostgreSQL to PostgreSQL COPY
    is passed on, wherever that is proven to write the same; rows that somebody has to look at go one by one. The step says
    which way each table goes, and why.

    With `delta` the source may go on changing: after the copy, passes bring what changed since, by the watermark `by`, until the
    last one is small. `{catch_up: STEP}` makes such passes again later, and with `final: true`, when the source is frozen, the
    last one, after which every row has to be there ([how to](how-to/small-delta-in-the-night.md)).

    `from` may be a service that hands out its rows page by page: each page is a transaction with its place, and the step finds
    out how many requests a second the service bears, once ([how to](how-to/copy-from-a-service.md)).

    While it runs, `changeover adjust STEP` slows it down, holds it between two blocks of rows and releases it; `throttle` slows
    it down by itself while a database is busy ([how to](how-to/steer-a-migration.md)).

    Output: `{tables: {name: {source, copied, rejected}}, rows, rejected, seconds}`, with `delta: {passes, changed, gone, missed,
    last_rows, last_seconds}` where tables catch up; of an undo `{tables: {name: deleted}, rows}`.

    Dry run: the tables are compared, and rows that would be rejected are counted; nothing is written.

    It may have happened: it runs again, which goes on where the checkpoint says.
    """

    source: SourceName = key(
        "the database to read; or a service whose tables have `api`, which hands out its rows page by page",
        word="from",
        default="",
    )
    target: DatabaseName = key("the database to fill", word="to", default="")
    tables: tuple[str | TableMapping, ...] = key("the tables: names, or mappings", default=())
    chunk_rows: int = key("rows of one transaction", default=100_000)
    workers: int | str = key(
        "processes that copy side by side; `auto`: as many as suit this machine; `dask://HOST:PORT`: those of a Dask cluster",
        default="auto",
    )
    max_rejects: int = key("dead letters that are allowed, of all tables together", default=0)
    max_reject_ratio: float | None = key(
        "the part of all rows that may become dead letters, besides: 0.0001 of 1,000,000 are 100", default=None
    )
    order: str | tuple[str, ...] = key("`auto`: parents before children; or the target's tables in this order", default="auto")
    sequences: Sequences = key("what becomes of the counters that make new keys", default_factory=Sequences)
    text: TextPolicy = key("what becomes of text that the target cannot hold as it is", default_factory=TextPolicy)
    indexes: Literal["keep", "after_load"] = key(
        "what becomes of the target's secondary indexes and foreign keys: `keep` has them in place all the time; `after_load` "
        "drops those of empty tables, and makes them again as they were once the rows are there: faster (PostgreSQL)",
        default="keep",
    )
    compare_meanwhile: float = key(
        "the part of the time that comparing chunks while the load goes on may take; 0: none is compared", default=0.1
    )
    throttle: Throttle = key("how much the copy may ask of the databases", default_factory=Throttle)
    delta: Delta | None = key(
        "how tables catch up with what changes in the source during and after the copy; left out: the source stands still",
        default=None,
    )
    catch_up: StepName = key("instead of all others: the step with `delta` whose tables catch up once more", default="")
    final: bool = key("with `catch_up`: the source is frozen, so that every row has to be there afterwards", default=False)
    name: str = key(
        "a name under which the target remembers the copy beyond this run; a step of another run that bears it goes on with it",
        default="",
    )
    undo: StepName = key("instead of all others: the step whose copy is taken back", default="")
    by: Literal["ranges", "truncate", "swap_schema", "call"] = key(
        "with `undo`: `ranges` deletes what was copied; `truncate` empties tables that were empty before; `swap_schema` puts "
        "the tables back that were exchanged; `call` leaves it to a function",
        default="ranges",
    )
    written_since: Literal["refuse", "export"] = key(
        "with `undo`: what becomes of rows that others wrote since the copy: the undo is refused, or they are exported first",
        default="refuse",
    )
    swap: Swap | None = key("with `by: swap_schema`: the schemas", default=None)
    call: FunctionName = key("with `by: call`: the function that restores, such as `rollback.restore:put_back_rows`", default="")
    arguments: Mapping[str, Value] = key("with `by: call`: its arguments", word="with", default_factory=dict)

    @property
    def on_unknown(self) -> OnUnknown:
        """The checkpoint stands in the target: running again goes on from there."""
        return OnUnknown.RERUN

    def problems(self) -> Iterable[str]:
        """Either `undo`, or `catch_up`, or `from`, `to` and `tables`."""
        for word, value in (("undo", self.undo), ("catch_up", self.catch_up)):
            if value and (self.source or self.target or self.tables or self.delta or self.name or (self.undo and self.catch_up)):
                yield f"`{word}` stands alone: which tables it was, the other step knows"
        if "/" in self.name or len(self.name) > _LONGEST_NAME:
            yield f"`name` has no slash and at most {_LONGEST_NAME} characters"
        if self.final and not self.catch_up:
            yield "`final` belongs to `catch_up: STEP`, after the source was frozen"
        if self.catch_up:
            return
        if self.undo:
            if (self.by == "swap_schema") != (self.swap is not None):
                yield "`swap` and `by: swap_schema` belong together"
            if self.swap is not None and self.written_since == "export":
                yield "`written_since: export` is not for `by: swap_schema`: nothing is deleted, the rows stay in `loaded`"
            if (self.by == "call") != bool(self.call):
                yield "`call` and `by: call` belong together"
            return
        yield from self._problems_forward()

    def _problems_forward(self) -> Iterable[str]:
        missing = [word for word, value in (("from", self.source), ("to", self.target), ("tables", self.tables)) if not value]
        if missing:
            yield f"`{'` and `'.join(missing)}` {'is' if len(missing) == 1 else 'are'} missing"
        if _unknown_word(self.order, "auto"):
            yield "`order` is `auto` or a list of tables"
        if _below(self.chunk_rows, 1):
            yield "`chunk_rows` is at least 1"
        if is_cluster(self.workers):
            yield from filter(None, [address_problem(str(self.workers))])
        elif _below(self.workers, 1) or _unknown_word(self.workers, "auto"):
            yield "`workers` is `auto`, a number from 1, or `dask://HOST:PORT`"
        if _outside(self.compare_meanwhile, 0, 1):
            yield "`compare_meanwhile` is a part of the time: from 0 to 1"
        if _below(self.max_rejects, 0):
            yield "`max_rejects` is 0 or more"
        if self.max_reject_ratio is not None and _outside(self.max_reject_ratio, 0, 1):
            yield "`max_reject_ratio` is a part of the rows: from 0 to 1"
        yield from self._problems_of_service()

    def _problems_of_service(self) -> Iterable[str]:
        tables = [table for table in self.tables if isinstance(table, TableMapping) and table.api is not None]
        if not tables:
            return
        if len(tables) < len(self.tables):
            yield "either all tables have `api`, because `from` is a service, or none has"
        if self.mapped_delta:
            yield "`delta` needs a database: the pages of a service do not say what changed"
        if self.max_reject_ratio is not None:
            yield "`max_reject_ratio` needs a database; a service may tell at the end only how many rows it has"
        if self.throttle.probe is not None:
            yield "`throttle: probe` asks a database; what a service bears is found out, `api: requests_per_second` is the most"
        for table in tables:
            if not table.key_columns:
                yield f"`key` says which fields tell the rows of {table.source} apart"

    @property
    def mapped_delta(self) -> bool:
        """Whether a table catches up."""
        return self.delta is not None or any(table.catching_up for table in self.tables if isinstance(table, TableMapping))

    @property
    def from_service(self) -> bool:
        """Whether a service hands out the rows."""
        return any(isinstance(table, TableMapping) and table.api is not None for table in self.tables)

    @property
    def adjustable(self) -> frozenset[str]:
        """A copy can be slowed down and held between two blocks; its undo cannot."""
        return frozenset() if self.undo else frozenset({"hold", "rows_per_second", "workers"})

    def called(self, context: Context, step: str) -> str:
        """The copy's name in the target: its own, or that of the run and the *step* that makes it."""
        return f"{self.name}/copy" if self.name else f"{context.run_id}/{step}"

    @property
    def mapped(self) -> Mapped:
        """The migration in the words of the transfer package."""
        tables = tuple(TableMapping(source=table) if isinstance(table, str) else table for table in self.tables)
        tables = tuple(replace(table, delta=table.delta or self.delta) for table in tables)
        order = () if isinstance(self.order, str) else self.order
        return Mapped(
            tables,
            self.chunk_rows,
            self.max_rejects,
            order,
            self.sequences,
            self.text,
            self.workers,
            self.indexes,
            self.max_reject_ratio,
        )

    def mapped_in(self, context: Context) -> Mapped:
        """The same, with the project whose functions make values."""
        return replace(self.mapped, project=root_of(context.folder))

    def run(self, context: Context) -> Result:
        """Copy, or take back."""
        if self.undo:
            return self._taken_back(context)
        if self.catch_up:
            return self._caught_up(context)
        if self.from_service:
            return self._fetched(context)
        from changeover.transfer.reconcile.between_chunks import CheapLook  # noqa: PLC0415
        from changeover.transfer.reports import summary  # noqa: PLC0415 - loads SQLAlchemy

        # rows that change meanwhile would look like differences
        follows = any(table.catching_up for table in self.mapped.tables)
        if is_cluster(self.workers):
            refuse_without_dask()
        look = CheapLook(context.clock, self.compare_meanwhile) if self.compare_meanwhile and not follows else None
        context.log(f"to adjust it while it runs: `changeover adjust`, or {context.control_file}\n")
        report = self._migration(context, look).run()
        if look is not None and look.looked:
            context.say(look.summary)
        return Result(_words(report), summary(report))

    def _fetched(self, context: Context) -> Result:
        from changeover.steps.service import service_of  # noqa: PLC0415 - loads httpx
        from changeover.transfer.fetching import Fetching  # noqa: PLC0415 - loads SQLAlchemy
        from changeover.transfer.reports import summary  # noqa: PLC0415

        service, target = service_of(context, self.source), context.database(self.target)
        fetching = Fetching(self.called(context, context.step), self.mapped_in(context), service, target, context, self.throttle)
        report = fetching.run()
        return Result(_words(report), summary(report))

    def _would_fetch(self, context: Context) -> Result:
        from changeover.steps.service import service_of  # noqa: PLC0415 - loads httpx
        from changeover.transfer.fetching import first_pages  # noqa: PLC0415 - loads SQLAlchemy
        from changeover.transfer.shapes import TableMissing  # noqa: PLC0415

        try:
            found = first_pages(self.mapped_in(context), service_of(context, self.source), context.database(self.target), context)
        except TableMissing as missing:  # an earlier step may make it
            return not_verifiable(f"as things stand now: {missing}")
        for name, (rows, total) in found.items():
            of = f" of {total:,}" if total is not None else ""
            context.say(f"{name}: {counted(rows, 'row')}{of} on the first page of {self.source}")
        return Result(f"would copy every page of {counted(len(found), 'table')} from {self.source}")

    @contextmanager
    def opened_source(self, context: Context) -> Iterator[Database]:
        """What is read; of a service its tables without a row."""
        if not self.from_service:
            yield context.database(self.source)
            return
        from changeover.transfer.staging import staged  # noqa: PLC0415 - loads SQLAlchemy

        stage = staged(self.source, self.mapped_in(context))
        try:
            yield stage
        finally:
            stage.close()

    def _would_catch_up(self, context: Context) -> Result:
        from changeover.transfer.passes import behind  # noqa: PLC0415 - loads SQLAlchemy

        forward = _forward(context, self.catch_up)
        source, target = context.database(forward.source), context.database(forward.target)
        found = behind(forward.called(context, self.catch_up), forward.mapped_in(context), source, target)
        for name, rows in found.items():
            context.say(f"{name}: {counted(rows, 'row')} changed since the last pass, or since the copy began")
        last = ", for the last time: every row has to be there" if self.final else ""
        return Result(f"would bring {counted(sum(found.values()), 'changed row')} from {forward.source}{last}", {"behind": found})

    def _caught_up(self, context: Context) -> Result:
        from changeover.transfer.copying import Migration  # noqa: PLC0415 - loads SQLAlchemy
        from changeover.transfer.probing import Standing, standing  # noqa: PLC0415
        from changeover.transfer.reports import summary  # noqa: PLC0415 - loads SQLAlchemy

        forward = _forward(context, self.catch_up)
        if not any(table.catching_up for table in forward.mapped.tables):
            raise NothingCatchesUp(self.catch_up)
        name, target = forward.called(context, self.catch_up), context.database(forward.target)
        found = standing(name, target)
        if found.state is not Standing.DONE:
            raise NotCopiedYet(self.catch_up, found.words)
        source = context.database(forward.source)
        migration = Migration(name, forward.mapped_in(context), source, target, context, None, forward.throttle, final=self.final)
        report = migration.run()
        return Result(_words(report), summary(report))

    def dry_run(self, context: Context) -> Result:
        """Compare, count, write nothing."""
        from changeover.transfer.examining import examine, words  # noqa: PLC0415 - loads SQLAlchemy
        from changeover.transfer.shapes import TableMissing  # noqa: PLC0415

        if is_cluster(self.workers):
            refuse_without_dask()
        if self.undo:
            forward = _forward(context, self.undo)
            context.database(forward.target).scalar("select 1")
            return Result(f"would take back what {self.undo} copied into {forward.target}")
        if self.catch_up:
            return self._would_catch_up(context)
        if self.from_service:
            return self._would_fetch(context)
        try:
            examined = examine(self.mapped_in(context), context.database(self.source), context.database(self.target))
        except TableMissing as missing:  # an earlier step may make it
            return not_verifiable(f"as things stand now: {missing}")
        for line in words(examined):
            context.say(line)
        rows = sum(table.rows for table in examined.values())
        doubtful = sum(sum(table.rejects.values()) for table in examined.values())
        warning = f"; {doubtful:,} would be rejected, {self.mapped.may_reject(rows):,} may be" if doubtful else ""
        return Result(f"would copy {counted(rows, 'row')} into {counted(len(examined), 'table')}{warning}", _output(examined))

    def probe(self, context: Context) -> Probe:
        """What the checkpoint in the target says."""
        from changeover.transfer.probing import Standing, standing  # noqa: PLC0415 - loads SQLAlchemy

        if self.undo:
            forward = _forward(context, self.undo)
            found = standing(forward.called(context, self.undo), context.database(forward.target))
            done = found.state is Standing.UNDONE
            return Probe(Found.DONE if done else Found.PARTIAL, found.words)
        if self.catch_up:
            return Probe(Found.PARTIAL, "passes are made again without harm")
        found = standing(self.called(context, context.step), context.database(self.target))
        match found.state:
            case Standing.DONE if any(table.catching_up for table in self.mapped.tables):
                return Probe(Found.PARTIAL, f"{found.words}; passes are made again without harm")
            case Standing.DONE:
                return Probe(Found.DONE, found.words, found.output)
            case Standing.NOTHING | Standing.UNDONE:
                return Probe(Found.CLEAN, found.words)
            case _:
                return Probe(Found.PARTIAL, found.words)

    def _migration(self, context: Context, onlooker: Onlooker | None) -> Migration:
        from changeover.transfer.copying import Migration  # noqa: PLC0415 - loads SQLAlchemy

        source, target = context.database(self.source), context.database(self.target)
        return Migration(
            self.called(context, context.step), self.mapped_in(context), source, target, context, onlooker, self.throttle
        )

    def _taken_back(self, context: Context) -> Result:
        from changeover.steps.taking_back import take_back  # noqa: PLC0415 - loads SQLAlchemy

        forward = _forward(context, self.undo)
        return take_back(
            context, forward, TakingBack(self.undo, self.by, self.written_since, self.swap, self.call, self.arguments)
        )


@dataclass(frozen=True, slots=True)
class TakingBack:
    """How the copy of a step is taken back."""

    step: str
    by: str
    written_since: str
    swap: Swap | None
    call: str
    arguments: Mapping[str, Value]


def _words(report: Report) -> str:
    rejected = f", {report.rejected:,} rejected" if report.rejected else ""
    copied = f"{counted(report.rows, 'row')} copied into {counted(len(report.tables), 'table')}{rejected}"
    return f"{copied}; {report.caught_up.words}" if report.caught_up is not None else copied


def _below(value: object, least: int) -> bool:
    """False for a `${...}` that only the run will know."""
    return isinstance(value, int) and value < least


def _unknown_word(value: object, known: str) -> bool:
    """False for a `${...}` that only the run will know."""
    return isinstance(value, str) and value != known and "${" not in value


def _outside(value: object, least: float, most: float) -> bool:
    """False for a `${...}` that only the run will know."""
    return isinstance(value, int | float) and not least <= value <= most


def _forward(context: Context, step: str) -> Migrate:
    found = context.parameters_of(step)
    if not isinstance(found, Migrate) or found.undo or found.catch_up:
        raise NotAMigration(step)
    return found


def _output(examined: dict[str, Any]) -> dict[str, Any]:
    return {
        "tables": {name: {"source": table.rows, "would_reject": dict(table.rejects)} for name, table in examined.items()},
        "rows": sum(table.rows for table in examined.values()),
    }
