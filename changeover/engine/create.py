"""A new run: its record with all texts it needs, and its first event."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import changeover
from changeover.contracts import Clock, Mode, Value
from changeover.engine import code
from changeover.journal.audit import fingerprint
from changeover.journal.events import Draft, EventKind
from changeover.journal.records import RunRecord
from changeover.journal.store import Journal
from changeover.plan.model import Plan
from changeover.runbook.bundle import Bundle

#: The journal format that this program writes; a run of a newer one is refused.
SCHEMA: Final = 1
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that sounds or looks like something else


def create_run(
    journal: Journal,
    bundle: Bundle,
    plan: Plan,  # noqa: ARG001 - the interface's; the plan is made again from the sources
    *,
    file: str,
    mode: Mode,
    runner: str,
    inputs: Mapping[str, Value],
    clock: Clock,
    run_id: str = "",
    root: Path | None = None,
) -> RunRecord:
    """Record a new run of *bundle* and its window; nothing is started. Raises RunExists only for a given *run_id*.

    With *root*, the project's folder, the digests of its code stand in the journal too: resuming compares them.
    Live, the window is the runbook's; in every other mode it is moved so that it opens now.
    """
    now = clock.now()
    record = RunRecord(
        id=run_id or new_id(bundle.runbook.id, now.astimezone(bundle.runbook.zone)),
        runbook=bundle.runbook.id,
        title=bundle.runbook.title or bundle.runbook.id,
        environment=bundle.environment,
        mode=mode,
        runner=runner,
        created_at=now,
        digest=bundle.digest,
        file=file,
        sources=bundle.sources,
        values=bundle.values,
        inputs=inputs,
        schema=SCHEMA,
    )
    data: dict[str, Value] = {
        "digest": record.digest,
        "record": fingerprint(record),
        "version": changeover.__version__,
        **_window(bundle, mode, now),
    }
    if root is not None:
        data["code"] = code.digests(root)
    journal.create_run(record, [Draft(EventKind.RUN_PLANNED, who=runner, data=data)])
    return record


def new_id(runbook: str, local: datetime) -> str:
    """An id that people can say on the bridge: ``fixed-line-crm-20270313-1900-k3f9``."""
    tail = "".join(secrets.choice(_ALPHABET) for _ in range(4))
    return f"{re.sub(r'[^a-z0-9-]+', '-', runbook.lower())[:40]}-{local:%Y%m%d-%H%M}-{tail}"


def _window(bundle: Bundle, mode: Mode, now: datetime) -> dict[str, Value]:
    window, zone = bundle.runbook.window, bundle.runbook.zone
    if window is None:
        return {}
    opens, closes = window.opens.at(zone).astimezone(UTC), window.closes.at(zone).astimezone(UTC)
    moved = timedelta() if mode is Mode.LIVE else now.astimezone(UTC) - opens
    return {"window_opens": (opens + moved).isoformat(), "window_closes": (closes + moved).isoformat()}
