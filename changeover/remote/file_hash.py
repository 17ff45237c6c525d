"""SHA-256 of a file, here and on a host."""

from __future__ import annotations

import hashlib
import io
import shlex
from pathlib import Path

from changeover.contracts import Completed


def hash_command(path: str) -> str:
    """A command that prints the SHA-256 of *path* on a host, or nothing when there is no such file."""
    quoted = shlex.quote(path)
    return f"if test -f {quoted}; then sha256sum < {quoted} || shasum -a 256 < {quoted}; fi"


def hash_in(completed: Completed) -> str:
    """The SHA-256 in the output of :func:`hash_command`; empty when there is no such file."""
    words = completed.stdout.split()
    return words[0] if completed.exit == 0 and words else ""


def digest_of(content: bytes | Path) -> str:
    """The SHA-256 of *content*, in hexadecimal."""
    with opened(content) as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def opened(content: bytes | Path) -> io.BytesIO | io.BufferedReader:
    """*content* as a stream to read from; close it."""
    return io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")
