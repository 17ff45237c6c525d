"""A Gantt chart for terminals: bars, their worst case, and the moments that matter, in any width and without colour too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from changeover.cli.render import CARE, DONE, FAINT, LOUD, glyphs_work
from changeover.plan.saying import offset

if TYPE_CHECKING:
    from rich.text import Text

_TICKS: Final = tuple(
    timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720, 1440, 2880, 10080)
)
_LABEL: Final = 7  # columns that the label of a tick needs, with its space


@dataclass(frozen=True, slots=True)
class Signs:
    """What bars and marks are drawn with."""

    critical: str
    other: str
    worst: str
    closes: str
    point: str
    instant: str
    tick: str


GLYPHS: Final = Signs(critical="█", other="▒", worst="·", closes="┃", point="◆", instant="▏", tick="╵")
LETTERS: Final = Signs(critical="#", other="=", worst=".", closes="|", point="*", instant="'", tick="'")


@dataclass(frozen=True, slots=True)
class Bar:
    """One row: a stage, or a step of it."""

    label: str
    starts: datetime
    ends: datetime
    worst_ends: datetime
    critical: bool
    heading: bool = False  # a stage above its steps
    point: datetime | None = None  # the point of no return, when it lies in this row
    skipped: bool = False


def signs() -> Signs:
    """The glyphs, or plain letters where the terminal cannot show them."""
    return GLYPHS if glyphs_work() else LETTERS


@dataclass(frozen=True, slots=True)
class Axis:
    """The time from *begin* to *end* on *columns* columns."""

    begin: datetime
    end: datetime
    columns: int
    zone: ZoneInfo

    def column(self, moment: datetime) -> int:
        """The column of *moment*; the last one for everything later."""
        part = (moment - self.begin) / (self.end - self.begin)
        return min(max(int(part * self.columns), 0), self.columns - 1)

    def ticks(self) -> Iterator[tuple[int, str]]:
        """Columns and their labels, at whole hours of the zone, as many as have room."""
        room = max(self.columns // _LABEL, 1)
        step = next((tick for tick in _TICKS if (self.end - self.begin) / tick <= room), _TICKS[-1])
        midnight = self.begin.astimezone(self.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        whole = (self.begin - midnight) // step
        moment = midnight.astimezone(self.begin.tzinfo) + whole * step
        free_from = 0
        while moment <= self.end:
            column = self.column(moment)
            if moment >= self.begin and column >= free_from:
                local = moment.astimezone(self.zone)
                label = f"{local:%a}" if step >= timedelta(days=1) else f"{local:%H:%M}"
                if column + len(label) <= self.columns:
                    yield column, label
                    free_from = column + len(label) + 1
            moment += step

    @property
    def offsets(self) -> str:
        """The zone's offset, or both of a night on which the clocks change."""
        first, last = offset(self.begin, self.zone), offset(self.end, self.zone)
        return first if first == last else f"{first}/{last}"


def gantt(bars: Sequence[Bar], axis: Axis, *, label_width: int, closes: datetime | None) -> list[Text]:
    """The chart, a line each: the axis, then a row for each bar."""
    from rich.text import Text  # noqa: PLC0415 - Rich takes longer to load than `--help` may take

    lines = [Text(_cut(f"UTC{axis.offsets}", label_width - 1).ljust(label_width), style=FAINT)]
    lines[0].append(_scale(axis), style=FAINT)
    lines.extend(_row(bar, axis, label_width, closes) for bar in bars)
    return lines


def _scale(axis: Axis) -> str:
    cells = [" "] * axis.columns
    for column, label in axis.ticks():
        cells[column : column + len(label)] = label
    return "".join(cells)


def _row(bar: Bar, axis: Axis, label_width: int, closes: datetime | None) -> Text:
    from rich.text import Text  # noqa: PLC0415 - as above

    sign = signs()
    cells: list[tuple[str, str]] = [(" ", "")] * axis.columns
    if not bar.skipped:
        style = CARE if bar.critical else DONE
        first, last = axis.column(bar.starts), _last_column(axis, bar.starts, bar.ends)
        for column in range(last + 1, _last_column(axis, bar.starts, bar.worst_ends) + 1):
            cells[column] = (sign.worst, style)
        fill = sign.critical if bar.critical else sign.other
        if bar.starts == bar.ends:
            fill = sign.instant
        for column in range(first, last + 1):
            cells[column] = (fill, style)
    if closes is not None and closes <= axis.end:
        column = axis.column(closes)
        cells[column] = (sign.closes, LOUD)
    if bar.point is not None:
        cells[axis.column(bar.point)] = (sign.point, LOUD)
    indent = "" if bar.heading else "  "
    line = Text(_cut(indent + bar.label, label_width - 1).ljust(label_width), style="bold" if bar.heading else "")
    if bar.skipped:
        line.append("skipped", style=FAINT)
        return line
    for text, style in _runs(cells):
        line.append(text, style=style)
    line.rstrip()
    return line


def _last_column(axis: Axis, starts: datetime, ends: datetime) -> int:
    """The column that a bar still fills: one that ends where another begins leaves that column to it."""
    end = (ends - axis.begin) / (axis.end - axis.begin) * axis.columns
    column = int(end) - (1 if end == int(end) else 0)
    return min(max(column, axis.column(starts)), axis.columns - 1)


def _runs(cells: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    text, style = "", ""
    for cell, cell_style in cells:
        if cell_style != style and text:
            yield text, style
            text = ""
        text, style = text + cell, cell_style
    if text:
        yield text, style


def _cut(text: str, width: int) -> str:
    if len(text) <= width:
        return text
    return text[: max(width - 1, 0)] + ("…" if glyphs_work() else "~")
