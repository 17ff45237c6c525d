"""What is known of a running sandbox, in a file: enough for anybody to stop it, whatever became of who started it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from changeover.sandbox.processes import ProcessRecord, is_alive

_SCHEMA: Final = 1


@dataclass(frozen=True, slots=True)
class Part:
    """A database or a way to reach hosts, and what stands behind it."""

    name: str
    by: str  # mariadb, postgresql, sqlite, openssh, paramiko
    version: str = ""
    source: str = ""  # of PostgreSQL: system or wheel
    why: str = ""  # why it is not what one would rather have

    def __str__(self) -> str:
        words = [_TITLES.get(self.by, self.by), self.version, "(from the wheel)" if self.source == "wheel" else ""]
        return " ".join([word for word in words if word]) + (f", because {self.why}" if self.why else "")


_TITLES: Final = {
    "mariadb": "MariaDB",
    "postgresql": "PostgreSQL",
    "sqlite": "SQLite",
    "openssh": "OpenSSH",
    "haproxy": "haproxy",
    "front-end": "its own door",
    "paramiko": "our own SSH server",
}


@dataclass(frozen=True, slots=True)
class State:
    """A sandbox, as it was started."""

    folder: Path
    customers: int
    fault: str = ""
    ready: bool = False  # False: it is being started, or its starter died
    parts: tuple[Part, ...] = ()
    processes: tuple[ProcessRecord, ...] = ()
    databases: Mapping[str, str] = field(default_factory=dict)  # name -> URL with password
    addresses: Mapping[str, str] = field(default_factory=dict)  # service -> URL
    homes: Mapping[str, str] = field(default_factory=dict)  # host -> its home

    @property
    def running(self) -> bool:
        """Whether it is complete and all its processes live."""
        return self.ready and all(is_alive(process) for process in self.processes)

    def part(self, name: str) -> Part:
        """One of its parts. KeyError when there is none."""
        for part in self.parts:
            if part.name == name:
                return part
        raise KeyError(name)


def file_of(folder: Path) -> Path:
    """Where it stands."""
    return folder / "state.json"


def write(state: State) -> None:
    """Write it, whole or not at all, readable by its owner alone: it holds passwords."""
    content = {**asdict(state), "schema": _SCHEMA, "folder": str(state.folder)}
    unfinished = state.folder / "state.part"
    unfinished.touch(mode=0o600)
    unfinished.write_text(json.dumps(content, indent=1), encoding="utf-8")
    unfinished.rename(file_of(state.folder))


def read(folder: Path) -> State | None:
    """What stands there; None when there is nothing, or nothing that can be read."""
    try:
        content = json.loads(file_of(folder).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict) or content.get("schema") != _SCHEMA:
        return None
    return State(
        folder=folder,
        customers=content["customers"],
        fault=content["fault"],
        ready=content["ready"],
        parts=tuple(Part(**part) for part in content["parts"]),
        processes=tuple(ProcessRecord(**process) for process in content["processes"]),
        databases=content["databases"],
        addresses=content["addresses"],
        homes=content["homes"],
    )
