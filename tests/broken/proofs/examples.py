"""Functions that the broken runbooks name, rightly and wrongly."""

from __future__ import annotations

from changeover.api import Context, Verdict


def equal(context: Context, *, tables: list[str], tolerance: int = 0) -> Verdict:
    """Both sides hold the same."""
    return Verdict.of(passed=True, summary=f"{len(tables)} tables agree")


def one_value(value: object) -> object:
    """What `call` of a column may name."""
    return value


def two_values(value: object, factor: int) -> object:
    """What it may not: nobody gives the second."""
    return (value, factor)
