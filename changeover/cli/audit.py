"""``audit``: whether a run's record is as it was written, here or from a file that somebody kept."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import changeover
from changeover.cli import render
from changeover.cli.choosing import shown_run
from changeover.cli.exit_codes import ExitCode
from changeover.cli.failing import complain
from changeover.cli.report import write
from changeover.cli.session import open_session
from changeover.errors import Mistake
from changeover.journal.audit import SHORTEST, Audit, audit, lines_of, record_of

if TYPE_CHECKING:
    from changeover.journal.audit import Record

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    help="Prove that the record of a run is as it was written.",
)

AnyRun = Annotated[
    str, typer.Argument(metavar="RUN", help="The run; left out: the only active one, or the newest.", show_default=False)
]


@dataclass(eq=False)
class HeadTooShort(Mistake):
    """So few digits could stand anywhere."""

    head: str

    def __str__(self) -> str:
        return f"{self.head!r} is no head: give {SHORTEST} or more of its hexadecimal digits"

    @property
    def hint(self) -> str:
        return "chat shows it at every gate, and the report under Evidence"


@app.command()
def verify(
    run: AnyRun = "",
    *,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="An export instead of the journal; needs no project.")
    ] = None,
    head: Annotated[
        str, typer.Option("--head", help="A head that was noted elsewhere: in chat, in a report.", show_default=False)
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one JSON object.")] = False,
) -> int:
    """Find every row that was flipped, dropped or moved, and whatever does not fit the rows.

    Whoever can rewrite the whole journal can also rewrite its hashes: only a head that was kept elsewhere proves that
    nobody did. Give it with --head.
    """
    if head and (len(head) < SHORTEST or not set(head.lower()) <= set("0123456789abcdef")):
        raise HeadTooShort(head)
    found = audit(_from_file(file, head) if file is not None else _from_journal(run, head))
    _tell(found, head, as_json=as_json)
    return ExitCode.MISTAKE if found.wrong else ExitCode.FINE


@app.command()
def export(
    run: AnyRun = "",
    *,
    output: Annotated[str, typer.Option("--output", "-o", help="The file; `-` is standard output.")] = "-",
) -> None:
    """Write a run's whole record as JSON lines, which `audit verify --file` proves anywhere."""
    record = _from_journal(run, "")
    text = "".join(f"{line}\n" for line in lines_of(record, version=changeover.__version__))
    if output == "-":
        sys.stdout.write(text)
        return
    write(Path(output), text)
    sys.stdout.write(f"{output}\n")


def _from_journal(run: str, head: str) -> Record:
    with open_session() as session:
        return session.journal.record(shown_run(session.journal, run).id, kept=head)


def _from_file(file: Path, head: str) -> Record:
    return record_of(file.read_bytes().decode("utf-8", "replace").removesuffix("\n").split("\n"), kept=head)


def _tell(found: Audit, head: str, *, as_json: bool) -> None:
    if as_json:
        document = {
            "run": found.run,
            "whole": not found.wrong,
            "rows": found.rows,
            "head": found.head,
            "wrong": list(found.wrong),
        }
        sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
        return
    for sentence in found.wrong:
        complain(render.safe(f"{found.run}: {sentence}"), "")
    if found.wrong:
        return
    noted = f", and holds the head {head} that was noted elsewhere" if head else ""
    text = f"{found.run}: {found.rows:,} rows, whole{noted}; its head is {found.head}"
    render.console().print(render.safe(text), soft_wrap=True)
