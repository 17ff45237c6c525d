"""`changeover migrate FILE` and `changeover reconcile FILE`: the two steps by themselves, without a runbook."""

from __future__ import annotations

import json as json_
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from changeover.cli.alone import Alone, AloneContext, NothingToDo, load, opened
from changeover.cli.exit_codes import ExitCode
from changeover.cli.failing import complain
from changeover.cli.files import check_file
from changeover.contracts import Answer, Result
from changeover.counting import counted
from changeover.errors import Mistake, Setback
from changeover.steps.migrate import Migrate
from changeover.transfer.rehearsing import Rehearsed, rehearse

File = Annotated[Path, typer.Argument(help="A YAML file with `databases:` and what is to be done.", show_default=False)]
Name = Annotated[
    str,
    typer.Option("--name", help="What it is called in the target's checkpoint; left out: the file's name.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object instead of words.")]


#: Seconds below which what a sample took is mostly its beginning, not its rows.
_SHORT_S: Final = 60.0


class ShareUnclear(Mistake):
    """A sample that is no share."""

    def __str__(self) -> str:
        return f"--sample {self.args[0]!r} is no share"

    @property
    def hint(self) -> str:
        return "write a percentage from 0.001% to 100%, such as 1%"


@dataclass(eq=False)
class NoRehearsal(Mistake):
    """Rows of a service cannot be tried in a scratch schema: all of its pages would have to be read for it."""

    service: str

    def __str__(self) -> str:
        return f"{self.service} is a service, whose rows are not rehearsed"

    @property
    def hint(self) -> str:
        return "`--dry-run` matches the tables and reads the first page"


def migrate(
    file: File,
    *,
    name: Name = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Compare the tables and count what would be refused; write nothing.")
    ] = False,
    rehearse_it: Annotated[
        bool, typer.Option("--rehearse", help="Copy a sample into a scratch schema that is dropped, and tell what to expect.")
    ] = False,
    sample: Annotated[str, typer.Option("--sample", metavar="SHARE", help="With --rehearse: how much of each table.")] = "1%",
    undo: Annotated[bool, typer.Option("--undo", help="Take back what was copied under this name.")] = False,
    json: AsJson = False,
) -> int:
    """Copy tables, exactly, in chunks that survive any crash: the same command goes on where it stopped."""
    check_file(file)
    one_in = _one_in(sample)
    alone, systems = load(file)
    if alone.migrate is None:
        raise NothingToDo(file, "migrate")
    kind = alone.migrate
    with opened(file, systems, "migrate", name=name, quiet=json) as context:
        if rehearse_it:
            return _guarded(lambda: _rehearsed(kind, context, one_in, as_json=json))
        if undo:
            context.steps = {"migrate": kind}
            return _guarded(lambda: _told(Migrate(undo="migrate").run(context), as_json=json))
        return _guarded(lambda: _told(kind.dry_run(context) if dry_run else kind.run(context), as_json=json))


def reconcile(file: File, *, name: Name = "", json: AsJson = False) -> int:
    """Find out whether two databases say the same, and write a report of the rows and columns that do not."""
    check_file(file)
    alone, systems = load(file)
    if alone.reconcile is None:
        raise NothingToDo(file, "reconcile")
    kind = alone.reconcile
    with opened(file, systems, "reconcile", name=name, quiet=json) as context:
        context.steps = _steps(alone)
        return _guarded(lambda: _told(kind.run(context), as_json=json))


def _steps(alone: Alone) -> dict[str, Any]:
    return {"migrate": alone.migrate} if alone.migrate is not None else {}


def _guarded(act: Any) -> int:
    """A setback has a code of its own: something was begun."""
    try:
        return int(act())
    except Setback as setback:
        complain(str(setback), setback.hint)
        return ExitCode.FAILED


def _told(result: Result, *, as_json: bool) -> int:
    if as_json:
        sys.stdout.write(json_.dumps({"summary": result.summary, "output": result.output}, ensure_ascii=False, indent=2) + "\n")
    else:
        sys.stdout.write(f"{result.summary}\n")
    failed = result.verdict is not None and result.verdict.answer is not Answer.PASSED
    return ExitCode.FAILED if failed else ExitCode.FINE


def _rehearsed(kind: Migrate, context: AloneContext, one_in: int, *, as_json: bool) -> int:
    if kind.from_service:
        raise NoRehearsal(kind.source)
    source, target = context.database(kind.source), context.database(kind.target)
    found = rehearse(kind.mapped_in(context), source, target, context, one_in=one_in)
    expected = sum(table.expected_rejects for table in found.tables.values())
    orphans = sum(each.rows for table in found.tables.values() for each in table.orphans)
    if as_json:
        sys.stdout.write(json_.dumps(_as_json(found), ensure_ascii=False, indent=2) + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in _words(found))
    allowed = kind.mapped.may_reject(sum(table.rows for table in found.tables.values()))
    return ExitCode.FAILED if expected > allowed or orphans else ExitCode.FINE


def _words(found: Rehearsed) -> list[str]:
    lines = []
    for name, table in found.tables.items():
        lines.append(f"{name}: {table.sampled:,} of {counted(table.rows, 'row')} tried")
        lines += [f"  {each.column or 'row'}: {counted(each.rows, 'row')} refused: {each.reason}" for each in table.refused]
        if table.refused:
            lines.append(f"  about {counted(table.expected_rejects, 'dead letter')} to expect of all rows")
        lines += [f"  {each.column}: {counted(each.rows, 'row')} for which {each.parent} brings no row" for each in table.orphans]
    whole, tail = (seconds / 60 for seconds in (found.expected_seconds, found.expected_tail))
    short = found.seconds < _SHORT_S and found.expected_seconds > found.seconds
    lines.append(
        f"all rows would take {'at most ' if short else ''}about {whole:,.1f} min at this rate, {tail:,.1f} of them after the "
        "last row of each table (counting, counters, statistics, indexes made later); foreign keys are not in a sample"
    )
    if short:
        lines.append(
            f"the sample took {found.seconds:,.1f} s, much of it to begin, which the whole does only once: "
            "a larger `--sample` tells it closer"
        )
    return lines


def _as_json(found: Rehearsed) -> dict[str, Any]:
    return {
        "tables": {
            name: {
                "rows": table.rows,
                "sampled": table.sampled,
                "refused": [{"column": each.column, "reason": each.reason, "rows": each.rows} for each in table.refused],
                "expected_rejects": table.expected_rejects,
                "orphans": [{"column": each.column, "parent": each.parent, "rows": each.rows} for each in table.orphans],
            }
            for name, table in found.tables.items()
        },
        "seconds": round(found.seconds, 3),
        "expected_seconds": round(found.expected_seconds, 1),
        "expected_tail": round(found.expected_tail, 1),
    }


def _one_in(share: str) -> int:
    try:
        percent = float(share.removesuffix("%"))
    except ValueError:
        raise ShareUnclear(share) from None
    if not share.endswith("%") or not 0.001 <= percent <= 100:  # noqa: PLR2004 - as the hint says
        raise ShareUnclear(share)
    return max(1, round(100 / percent))
