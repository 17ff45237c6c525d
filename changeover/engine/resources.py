"""What steps act on: databases, hosts and secrets, opened when first asked for, shared, and closed at the end."""

from __future__ import annotations

import difflib
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from changeover.contracts import Database, Host
from changeover.errors import Mistake
from changeover.project import Project
from changeover.runbook.systems import Systems
from changeover.secrets import Secrets

if TYPE_CHECKING:
    from changeover.remote.hosts import Hosts

_SORTS: Final = ("hosts", "services", "channels", "databases")


@dataclass(eq=False)
class NotInSystems(Mistake):
    """A step named something that the systems file does not have."""

    sort: str
    name: str
    known: tuple[str, ...]

    def __str__(self) -> str:
        return f"the systems file has no {self.sort.removesuffix('s')} called {self.name!r}"

    @property
    def hint(self) -> str:
        near = difflib.get_close_matches(self.name, self.known, n=3)
        return f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(self.known) or 'none'}"


@dataclass(slots=True)
class Resources:
    """Everything of one incarnation of the engine that steps share. Thread-safe."""

    systems: Systems
    project: Project
    secrets: Secrets
    folder: Path
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _databases: dict[str, Database] = field(default_factory=dict)
    _hosts: Hosts | None = None
    _open: ExitStack = field(default_factory=ExitStack)

    def database(self, name: str) -> Database:
        """The database called *name*, opened once."""
        entry = self.system("databases", name)
        with self._lock:
            if name not in self._databases:
                from changeover.transfer.databases import open_database  # noqa: PLC0415 - drivers load when needed

                opened = open_database(name, entry, self.secrets.resolve(entry.password) if entry.password else "")
                self._open.callback(opened.close)
                self._databases[name] = opened
            return self._databases[name]

    def hosts(self, names: Sequence[str]) -> tuple[Host, ...]:
        """The hosts that *names* stand for, each once."""
        with self._lock:
            if self._hosts is None:
                from changeover.remote.hosts import Hosts  # noqa: PLC0415 - paramiko loads when needed

                self._hosts = Hosts(self.systems, base=self.folder, secret=self.secrets.resolve)
                self._open.callback(self._hosts.close)
            hosts = self._hosts
        return hosts.select(names)

    def system(self, sort: str, name: str) -> Any:
        """The entry *name* of *sort*. Raises NotInSystems with near names."""
        if sort not in _SORTS:
            raise NotInSystems(sort, name, ())
        entries: Mapping[str, object] = getattr(self.systems, sort)
        if name not in entries:
            raise NotInSystems(sort, name, tuple(entries))
        return entries[name]

    def function(self, reference: str) -> Callable[..., Any]:
        """The project's function ``folder.module:name``."""
        return self.project.function(reference)

    def close(self) -> None:
        """Close all that was opened."""
        self._open.close()
