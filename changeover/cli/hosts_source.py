"""Which hosts a command is about: those of a runbook's environment, of a systems file, or of an Ansible inventory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from changeover.cli.files import check_file
from changeover.errors import Mistake

if TYPE_CHECKING:
    from changeover.project import Project
    from changeover.runbook.findings import Finding
    from changeover.runbook.systems import Systems

_YAML = (".yaml", ".yml")


@dataclass(eq=False)
class EnvironmentNeeded(Mistake):
    """A runbook's hosts stand in the systems file of an environment."""

    file: Path

    def __str__(self) -> str:
        return f"which hosts {self.file} means depends on the environment"

    @property
    def hint(self) -> str:
        return "say --environment NAME, or name the systems file instead"


@dataclass(frozen=True, slots=True)
class Source:
    """The systems at hand, and the names that were asked for, as hosts."""

    systems: Systems
    root: Path
    names: tuple[str, ...]
    findings: tuple[Finding, ...]  # warnings


def source_of(file: Path, environment: str, names: list[str]) -> Source:
    """Load the hosts of *file*; *names* left out: all of them. Raises RunbookRefused, HostNotListed, EnvironmentNeeded."""
    from changeover.project import NoProject, Project  # noqa: PLC0415 - loaded when called, so that --help is quick
    from changeover.remote.inventory import hosts_of  # noqa: PLC0415
    from changeover.runbook.findings import RunbookRefused  # noqa: PLC0415

    check_file(file)
    try:
        project = Project.find(file.absolute().parent)
    except NoProject:
        project = Project(file.absolute().parent)
    systems, findings = _loaded(file, environment, project)
    if any(found.stops_run for found in findings):
        raise RunbookRefused(findings)
    return Source(systems, project.root, hosts_of(systems, names or systems.hosts), findings)


def _loaded(file: Path, environment: str, project: Project) -> tuple[Systems, tuple[Finding, ...]]:
    from changeover.runbook.load import load, load_systems  # noqa: PLC0415
    from changeover.runbook.systems import Systems  # noqa: PLC0415

    words = _words(file)
    if "changeover" not in words:
        return load_systems(file, root=project.root, environment=environment, foreign=not words & _ours())
    if not environment:
        raise EnvironmentNeeded(file)
    loaded = load(file, environment=environment, kinds=project.load_kinds(), root=project.root)
    return loaded.bundle.systems if loaded.bundle is not None else Systems(), loaded.findings


def _ours() -> set[str]:
    from changeover.runbook.dataclass_reader import field_plans  # noqa: PLC0415
    from changeover.runbook.systems import SystemsFile  # noqa: PLC0415

    return {plan.word for plan in field_plans(SystemsFile)}


def _words(file: Path) -> set[str]:
    """The words at the top of *file*; none when it is no YAML mapping."""
    from changeover.runbook.tree import Mapping_  # noqa: PLC0415
    from changeover.runbook.yaml_text import parse  # noqa: PLC0415

    if file.suffix not in _YAML:
        return set()
    tree, _ = parse(file.read_text(encoding="utf-8", errors="replace"), str(file))
    return set(tree.entries) if isinstance(tree, Mapping_) else set()
