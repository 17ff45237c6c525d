"""What still runs of a sandbox although nobody wrote it down: its starter may have died at any moment."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Final

from changeover.sandbox import processes
from changeover.sandbox.hosts import COOKIE
from changeover.sandbox.processes import ProcessRecord

_POLITELY: Final = {"postgresql": signal.SIGINT}
_PROGRAMS: Final = frozenset(
    {"postgres", "initdb", "mariadbd", "mysqld", "mariadb-install-db", "mysql_install_db", "sshd", "haproxy"},
)


def polite_signal(name: str) -> signal.Signals:
    """How a server is asked to end at once, but in order."""
    return _POLITELY.get(name, signal.SIGTERM)


def find(folder: Path) -> list[ProcessRecord]:
    """Servers whose arguments name a folder of ours, and everything that carries our cookie."""
    places = [folder, *(link.readlink() for link in folder.iterdir() if link.is_symlink())]
    found = []
    for pid in processes.every_pid():
        if _names_a_place(pid, places) or _carries_cookie(pid, folder):
            record = processes.record_of(pid)
            if record is not None:
                found.append(record)
    return found


def end_all(folder: Path) -> None:
    """End them."""
    for record in find(folder):
        processes.end(record, seconds=5.0)


def _names_a_place(pid: int, places: list[Path]) -> bool:
    """Whether it is one of the programs that we start, on one of our folders.

    A server that writes its own title (``sshd: /usr/sbin/sshd -f FILE [listener]``) leaves all of it in one argument.
    """
    line = " ".join(_read(pid, "cmdline"))
    if not any(word.rpartition("/")[2].rstrip(":") in _PROGRAMS for word in line.split()[:2]):
        return False
    return any(f"{place}/" in f"{line}/".replace(" ", "/") or f"{place}/" in line for place in places)


def _carries_cookie(pid: int, folder: Path) -> bool:
    return f"{COOKIE}={folder}" in _read(pid, "environ")


def _read(pid: int, name: str) -> list[str]:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        return []
