"""A run's status for other programs. Moments are ISO 8601 with the offset of the runbook's zone, durations are seconds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final
from zoneinfo import ZoneInfo

from changeover.status.model import RunStatus


def as_json(status: RunStatus) -> dict[str, Any]:
    """*status* as plain values: every field of the dataclasses under its name, and what their properties add."""
    zone = ZoneInfo(status.timezone)
    document: dict[str, Any] = plain(status, zone)
    document["counts"] = {state.value: count for state, count in status.counts.items()}
    document["running"] = [step.key for step in status.running]
    document["failed"] = [step.key for step in status.failed]
    for clock, written in zip(status.clocks, document["clocks"], strict=True):
        written["over"] = clock.over
    return document


def plain(value: Any, zone: ZoneInfo) -> Any:
    """Dataclasses, enums, moments and durations as what JSON can hold."""
    if value is None or type(value) in _AS_IT_IS:
        return value
    if isinstance(value, datetime):
        return value.astimezone(zone).isoformat(timespec="seconds")
    if isinstance(value, timedelta):
        return round(value.total_seconds(), 3)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(plain(name, zone)): plain(entry, zone) for name, entry in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(entry, zone) for entry in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: plain(getattr(value, name), zone) for name in value.__dataclass_fields__}
    return value


_AS_IT_IS: Final = frozenset({str, int, float, bool})
