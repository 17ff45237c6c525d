"""`changeover lint`: everything that is wrong with runbooks, in one pass."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from changeover.cli.exit_codes import ExitCode
from changeover.errors import Mistake

if TYPE_CHECKING:
    from changeover.runbook.findings import Finding

_IS_RUNBOOK: Final = re.compile(rb"""^(?:["']?)changeover(?:["']?)\s*:|^\{\s*changeover\s*:""", re.MULTILINE)
_SUFFIXES: Final = frozenset({".yaml", ".yml"})


@dataclass(eq=False)
class NoRunbooks(Mistake):
    """A folder without runbooks."""

    folder: Path

    def __str__(self) -> str:
        return f"there is no runbook in {self.folder}"

    @property
    def hint(self) -> str:
        return "a runbook is a YAML file that begins with `changeover: 1`"


@dataclass(frozen=True, slots=True)
class Linted:
    """What came out for one runbook; findings name their files relative to the working folder."""

    findings: tuple[Finding, ...]
    systems: bool  # whether its systems were looked at too, or it has none


def lint(
    files: Annotated[list[Path], typer.Argument(help="Runbooks, or folders with runbooks.", show_default=False)],
    environment: Annotated[
        str, typer.Option("--environment", "-e", help="Also check the systems of this environment.", show_default=False)
    ] = "",
    *,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as one JSON document.")] = False,
) -> int:
    """Find what is wrong in runbooks, all at once; exit code 2 when there are errors."""
    runbooks = list(dict.fromkeys(runbook for file in files for runbook in _runbooks(file)))
    linted = [examined(runbook, environment) for runbook in runbooks]
    findings = list(dict.fromkeys(finding for each in linted for finding in each.findings))
    if json:
        from json import dumps  # noqa: PLC0415 - loaded when called, so that --help is quick

        typer.echo(dumps({"findings": [as_json(finding) for finding in findings]}, ensure_ascii=False, indent=2))
    else:
        from changeover.cli.findings_view import show  # noqa: PLC0415

        show(findings, checked=len(runbooks), without_systems=not all(each.systems for each in linted))
    return ExitCode.MISTAKE if any(finding.severity == "error" for finding in findings) else ExitCode.FINE


def as_json(finding: Finding) -> dict[str, Any]:
    """One finding for other programs."""
    return {
        "file": finding.at.file,
        "line": finding.at.line,
        "column": finding.at.column,
        "code": finding.code,
        "severity": finding.severity.value,
        "message": finding.message,
        "hint": finding.hint,
    }


def examined(file: Path, environment: str) -> Linted:
    """Everything that can be found out about the runbook *file* without running it."""
    from dataclasses import replace  # noqa: PLC0415 - loaded when called, so that --help is quick

    from changeover.plan.preflight import examine  # noqa: PLC0415
    from changeover.project import NoProject, Project  # noqa: PLC0415

    try:
        project, alone = Project.find(file.parent), False
    except NoProject:
        project, alone = Project(file.parent.absolute()), True  # a single file: nobody knows its functions
    found = examine(
        file,
        environment=environment or None,
        inputs={},
        kinds=project.load_kinds(),
        root=project.root,
        resolve=None if alone else project,
    )
    here = tuple(
        replace(finding, at=finding.at._replace(file=_from_here(project.root / finding.at.file))) for finding in found.findings
    )
    return Linted(here, bool(environment) or found.bundle is None or not found.bundle.runbook.systems)


def _from_here(path: Path) -> str:
    """*path* as a person in the working folder would type it."""
    near = os.path.relpath(path)
    return near if not near.startswith("../../..") else str(path)


def _runbooks(file: Path) -> Iterator[Path]:
    if not file.is_dir():
        yield file
        return
    found = [
        path for path in sorted(file.rglob("*")) if path.suffix in _SUFFIXES and not _hidden(path, file) and _is_runbook(path)
    ]
    if not found:
        raise NoRunbooks(file)
    yield from found


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _is_runbook(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return _IS_RUNBOOK.search(file.read(65_536)) is not None
    except OSError:
        return False
