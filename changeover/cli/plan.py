"""`changeover plan`: times, critical path, and until when one can go back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from changeover.cli.exit_codes import ExitCode
from changeover.cli.files import check_file
from changeover.errors import Mistake

if TYPE_CHECKING:
    from datetime import datetime

    from changeover.contracts import Value
    from changeover.runbook.model import Runbook

#: Larger plans are written without indentation, which would take longer than planning them.
_INDENTED: Final = 500


@dataclass(eq=False)
class StartUnclear(Mistake):
    """A start that is no time, or one that the clock change makes unclear."""

    text: str
    why: str

    def __str__(self) -> str:
        return f"--starts {self.text!r}: {self.why}"

    @property
    def hint(self) -> str:
        return "write it in the runbook's zone, such as '2027-03-13 19:30', or with an offset, such as 2027-03-13T19:30+01:00"


def plan(
    file: Annotated[Path, typer.Argument(help="The runbook.", show_default=False)],
    environment: Annotated[
        str, typer.Option("--environment", "-e", help="Which systems file: hosts of groups, `only:`.", show_default=False)
    ] = "",
    inputs: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="An input; repeat for more.", show_default=False)
    ] = None,
    starts: Annotated[
        str, typer.Option(metavar="TIME", help="When the run starts; left out: when the window opens.", show_default=False)
    ] = "",
    *,
    json: Annotated[bool, typer.Option("--json", help="Print everything as one JSON document.")] = False,
) -> int:
    """Show times, critical path, and until when you can go back."""
    from changeover.cli.inputs import assignments  # noqa: PLC0415 - loaded when called, so that --help is quick
    from changeover.plan.preflight import examine  # noqa: PLC0415
    from changeover.project import NoProject, Project  # noqa: PLC0415

    check_file(file)
    given = assignments(inputs or ())
    try:
        project, alone = Project.find(file.absolute().parent), False
    except NoProject:
        project, alone = Project(file.absolute().parent), True  # a single file: nobody knows its functions
    examined = examine(
        file,
        environment=environment or None,
        inputs=lambda runbook: _known_inputs(runbook, given),
        kinds=project.load_kinds(),
        root=project.root,
        resolve=None if alone else project,
        starts_at=(lambda runbook: moment_of(starts, runbook)) if starts else None,
    )
    if examined.bundle is None or examined.outlook is None:
        from changeover.runbook.findings import RunbookRefused  # noqa: PLC0415

        raise RunbookRefused(examined.findings)
    if json:
        from json import dumps  # noqa: PLC0415

        from changeover.cli.plan_json import document  # noqa: PLC0415

        indent = 2 if len(examined.outlook.plan.forward) <= _INDENTED else None
        typer.echo(dumps(document(examined, examined.bundle, examined.outlook), ensure_ascii=False, indent=indent))
    else:
        from changeover.cli.plan_view import show  # noqa: PLC0415
        from changeover.cli.render import console  # noqa: PLC0415

        show(console(), examined, examined.bundle, examined.outlook)
    return ExitCode.MISTAKE if examined.errors else ExitCode.FINE


def moment_of(text: str, runbook: Runbook) -> datetime:
    """The moment that *text* means: with an offset as it stands, else in the runbook's zone. Raises StartUnclear."""
    from datetime import UTC, datetime  # noqa: PLC0415

    from changeover.runbook import wall_time  # noqa: PLC0415
    from changeover.runbook.model import WallTime  # noqa: PLC0415

    try:
        written = datetime.fromisoformat(text.strip())
    except ValueError:
        raise StartUnclear(text, "this is no time") from None
    if written.tzinfo is not None:
        return written.astimezone(UTC)
    when = WallTime(written)
    odd = wall_time.oddity(when, runbook.zone)
    if odd is not None:
        raise StartUnclear(text, f"this time {odd.value} in {runbook.timezone}")
    return when.at(runbook.zone).astimezone(UTC)


def _known_inputs(runbook: Runbook, given: Mapping[str, str]) -> Mapping[str, Value]:
    """The inputs that were given; a plan can be made without the others."""
    from changeover.cli.inputs import MissingInputs, inputs_of  # noqa: PLC0415

    try:
        return inputs_of(runbook.inputs, given)
    except MissingInputs as missing:
        return inputs_of({name: entry for name, entry in runbook.inputs.items() if name not in missing.missing}, given)
