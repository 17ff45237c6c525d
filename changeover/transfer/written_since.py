"""What was written into copied tables since they were copied: put into a file before an undo takes it away."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from changeover.errors import Setback
from changeover.transfer.reconcile.differences import Compared, Gap
from changeover.transfer.reconcile.drilling import compare, expected_keys
from changeover.transfer.reconcile.mapped_pairs import Copied

#: More rows than anybody would bring over by hand.
_MOST: Final = 1_000_000
_HAPPENED: Final = {Gap.EXTRA: "added", Gap.DIFFERS: "changed", Gap.MISSING: "deleted"}


@dataclass(eq=False)
class TooMuchWrittenSince(Setback):
    """So much was written since the copy that an undo is no way back."""

    table: str
    rows: int

    def __str__(self) -> str:
        return f"more than {self.rows:,} rows of {self.table} were written since they were copied; nothing was taken back"

    @property
    def hint(self) -> str:
        return "that is another system by now: mend what is wrong in it, or restore its backup on the word of whoever owns it"


@dataclass(eq=False)
class NotExported(Setback):
    """The rows cannot be put into a file, so nothing goes back."""

    path: Path
    why: str

    def __str__(self) -> str:
        return f"what was written since cannot be exported to {self.path}: {self.why}; nothing was taken back"

    @property
    def hint(self) -> str:
        return "make room, or make the folder writable, then try the step again"


def export_written_since(tables: Sequence[Copied], path: Path, check_stopped: Callable[[], None]) -> dict[str, int]:
    """Write every row that was added, changed or deleted since into *path*, one JSON object a line; how many, by table.

    The source stands still, so whatever differs from it was written since.

    Raises:
        TooMuchWrittenSince, NotExported: nothing may be taken back.
    """
    counts: dict[str, int] = {}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.new")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            for copied in tables:
                letters = expected_keys(copied.pair, [letter.key for letter in copied.letters])
                compared = compare(copied.pair, lambda *_: check_stopped(), limit=_MOST, expected_missing=letters)
                if not compared.complete:
                    raise TooMuchWrittenSince(compared.table, _MOST)
                counts[compared.table] = len(compared.differences)
                file.writelines(_lines(compared))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise NotExported(path, (error.strerror or str(error)).lower()) from error
    return counts


def _lines(compared: Compared) -> Iterator[str]:
    for difference in compared.differences:
        row = {field.column: field.target for field in difference.fields}
        was = {field.column: field.source for field in difference.fields}
        told: dict[str, Any] = {"table": compared.table, "key": list(difference.key), "happened": _HAPPENED[difference.gap]}
        if difference.gap is not Gap.MISSING:
            told["row"] = row
        if difference.gap is not Gap.EXTRA:
            told["was"] = was
        yield json.dumps(told, ensure_ascii=False) + "\n"
