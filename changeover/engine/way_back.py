"""Until when the way back is kept alive, and what going back now would lose, as the runbook's own check counts it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Final

from changeover.contracts import Answer, Verdict
from changeover.engine.options import Options
from changeover.engine.outside import context_of, verdict_of
from changeover.engine.resources import Resources
from changeover.engine.stopping import StopSignal
from changeover.journal.records import RunRecord
from changeover.project import Project
from changeover.runbook.bundle import Bundle
from changeover.secrets import Secrets

#: Seconds that the check may take: somebody waits to decide.
_PATIENCE: Final = 20.0


def kept_until(bundle: Bundle, opens: datetime | None) -> datetime | None:
    """Until when the way back of this run is kept alive; None when its runbook sets no end.

    *opens* is when this run's window opens: in a rehearsal everything moves with it.
    """
    runbook = bundle.runbook
    if runbook.way_back is None:
        return None
    until = runbook.way_back.until.at(runbook.zone).astimezone(UTC)
    if runbook.window is None or opens is None:
        return until
    return until + (opens - runbook.window.opens.at(runbook.zone).astimezone(UTC))


def freshness(run: RunRecord, bundle: Bundle, options: Options) -> Verdict | None:
    """What the runbook's check says of what going back now would lose; None when it names none. Never raises."""
    way_back = bundle.runbook.way_back
    if way_back is None or not way_back.freshness:
        return None
    signal = StopSignal(options.clock, lambda _error: None)
    resources = Resources(bundle.systems, Project(options.root), Secrets(options.root), options.root)
    context = context_of(run, bundle, resources, signal, options, step="way-back")
    found: list[Verdict] = []
    name = way_back.freshness

    def ask() -> None:
        try:
            found.append(verdict_of(context, name))
        except Exception as error:  # noqa: BLE001 - it was told to stop
            found.append(Verdict(Answer.NOT_VERIFIABLE, str(error)))
        finally:
            resources.close()

    thread = threading.Thread(target=ask, name="way-back", daemon=True)
    thread.start()
    thread.join(_PATIENCE)
    if thread.is_alive():
        signal.request(f"{name} did not answer within {_PATIENCE:g} s")
        return Verdict(Answer.NOT_VERIFIABLE, f"{name} did not answer within {_PATIENCE:g} s")
    return found[0]
