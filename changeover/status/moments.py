"""Moments that stand in events as ISO texts."""

from __future__ import annotations

from datetime import UTC, datetime

from changeover.contracts import Value


def moment_in(value: Value) -> datetime | None:
    """The moment that an event's *value* says, in UTC; None when it says none."""
    if not isinstance(value, str) or not value:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo is not None else found.replace(tzinfo=UTC)
