"""Files of the project that steps send somewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from changeover.contracts import Context
from changeover.errors import Mistake


@dataclass(eq=False)
class FileNotReadable(Mistake):
    """A step names a file that cannot be read."""

    path: Path
    why: str

    def __str__(self) -> str:
        return f"cannot read {self.path}: {self.why}"

    @property
    def hint(self) -> str:
        return "Paths are relative to the project's folder."


def path_of(context: Context, file: str) -> Path:
    """The file called *file*, which must exist.

    Raises:
        FileNotReadable: it does not, or is no file.
    """
    path = context.folder / file
    if not path.is_file():
        raise FileNotReadable(path, "it is a folder" if path.is_dir() else "there is no such file")
    return path


def content_of(context: Context, file: str) -> bytes:
    """Its content.

    Raises:
        FileNotReadable: it cannot be read.
    """
    path = path_of(context, file)
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileNotReadable(path, error.strerror or str(error)) from error
