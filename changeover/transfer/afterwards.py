"""What of a table is made after its rows: which indexes and foreign keys, when, and what becomes of rows that contradict.

Unique indexes stay: they find a row that is there twice in its own chunk, where it becomes a dead letter. A foreign key goes
only where a row without its parent can still become one afterwards. So the same rows arrive, whatever is deferred.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from changeover.contracts import Context
from changeover.counting import counted
from changeover.errors import Setback
from changeover.transfer.chunk_work import ChunkWork
from changeover.transfer.chunks import Key
from changeover.transfer.control import TableRecord
from changeover.transfer.deferred import Deferred, DeferredControl, State
from changeover.transfer.definitions import Definition, Made, Reference, definitions_of, relation_of
from changeover.transfer.mapping import Mapped
from changeover.transfer.planning import Side, TablePlan
from changeover.transfer.quoting import quoted, run
from changeover.transfer.reading import bound, column
from changeover.transfer.rebuilding import Contradicted, Rebuilder, made_again, side_by_side
from changeover.transfer.sessions import transaction
from changeover.transfer.verifying import portions

#: Rows of an error that are named.
_NAMED: Final = 5


@dataclass(eq=False)
class Orphans(Setback):
    """Rows arrived whose parent is not there, and they cannot be put aside."""

    table: str
    key: str
    rows: int
    allowed: int
    examples: tuple[str, ...]
    why: str

    def __str__(self) -> str:
        named = ", ".join(self.examples) + (", ..." if self.rows > len(self.examples) else "")
        rows = f"{counted(self.rows, 'row')} without a parent ({named})"
        why = self.why or f"{self.allowed:,} more may be rejected"
        return f"foreign key {self.key} of {self.table} does not hold: {rows}; {why}"

    @property
    def hint(self) -> str:
        return (
            "all rows are in the target, and the foreign key is not. Bring the parents or raise `max_rejects` (each of these "
            "rows becomes a dead letter then), and try the step again"
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """What of one table would be made after its rows, and what stays in place."""

    later: tuple[Definition, ...]
    stays: tuple[tuple[Definition, str], ...]  # with the reason


def choice_of(plan: TablePlan, writing: sa.Connection, rows_before: int) -> Choice:
    """What can be made after the rows of a table; in a transaction that the caller ends."""
    later, stays = [], []
    for definition in definitions_of(writing, plan.target.name):
        why = definition.stays
        if not why and rows_before:
            why = f"the table holds {counted(rows_before, 'row')} already, and others may need it"
        if not why and definition.sort is Made.FOREIGN_KEY and plan.integer_handle is None:
            why = "a row without its parent could not be put aside afterwards, for its key is not one integer"
        if not why and definition.sort is Made.FOREIGN_KEY and plan.mapping.catching_up is not None:
            why = "the table follows its source, and a parent may come after its child"
        if why:
            stays.append((definition, why))
        else:
            later.append(definition)
    return Choice(tuple(later), tuple(stays))


def only_postgresql(target: Side) -> str:
    """Why nothing can be deferred; empty when it can."""
    if target.dialect.name == "postgresql":
        return ""
    return (
        f"`indexes: after_load` needs PostgreSQL as the target, which drops and makes an index in one transaction with its "
        f"record; {target.database.name} is {target.dialect.name}: write `indexes: keep`"
    )


class Afterwards:
    """Takes indexes and foreign keys away before the rows of a migration come, and brings them back."""

    def __init__(self, work: ChunkWork, target: Side, context: Context, mapped: Mapped, tell: Callable[[str], None]) -> None:
        self.work = work
        self.writing = target.connection
        self.context = context
        self.control = DeferredControl(work.control.migration)
        self.rebuilder = Rebuilder(self.control, target.database, target.dialect, context)
        self.dialect = target.dialect
        self.mapped = mapped
        self.tell = tell  # which part is at work
        self.all: tuple[Deferred, ...] = ()

    def record(self, chosen: Sequence[tuple[TablePlan, Choice]]) -> None:
        """Put on record what will be dropped, in the transaction that puts the tables on record."""
        wanted = [(plan.number, definition) for plan, choice in chosen for definition in choice.later]
        self.control.record(self.writing, wanted, self.context.clock.now())

    def load(self) -> None:
        """Read what is on record."""
        with self.writing.begin():
            self.all = self.control.all(self.writing)

    def _of(self, table: int, sort: Made | None, *states: State) -> list[Deferred]:
        return [
            each for each in self.all if each.table == table and each.state in states and sort in {None, each.definition.sort}
        ]

    def before_rows(self, plan: TablePlan) -> None:
        """Drop what is made after the rows, unless rows of others have come since it was recorded."""
        wanted = self._of(plan.number, None, State.RECORDED)
        if not wanted:
            return
        with self.writing.begin():
            tally = self.work.control.tally(self.writing, plan.number)
        empty = sa.select(sa.literal(1)).select_from(plan.target.name.clause).limit(1)
        gone = self.rebuilder.drop(self.writing, wanted, lambda: not tally.done and self.writing.execute(empty).first() is None)
        names = ", ".join(each.words for each in wanted)
        if gone:
            self.context.say(f"{plan.into}: {names} will be made after the load; the definitions are in changeover_deferred")
        else:
            self.context.say(f"{plan.into}: {names} {'stays' if len(wanted) == 1 else 'stay'}: the table is not empty any more")
        self.load()

    def after_rows(self, plan: TablePlan) -> None:
        """Make the indexes of a table again, several at once."""
        wanted = self._of(plan.number, Made.INDEX, State.DROPPED, State.RECORDED)
        if wanted:
            self._make(wanted, side_by_side(self.mapped.workers, len(wanted)))

    def constraints(self, plans: Sequence[TablePlan], tables: Sequence[TableRecord], *, finished: int) -> None:
        """Make the foreign keys again for which both tables have come; the first *finished* have."""
        there = {plan.number: (plan, record) for plan, record in zip(plans, tables, strict=True)}
        while (each := self._due(plans, finished)) is not None:
            try:
                self._make([each], 1)
            except Contradicted:
                self._put_aside(each, *there[each.table])
                self.load()

    def _due(self, plans: Sequence[TablePlan], finished: int) -> Deferred | None:
        """The next foreign key that is away, and of which both tables have come."""
        away = [each for each in self.all if each.definition.sort is Made.FOREIGN_KEY and each.state is not State.BACK]
        if not away:
            return None
        with self.writing.begin():
            numbers = {relation_of(self.writing, plan.target.name): plan.number for plan in plans}
        due = (each for each in away if max(each.table, numbers.get(_reference(each).parent, 0)) <= finished)
        return next(due, None)

    def _make(self, wanted: Sequence[Deferred], at_once: int) -> None:
        sort = wanted[0].definition.sort
        done = sum(each.definition.sort is sort and each.state is State.BACK for each in self.all)

        def told(back: Deferred | None) -> None:
            nonlocal done
            if back is not None:
                done += 1
                self.load()
            alike = [each for each in self.all if each.definition.sort is sort]
            if back is not None:
                lasted = next((each.seconds or 0.0 for each in alike if each.number == back.number), 0.0)
                what = f"{back.words} of {back.definition.relation}"
                self.context.say(f"{sort} {done} of {len(alike)} is back: {what}, {lasted:,.1f} s")
            self.tell(f"{sort} {min(done + 1, len(alike))} of {len(alike)}")

        self.rebuilder.make(wanted, at_once, told)
        self.load()
        self.tell("")  # rows come next

    def _put_aside(self, each: Deferred, plan: TablePlan, record: TableRecord) -> None:
        """Make dead letters of rows without a parent, with the foreign key in place that refuses them.

        Foreign keys that refer to these rows are away for that moment: they have to hold anew afterwards.
        """
        text = each.definition
        others = [other for other in self.all if other.definition.reference and _reference(other).parent == text.relation]
        touched = {one.number: one.definition for one in (each, *others)}
        with transaction(self.writing, self.dialect):
            for number, one in sorted(touched.items()):
                self.control.lock(self.writing, number)
                self.control.set_state(self.writing, number, State.DROPPED, self.context.clock.now())
                drop = f"ALTER TABLE {one.relation} DROP CONSTRAINT IF EXISTS {one.name}"
                run(self.writing, drop)
            keys = self._deleted(each, plan)
            for _, one in sorted(touched.items()):
                made_again(self.writing, one)
            self.work.put_aside(plan, record, keys)
        self.context.say(f"{plan.into}: {counted(len(keys), 'row')} without a parent put aside, for {each.words}")

    def _deleted(self, each: Deferred, plan: TablePlan) -> list[Key]:
        """Delete the rows without a parent, and those that are without one then; their keys.

        Raises:
            Orphans: they are more than may be rejected, or other rows would go with them.
        """
        handle = plan.integer_handle
        assert handle is not None  # noqa: S101 - without one it was never deferred
        planned = sum(record.rows_planned for record in self.work.control.tables(self.writing))
        allowed = self.mapped.may_reject(planned) - self.work.control.tally(self.writing).rejected
        dialect = self.writing.dialect
        reference = _reference(each)
        mine = [f"c.{quoted(name, dialect)}" for name in reference.columns]
        theirs = [f"p.{quoted(name, dialect)}" for name in reference.parent_columns]
        same = " AND ".join(f"{their} = {my}" for their, my in zip(theirs, mine, strict=True))
        without = (
            f"FROM {each.definition.relation} c WHERE {' AND '.join(f'{my} IS NOT NULL' for my in mine)}"
            f" AND NOT EXISTS (SELECT FROM {reference.parent} p WHERE {same})"
        )
        name = f"c.{quoted(handle.name, dialect)}"
        cascades = self._cascades(each)
        keys: list[Key] = []
        while True:
            rows = int(run(self.writing, f"SELECT count(*) {without}").scalar_one())
            if not rows:
                return keys
            if cascades or len(keys) + rows > allowed:
                some = run(self.writing, f"SELECT {name} {without} ORDER BY 1 LIMIT {_NAMED}").scalars()
                examples = tuple(f"{handle.name} {value}" for value in some)
                why = f"rows of {cascades} refer to them and would be changed with them" if cascades else ""
                raise Orphans(plan.into, each.words, len(keys) + rows, max(allowed, 0), examples, why)
            found = [int(value) for value in run(self.writing, f"SELECT {name} {without}").scalars()]
            for some_keys in portions([(value,) for value in found]):
                gone = sa.delete(plan.target.name.clause).where(column(handle.name).in_([bound(key[0]) for key in some_keys]))
                self.writing.execute(gone)
                keys += some_keys

    def _cascades(self, each: Deferred) -> str:
        """A table whose foreign key would delete or change its rows with those of ours; empty when there is none."""
        select = sa.text(
            "SELECT CAST(CAST(conrelid AS regclass) AS text) FROM pg_constraint WHERE contype = 'f'"
            " AND confrelid = to_regclass(:relation) AND confdeltype IN ('c', 'n', 'd') LIMIT 1"
        )
        return self.writing.execute(select, {"relation": each.definition.relation}).scalar() or ""


def _reference(each: Deferred) -> Reference:
    reference = each.definition.reference
    assert reference is not None  # noqa: S101 - it is a foreign key
    return reference
