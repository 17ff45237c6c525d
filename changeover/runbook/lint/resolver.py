"""What lint asks the project, which it never looks at by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Resolver(Protocol):
    """Whoever knows the project's functions and files."""

    def function(self, reference: str) -> Callable[..., Any]:
        """The function ``folder.module:name``; a Mistake that says why when there is none."""
        ...

    def has_file(self, path: str) -> bool:
        """Whether the project has a file at *path*, relative to its root."""
        ...
