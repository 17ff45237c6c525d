"""What going back would lose, as the runbook's stages say it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from changeover.runbook.model import Stage

#: What `loses:` says when it says that nothing is lost; what may follow explains why.
_NOTHING: Final = re.compile(r"nothing\b", re.IGNORECASE)


def losses_of(stages: Iterable[Stage]) -> tuple[str, ...]:
    """What each of *stages* loses, under its title; ``nothing`` when all that say anything say so, empty when none does."""
    said = [(stage, stage.rollback.loses.strip()) for stage in stages if stage.rollback is not None and stage.rollback.loses]
    losses = tuple(f"{stage.title or stage.id}: {loses}" for stage, loses in said if not _NOTHING.match(loses))
    return losses or (("nothing",) if said else ())
