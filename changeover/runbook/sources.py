"""The texts a runbook is made of: read from the project's files, or from the journal of a run."""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from changeover.runbook.codes import finding
from changeover.runbook.findings import Finding
from changeover.runbook.position import NOWHERE, Position
from changeover.runbook.tree import Node
from changeover.runbook.yaml_text import MAX_BYTES, parse

_UTF16: Final = (b"\xff\xfe", b"\xfe\xff", b"\x00")
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(slots=True)
class Sources:
    """Reads files once, remembers their texts, and turns every problem into a finding."""

    root: Path
    read: Callable[[str], str] | None = None  # instead of the disk
    texts: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def name(self, path: Path) -> str:
        """How *path* is called in the sources: relative to the project, with slashes."""
        if self.read is not None:
            return path.as_posix()
        return Path(os.path.relpath(Path.cwd() / path, self.root.resolve())).as_posix()

    def beside(self, source: str, other: str) -> str:
        """How the file *other*, named in *source*, is called."""
        return posixpath.normpath(posixpath.join(posixpath.dirname(source), other))

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        if self.read is None:
            return (self.root / name).exists()
        try:
            self.read(name)
        except (LookupError, OSError):
            return False
        return True

    def tree(self, name: str, wanted_at: Position = NOWHERE) -> Node | None:
        """The tree of the file; None, with findings, when there is none. *wanted_at*: where it is asked for."""
        text = self.text(name, wanted_at)
        if text is None:
            return None
        tree, findings = parse(text, name)
        self.findings += findings
        if tree is None and not findings:
            hint = "write the file, or remove what names it"
            self.findings.append(finding("empty-file", f"`{name}` is empty", hint, Position(name, 1, 1)))
        return tree

    def text(self, name: str, wanted_at: Position = NOWHERE) -> str | None:
        """The text of the file; None, with a finding, when there is none. *wanted_at*: where it is asked for."""
        at = wanted_at if wanted_at != NOWHERE else Position(name, 1, 1)
        try:
            text = self.texts[name] = self._text(name, at)
        except _Refused as refused:
            self.findings.append(refused.finding)
            return None
        return text

    def _text(self, name: str, at: Position) -> str:
        if self.read is not None:
            try:
                return self.read(name)
            except (LookupError, OSError) as problem:
                message, hint = f"`{name}` is not among the texts of this run", "it was added later; start a new run"
                raise _Refused(finding("file-missing", message, hint, at)) from problem
        path = self.root / name
        try:
            content = _content(path)
        except FileNotFoundError as problem:
            raise _Refused(finding("file-missing", f"there is no file `{name}`", _neighbours(path), at)) from problem
        except (OSError, ValueError) as problem:
            message = f"`{name}` cannot be read: {getattr(problem, 'strerror', None) or problem}"
            raise _Refused(finding("file-unreadable", message, "look at its name, type and permissions", at)) from problem
        if len(content) > MAX_BYTES:
            message = f"`{name}` is larger than {MAX_BYTES // 1024 // 1024} MiB"
            hint = "split it, and include its parts with the kind `runbook`"
            raise _Refused(finding("file-too-large", message, hint, at))
        return _decoded(content, name)


class _Refused(Exception):
    """A file that cannot be taken, as a finding."""

    def __init__(self, found: Finding) -> None:
        super().__init__(found.message)
        self.finding = found


def _decoded(content: bytes, name: str) -> str:
    if content.startswith(_UTF16) or content[1:2] == b"\x00":
        raise _Refused(finding("not-utf8", "this is UTF-16 or UTF-32", "save the file as UTF-8", Position(name, 1, 1)))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        wrong = content[problem.start]  # counted behind a byte order mark when there is one
        mark = len(_BOM) if content.startswith(_BOM) else 0
        before = content[mark:][: problem.start].decode(errors="replace")
        at = Position(name, before.count("\n") + 1, len(before) - before.rfind("\n"))
        wrong = content[mark + problem.start] if mark else wrong
        raise _Refused(finding("not-utf8", f"the byte 0x{wrong:02X} is not UTF-8", "save the file as UTF-8", at)) from problem


def _content(path: Path) -> bytes:
    """The bytes of an ordinary file, one more than allowed at most. Never waits on a pipe or a device."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is no ordinary file")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)


def _neighbours(path: Path) -> str:
    try:
        names = sorted(entry.name for entry in path.parent.iterdir() if entry.suffix in {".yaml", ".yml"})
    except OSError:
        return "look at its name and folder"
    return "beside it stand " + ", ".join(f"`{name}`" for name in names[:8]) if names else "there is no YAML file in that folder"
