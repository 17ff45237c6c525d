"""`changeover schema`: the JSON Schema with which editors complete and check runbooks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from changeover.errors import Mistake


@dataclass(eq=False)
class NoSuchSchema(Mistake):
    """There is no schema of that name."""

    name: str

    def __str__(self) -> str:
        return f"there is no schema of {self.name!r}"

    @property
    def hint(self) -> str:
        return "there are runbook, people, systems and inventory"


def schema(
    file: Annotated[str, typer.Argument(help="runbook, people, systems or inventory.", show_default=True)] = "runbook",
) -> None:
    """Print the JSON Schema; a project's own step kinds are in it.

    Editors with yaml-language-server use it when the first line of a runbook says where it is:
    # yaml-language-server: $schema=../runbook.schema.json
    """
    from json import dumps  # noqa: PLC0415 - loaded when called, so that --help is quick

    from changeover.project import NoProject, Project  # noqa: PLC0415
    from changeover.runbook.schema import FILES  # noqa: PLC0415
    from changeover.runbook.schema import schema as written  # noqa: PLC0415

    if file not in FILES:
        raise NoSuchSchema(file)
    try:
        project = Project.find(Path.cwd())
    except NoProject:
        project = Project(Path.cwd())  # outside of any project there are the kinds of changeover
    typer.echo(dumps(written(project.load_kinds(), file), ensure_ascii=False, indent=2))
