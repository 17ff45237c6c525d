"""Hosts as tables that fit 40, 80 and 120 columns: what there is no room for stands on a line of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table
from rich.text import Text

from changeover.cli import render
from changeover.contracts import StepState
from changeover.counting import counted

if TYPE_CHECKING:
    from changeover.cli.hosts_source import Source
    from changeover.remote.checking import Checked

#: Columns from which a table has room for more than names and verdicts, and for everything.
_MIDDLE, _WIDE = 72, 100
_NAMES: Final = 6
#: How to get into a host, in the order in which it is told.
_SETTINGS: Final = ("address", "port", "user", "key", "certificate", "known_hosts", "jump", "become")


def listed(source: Source, rows: Mapping[str, dict[str, Any]], *, sources: bool) -> None:
    """The hosts, one a line, and the groups with how many they hold; with *sources*, who says how to get into each."""
    screen = render.console()
    table = _table(
        "host", "address", *(("groups",) if screen.width >= _MIDDLE else ()), *(("way",) if screen.width >= _WIDE else ())
    )
    for name, row in rows.items():
        user = f"{row['user']}@" if row["user"] else ""
        port = f":{row['port']}" if row["port"] != 22 else ""  # noqa: PLR2004 - SSH's own port
        cells = [name, f"{user}{row['address']}{port}"]
        if screen.width >= _MIDDLE:
            cells.append(_few(row["groups"]))
        if screen.width >= _WIDE:
            through = [f"through {row['jump']}"] if row["jump"] else []
            cells.append(", ".join([*through, *([f"sudo to {row['become']}"] if row["become"] else [])]))
        table.add_row(*(render.safe(cell) for cell in cells))
    screen.print(table)
    if sources:
        for name, row in rows.items():
            screen.print(render.styled((render.safe(f"{name}: "), render.FAINT), render.safe(_sources(row))))
    for group in source.systems.groups:
        members = source.systems.members(group)
        limit = f", {source.systems.limits[group]} at once" if group in source.systems.limits else ""
        screen.print(render.styled((render.safe(f"{group}: "), render.FAINT), f"{counted(len(members), 'host')}{limit}"))
    screen.print(render.styled((f"{counted(len(rows), 'host')}.", render.FINE if rows else render.LOUD)))
    if not sources and (told := sum(row["ssh_config"] in row["said"].values() for row in rows.values())):
        screen.print(render.safe(f"An OpenSSH configuration completes {counted(told, 'host')}: --sources tells how."))


def looked_at(results: Sequence[Checked]) -> None:
    """A verdict on every host, and what to do about each that is not fit."""
    screen = render.console()
    table = _table(
        "host",
        "verdict",
        *(("free", "clock") if screen.width >= _MIDDLE else ()),
        *(("system",) if screen.width >= _WIDE else ()),
    )
    for result in results:
        sign = render.STEP_SIGNS[StepState.PASSED if result.fit else StepState.FAILED]
        word = "fit" if result.fit else "not fit" if result.looked is not None else str(result.verdict)
        cells: list[str | Text] = [render.safe(result.name), render.styled((f"{sign.mark} {word}", sign.style))]
        if screen.width >= _MIDDLE:
            cells += [_free(result), _clock(result)]
        if screen.width >= _WIDE:
            cells.append(render.safe(result.looked.system if result.looked else ""))
        table.add_row(*cells)
    screen.print(table)
    for result in results:
        if not result.fit:
            screen.print(render.styled((render.safe(f"{result.name}: "), render.LOUD), render.safe(result.words)))
            if result.hint:
                screen.print(render.styled(("  help: ", render.FAINT), render.safe(result.hint)))
    fit = sum(result.fit for result in results)
    total = counted(len(results), "host")
    good = bool(results) and fit == len(results)
    screen.print(render.styled((f"{fit} of {total} fit for the night.", render.FINE if good else render.LOUD)))


def _sources(row: Mapping[str, Any]) -> str:
    """Each setting and where it is said; what nobody says is as usual."""
    words = [word for word in _SETTINGS if row[word] not in {"", None}]
    return ", ".join(f"{word} {row[word]} ({_said_by(row, word)})" for word in words)


def _said_by(row: Mapping[str, Any], word: str) -> str:
    return row["said"].get(word) or ("host" if word == "address" else "usual")


def _table(*heads: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style=render.FAINT, show_edge=False, pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold", justify="right" if head in {"free", "clock"} else "left")
    return table


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMES]) + (f" and {len(names) - _NAMES} more" if len(names) > _NAMES else "")


def _free(result: Checked) -> str:
    free = result.looked.free_mb if result.looked else None
    return "-" if free is None else f"{free / 1024:.1f} GB" if free >= 1024 else f"{free} MB"  # noqa: PLR2004 - a gigabyte


def _clock(result: Checked) -> str:
    skew = result.looked.skew_s if result.looked else None
    return "-" if skew is None else f"{skew:+.1f} s"
