"""The watermark: up to which moment, in the source's own time, every change is known to have been seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import sqlalchemy as sa

from changeover.counting import counted
from changeover.transfer.catching_up import watermark_of
from changeover.transfer.mysql_names import indexes_of
from changeover.transfer.planning import Side, TablePlan
from changeover.transfer.quoting import quoted
from changeover.transfer.reading import authored, bound, column, literal
from changeover.transfer.shapes import Column

#: What the source's clock says, as the column would say it: in UTC where it is a moment, else in the server's own time zone.
_MOMENTS: Final = {
    "mysql": "UTC_TIMESTAMP(6)",
    "postgresql": "CAST(now() AS timestamptz)",
}
_LOCAL: Final = {
    "mysql": "CONVERT_TZ(UTC_TIMESTAMP(6), '+00:00', @@global.time_zone)",
    "postgresql": "(now() AT TIME ZONE (SELECT reset_val FROM pg_settings WHERE name = 'TimeZone'))",
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now')",
}
#: Dates before this one stand for none: MariaDB's 0000-00-00.
_NO_DATE: Final = "1000-01-01 00:00:00"


@dataclass(frozen=True, slots=True)
class Marks:
    """What the source says before a pass."""

    high: str | None  # the latest change that its clock has reached; None: there is none
    unknown: int  # rows that do not say when they changed: every pass reads them
    ahead: int  # rows changed later than the source's clock says it is: every pass reads them too


@dataclass(frozen=True, slots=True)
class Watermarks:
    """Reads the watermark of one table."""

    near: Side
    plan: TablePlan

    @property
    def _by(self) -> Column:
        return watermark_of(self.plan)

    @property
    def read_as(self) -> str:
        """SQL for the watermark of a row, without loss."""
        return self.near.dialect.transport(self._by, quoted(self._by.name, self.near.connection.dialect))

    def look(self) -> Marks:
        """Where the source stands now: its values, and never more than its clock has reached."""
        by = column(self._by.name)
        clock: sa.ColumnElement[str] = literal(self._clock)
        # three questions, so that an index answers each; the latest change of a row that is not copied is as good a mark
        latest = sa.select(literal(self.read_as)).select_from(self.plan.source.name.clause)
        latest = latest.where(self.since(None), by <= clock).order_by(by.desc()).limit(1)
        high = self.near.connection.execute(latest).scalar()
        return Marks(None if high is None else str(high), self._count(self.unknown()), self._count(by > clock))

    def changed_after(self, mark: str | None) -> int:
        """Rows that say that they changed after *mark*."""
        return self._count(self.since(None) if mark is None else column(self._by.name) > bound(mark))

    def _count(self, condition: sa.ColumnElement[bool]) -> int:
        select = sa.select(sa.func.count()).select_from(self.plan.source.name.clause).where(condition)
        where = self.plan.mapping.where
        return int(self.near.connection.execute(select.where(authored(where)) if where else select).scalar_one())

    @property
    def _clock(self) -> str:
        name = self.near.dialect.name
        moment = self._by.zoned or (name == "mysql" and self._by.declared.startswith("timestamp"))
        return (_MOMENTS if moment else _LOCAL).get(name) or _LOCAL.get(name, "CURRENT_TIMESTAMP")

    def remarks(self, marks: Marks) -> list[str]:
        """What people should know of it."""
        name, by = self.plan.mapping.source, self._by.name
        said = []
        if not self.has_index():
            said.append(f"{name}: {by} has no index, so every pass reads the whole table")
        if marks.unknown:
            said.append(f"{name}: {counted(marks.unknown, 'row')} without {by}: every pass reads them all")
        if marks.ahead:
            said.append(
                f"{name}: {counted(marks.ahead, 'row')} with a {by} that the source's clock has not reached: "
                "every pass reads them; is it another time zone, or are these dates wrong?"
            )
        return said

    def unknown(self) -> sa.ColumnElement[bool]:
        """Rows that do not say when they changed."""
        by = column(self._by.name)
        return sa.or_(by.is_(None), by <= bound(_NO_DATE))

    def since(self, low: str | None) -> sa.ColumnElement[bool]:
        """Rows changed at *low* or later; None: at any moment."""
        by = column(self._by.name)
        return by > bound(_NO_DATE) if low is None else by >= bound(low)

    def has_index(self) -> bool:
        """Whether an index of the source begins with the column, so that a pass need not read the whole table."""
        name = self.plan.source.name
        if self.near.dialect.name == "mysql":
            return any(index.columns[0] == self._by.name for index in indexes_of(self.near.connection, name.schema, name.name))
        try:
            indexes = sa.inspect(self.near.connection).get_indexes(name.name, schema=name.schema)
        except sa.exc.NoSuchTableError:  # a view
            return True
        return any(entry["column_names"][:1] == [self._by.name] for entry in indexes)


def reaching_back(mark: str | None, overlap: timedelta) -> str | None:
    """*mark*, earlier by *overlap*, written as it was; None: from the beginning."""
    if mark is None:
        return None
    moment = datetime.fromisoformat(mark)
    earliest = datetime.min.replace(tzinfo=moment.tzinfo)
    earlier = moment - overlap if moment - earliest > overlap else earliest
    text = earlier.isoformat(sep="T" if "T" in mark else " ")
    return text.replace("+00:00", "+00") if moment.tzinfo is UTC or mark.endswith("+00") else text
