"""What arrived, beside what should have: rows and checksums of both CRMs, by the runbook's own selection of columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from changeover.plan.model import Plan
from changeover.runbook.bundle import Bundle
from changeover.secrets import Secrets
from changeover.transfer.checksums import Selection, checksums_of_pair
from changeover.transfer.databases import OpenDatabase, open_database

#: The step whose arguments say which columns can be compared as they are.
STEP: Final = "every-sum-agrees"


@dataclass(frozen=True, slots=True)
class Compared:
    """One table on both sides."""

    table: str
    columns: int
    source_rows: int
    target_rows: int
    source: str  # the checksum's beginning
    target: str

    @property
    def agrees(self) -> bool:
        """Whether nothing is missing and nothing differs."""
        return (self.source_rows, self.source) == (self.target_rows, self.target)


def compare(bundle: Bundle, plan: Plan, root: Path) -> list[Compared]:
    """Read both databases again, after the run, and compare. KeyError when the runbook has no such step."""
    wanted = plan.forward[STEP].step.arguments
    with ExitStack() as stack:
        source = stack.enter_context(_open(bundle, str(wanted["source"]), root))
        target = stack.enter_context(_open(bundle, str(wanted["target"]), root))
        return [_compared(source, target, entry) for entry in _tables(wanted)]


def _open(bundle: Bundle, name: str, root: Path) -> closing[OpenDatabase]:
    entry = bundle.systems.databases[name]
    password = Secrets(root).resolve(entry.password) if entry.password else ""
    return closing(open_database(name, entry, password, base=root))


def _tables(wanted: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return [entry if isinstance(entry, Mapping) else {"from": entry} for entry in wanted["tables"]]


def _compared(source: OpenDatabase, target: OpenDatabase, entry: Mapping[str, Any]) -> Compared:
    into = str(entry.get("to", entry["from"]))
    columns = tuple(entry.get("columns", ()))
    one, two, names = checksums_of_pair(
        source,
        Selection(str(entry["from"]), columns, str(entry.get("where", ""))),
        target,
        Selection(into, tuple(entry.get("target_columns", ())), str(entry.get("target_where", ""))),
    )
    return Compared(into, len(names), one.rows, two.rows, one.digest[:12], two.digest[:12])
