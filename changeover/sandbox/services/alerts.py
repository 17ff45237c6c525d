"""The alerting system: silences that end by themselves or are taken back."""

from __future__ import annotations

import threading
from typing import Any

from changeover.sandbox.services.web import NOT_ALLOWED, NOT_FOUND, Reply, Request


class Alerts:
    """``POST /silences``, ``GET /silences[/ID]``, ``DELETE /silences/ID``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._silences: dict[str, dict[str, Any]] = {}
        self._asked: dict[str, str] = {}  # idempotency key -> id
        self._count = 0

    def answer(self, request: Request) -> Reply:
        """Answer one request."""
        if request.path[:1] != ("silences",):
            return NOT_FOUND
        with self._lock:
            if len(request.path) == 1:
                return self._all(request)
            return self._one(request, request.path[1])

    def _all(self, request: Request) -> Reply:
        if request.method == "GET":
            return Reply(200, {"silences": list(self._silences.values())})
        if request.method != "POST":
            return NOT_ALLOWED
        asked = request.headers.get("idempotency-key", "")
        known = self._silences.get(self._asked.get(asked, ""))
        if known is not None:
            return Reply(200, known)
        self._count += 1
        silence = {"id": f"silence-{self._count:04d}", **request.fields()}
        self._silences[silence["id"]] = silence
        if asked:
            self._asked[asked] = silence["id"]
        return Reply(201, silence)

    def _one(self, request: Request, name: str) -> Reply:
        silence = self._silences.get(name)
        if silence is None:
            return NOT_FOUND
        if request.method == "GET":
            return Reply(200, silence)
        if request.method != "DELETE":
            return NOT_ALLOWED
        del self._silences[name]
        return Reply(200, {"id": name, "state": "ended"})
