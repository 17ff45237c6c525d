"""The job scheduler: nightly billing and its like, which must not run into a migration."""

from __future__ import annotations

import threading
from typing import Any, Final

from changeover.sandbox.services.web import NOT_ALLOWED, NOT_FOUND, Reply, Request

_JOBS: Final = ("nightly-billing", "dunning-letters", "crm-sync")
_STATES: Final = ("running", "suspended")


class Jobs:
    """``GET /jobs[/NAME]``, ``PUT /jobs/NAME {state, why}``: the answer says what it was before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[str, dict[str, Any]] = {name: {"name": name, "state": "running", "why": ""} for name in _JOBS}

    def answer(self, request: Request) -> Reply:
        """Answer one request."""
        if request.path[:1] != ("jobs",):
            return NOT_FOUND
        with self._lock:
            if len(request.path) == 1:
                return Reply(200, {"jobs": list(self._jobs.values())}) if request.method == "GET" else NOT_ALLOWED
            job = self._jobs.get(request.path[1])
            if job is None:
                return NOT_FOUND
            return self._change(job, request)

    def _change(self, job: dict[str, Any], request: Request) -> Reply:
        if request.method == "GET":
            return Reply(200, job)
        if request.method != "PUT":
            return NOT_ALLOWED
        asked = request.fields()
        if asked.get("state") not in _STATES:
            return Reply(422, {"error": f"state is one of {', '.join(_STATES)}"})
        before = job["state"]
        job.update(state=asked["state"], why=str(asked.get("why", "")) if asked["state"] == "suspended" else "")
        return Reply(200, {**job, "before": before})
