"""The file by which people adjust a running step: looked at while the step asks, taken in once for each content.

Content that makes no sense is a warning in the journal, and nothing changes. What the file says is an event like what a
command says; the last word counts, whichever way it came. A new engine does not take in again what an earlier one has.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import yaml

from changeover.contracts import Clock, Value
from changeover.journal.adjustments import NotAnAdjustment, changes_of

#: Seconds between two looks at the file.
LOOK_EVERY: Final = 1.0
_LARGEST: Final = 16 * 1024
_DIGITS: Final = 16


@dataclass(frozen=True, slots=True)
class Content:
    """What a control file says."""

    changes: dict[str, Value]
    why: str
    by: str
    digest: str


@dataclass(slots=True)
class ControlFile:
    """The control file of one attempt."""

    path: Path
    clock: Clock
    warn: Callable[[str], None]
    _seen: tuple[int, int, int] | None = field(default=None, init=False)
    _looked: float | None = field(default=None, init=False)
    _digest: str = field(default="", init=False)
    _warned: str = field(default="", init=False)

    def look(self, known: str) -> Content | None:
        """What it says, when that is new; *known* is the digest of what was taken in last."""
        now = self.clock.monotonic()
        if self._looked is not None and now - self._looked < LOOK_EVERY:
            return None
        self._looked = now
        try:
            found = self.path.stat()
            seen = (found.st_mtime_ns, found.st_size, found.st_ino)
            if seen == self._seen:
                return None
            self._seen = seen
            return self._read(known, found)
        except FileNotFoundError:
            self._seen = None
        except OSError as error:
            self._warn(f"{self.path} cannot be read: {(error.strerror or str(error)).lower()}; nothing changes")
        return None

    def _read(self, known: str, found: os.stat_result) -> Content | None:
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST:
            self._warn(f"{self.path} is no file of at most {_LARGEST // 1024} KiB; nothing changes")
            return None
        raw = self.path.read_bytes()
        digest = hashlib.sha256(raw).hexdigest()[:_DIGITS]
        if digest in {known, self._digest} or not raw.strip():
            return None
        self._digest = digest
        try:
            return _content(raw, _owner(found.st_uid), digest)
        except NotAnAdjustment as wrong:
            self._warn(f"{self.path}: {wrong}; nothing changes ({wrong.hint})")
        return None

    def _warn(self, text: str) -> None:
        """Once for each thing that is wrong."""
        if text != self._warned:
            self._warned = text
            self.warn(text)


def _content(raw: bytes, owner: str, digest: str) -> Content:
    try:
        said = yaml.safe_load(raw.decode("utf-8"))
    except (UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise NotAnAdjustment("it cannot be read as `name: value` lines") from error
    if not isinstance(said, dict):
        raise NotAnAdjustment("it holds no `name: value` lines")
    values = {str(name): value for name, value in said.items()}
    why = str(values.pop("why", "") or "")
    return Content(changes_of(values), why, f"the control file (written by {owner})", digest)


def _owner(uid: int) -> str:
    try:
        import pwd  # noqa: PLC0415 - there is none on Windows

        return pwd.getpwuid(uid).pw_name
    except (ImportError, KeyError):
        return f"user {uid}"
