"""Where a run stands, for people and other programs: the journal read, folded, and compared with the plan."""

from __future__ import annotations

from changeover.status.as_json import as_json
from changeover.status.model import RunStatus
from changeover.status.read import RunUnreadable, StatusReader, read

__all__ = ["RunStatus", "RunUnreadable", "StatusReader", "as_json", "read"]
