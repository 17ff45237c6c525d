"""What readings come to in a dry run: nothing before them has really happened, so a "no" proves nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from changeover.contracts import Answer, Result, Verdict
from changeover.errors import Setback, Stopped

_NOT_VERIFIABLE: Final = "not verifiable in a dry run"


def as_things_stand(reading: Callable[[], Result]) -> Result:
    """What *reading* gives now. A failed one is *not verifiable*: the steps before it were not carried out."""
    try:
        result = reading()
    except Stopped:
        raise
    except Setback as setback:
        return not_verifiable(f"as things stand now: {setback}")
    verdict = result.verdict
    if verdict is None or verdict.answer is Answer.PASSED:
        return result
    now = replace(verdict, answer=Answer.NOT_VERIFIABLE, summary=f"as things stand now: {verdict.summary}")
    return replace(result, summary=f"{_NOT_VERIFIABLE}: {now.summary}", verdict=now)


def not_verifiable(why: str) -> Result:
    """Skipped, and said so: never green."""
    return Result(f"{_NOT_VERIFIABLE}: {why}", verdict=Verdict(Answer.NOT_VERIFIABLE, why))


def would(what: str) -> Result:
    """What a step would do; nothing was done."""
    return Result(f"would {what}")
