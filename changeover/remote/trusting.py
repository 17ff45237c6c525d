"""Writing down host keys that a person has compared. Nothing here decides that a key is good."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from changeover.errors import Mistake
from changeover.remote.known_hosts import KnownKey, fingerprint, known_keys
from changeover.remote.login import Login


class Trust(StrEnum):
    """How a key that a host shows compares with what is written down."""

    KNOWN = "known"
    UNKNOWN = "unknown"
    CHANGED = "changed"
    REVOKED = "revoked"


@dataclass(eq=False)
class CannotWriteDown(Mistake):
    """The known_hosts file cannot be written."""

    path: Path
    why: str

    def __str__(self) -> str:
        return f"{self.path} cannot be written: {self.why}"


def standing(login: Login, key: KnownKey) -> Trust:
    """How *key* compares with the known_hosts file of *login*. Raises OSError when that cannot be read."""
    try:
        lines = login.known_hosts.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return Trust.UNKNOWN
    known = known_keys(lines, login.known_as)
    if any(entry.blob == key.blob and entry.revoked for entry in known):
        return Trust.REVOKED
    trusted = [entry for entry in known if not entry.revoked]
    if any(entry.blob == key.blob for entry in trusted):
        return Trust.KNOWN
    return Trust.CHANGED if trusted else Trust.UNKNOWN


def same_fingerprint(expected: str, key: KnownKey) -> bool:
    """Whether a person's *expected* is the fingerprint of *key*; `SHA256:` before it and `=` behind it may be left out."""
    return expected.strip().removeprefix("SHA256:").rstrip("=") == fingerprint(key.blob).removeprefix("SHA256:")


def write_down(login: Login, key: KnownKey) -> None:
    """Add *key* to the known_hosts file of *login*, for good. Raises CannotWriteDown."""
    line = f"{login.known_as} {key.sort} {base64.b64encode(key.blob).decode()}\n"
    try:
        login.known_hosts.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(login.known_hosts, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            before = "\n" if size and os.pread(descriptor, 1, size - 1) != b"\n" else ""
            os.write(descriptor, f"{before}{line}".encode())  # one write: two of us do not mix their lines
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise CannotWriteDown(login.known_hosts, error.strerror or str(error)) from error
