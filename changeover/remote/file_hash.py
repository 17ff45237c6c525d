"""SHA-256 of a file, here and on a host."""

from __future__ import annotations

import hashlib
import io
import shlex
import threading
import time
from functools import lru_cache
from pathlib import Path
from typing import Final

from changeover.contracts import Completed

#: Nanoseconds after its last change from which a file that looks the same is the same.
_SETTLED: Final = 2_000_000_000
_REMEMBERED: Final = 64


def hash_command(path: str) -> str:
    """A command that prints the SHA-256 of *path* on a host, or nothing when there is no such file."""
    quoted = shlex.quote(path)
    return f"if test -f {quoted}; then sha256sum < {quoted} || shasum -a 256 < {quoted}; fi"


def hash_in(completed: Completed) -> str:
    """The SHA-256 in the output of :func:`hash_command`; empty when there is no such file."""
    words = completed.stdout.split()
    return words[0] if completed.exit == 0 and words else ""


def digest_of(content: bytes | Path) -> str:
    """The SHA-256 of *content*, in hexadecimal. A file that goes to many hosts is read for it once, while it stays as it is."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    found = content.stat()
    if time.time_ns() - found.st_mtime_ns < _SETTLED:  # another change might leave the same time
        return _hashed(content)
    key = (content, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    with _turn(*key):  # who comes second finds it
        return _remembered(*key)


@lru_cache(maxsize=_REMEMBERED)
def _turn(*_key: object) -> threading.Lock:
    return threading.Lock()


@lru_cache(maxsize=_REMEMBERED)
def _remembered(content: Path, *_key: object) -> str:
    return _hashed(content)


def _hashed(content: Path) -> str:
    with content.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def opened(content: bytes | Path) -> io.BytesIO | io.BufferedReader:
    """*content* as a stream to read from; close it."""
    return io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")
