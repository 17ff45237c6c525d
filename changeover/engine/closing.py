"""Whether rolling back is still offered: not past the point of no return, and not after the end of the rollback window."""

from __future__ import annotations

from changeover.engine.runtime import Runtime
from changeover.engine.way_back import kept_until
from changeover.plan.saying import moment


def why_closed(runtime: Runtime) -> str:
    """Why rolling back is no longer offered; empty while it is."""
    crossed = runtime.projection.crossed()
    if crossed:
        return f"{crossed} was the point of no return"
    until = kept_until(runtime.bundle, runtime.projection.record.window_opens)
    if until is not None and runtime.options.clock.now() > until:
        way_back = runtime.bundle.runbook.way_back
        kept = f" ({way_back.kept_by})" if way_back is not None and way_back.kept_by else ""
        return f"the way back was kept alive until {moment(until, runtime.bundle.runbook.zone)}{kept}"
    return ""
