"""The second CRM, in somebody's cloud: it knows better, and it limits your rate without telling anybody."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from changeover.sandbox.services.web import NOT_ALLOWED, NOT_FOUND, Reply, Request

#: Requests a second that it serves. Nothing in its documentation says so.
SERVED_PER_SECOND: Final = 10.0
_BURST: Final = 15.0


class CloudCrm:
    """``GET /customers/NUMBER``, ``GET | PUT | DELETE /segments/NAME``, 429 when it is too much."""

    def __init__(self, customers: Mapping[str, Any], *, seconds: Callable[[], float]) -> None:
        self._lock = threading.Lock()
        self._seconds = seconds
        self._customers = customers
        self._segments: dict[str, dict[str, Any]] = {}
        self._left, self._last = _BURST, seconds()

    def answer(self, request: Request) -> Reply:
        """Answer one request, if there are not too many."""
        with self._lock:
            if not self._has_room():
                return Reply(429, {"error": "REQUEST_LIMIT_EXCEEDED"}, {"Retry-After": "1"})
            match request.path:
                case ("customers",):
                    return Reply(200, {"count": len(self._customers)})
                case ("customers", number):
                    found = self._customers.get(number)
                    return Reply(200, {"number": number, **found}) if found is not None else NOT_FOUND
                case ("segments",):
                    return Reply(200, {"segments": list(self._segments.values())})
                case ("segments", name):
                    return self._segment(request, name)
            return NOT_FOUND

    def _segment(self, request: Request, name: str) -> Reply:
        if request.method == "PUT":
            self._segments[name] = {"name": name, **request.fields()}
            return Reply(200, self._segments[name])
        if request.method == "DELETE":
            self._segments.pop(name, None)
            return Reply(200, {"name": name, "state": "removed"})
        if request.method != "GET":
            return NOT_ALLOWED
        segment = self._segments.get(name)
        return Reply(200, segment) if segment is not None else NOT_FOUND

    def _has_room(self) -> bool:
        now = self._seconds()
        self._left = min(_BURST, self._left + (now - self._last) * SERVED_PER_SECOND)
        self._last = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
