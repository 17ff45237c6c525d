"""The second CRM, in somebody's cloud: it knows better, and it limits your rate without telling anybody."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from changeover.sandbox.services.web import NOT_ALLOWED, NOT_FOUND, Reply, Request

#: Requests a second that it serves. Nothing in its documentation says so.
SERVED_PER_SECOND: Final = 10.0
_BURST: Final = 15.0
#: Customers of a page, at most, and seconds for which a page's token is known.
_LARGEST_PAGE: Final = 500
TOKENS_LIVE_S: Final = 900.0


class CloudCrm:
    """``GET /customers``, ``/customers?limit=N&cursor=TOKEN``, ``/customers/NUMBER``, ``/usage``; 429 when it is too much.

    ``GET | PUT | DELETE /segments/NAME`` keep segments. ``/usage`` says how many requests were served and how many were too
    many; it is served always.

    Attributes:
        served, exceeded: requests that were served, and that were too many.
    """

    def __init__(
        self,
        customers: Mapping[str, Any],
        *,
        seconds: Callable[[], float],
        served_per_second: float = SERVED_PER_SECOND,
        burst: float = _BURST,
    ) -> None:
        self._lock = threading.Lock()
        self._seconds = seconds
        self._customers = customers
        self._segments: dict[str, dict[str, Any]] = {}
        self._served_per_second, self._burst = served_per_second, burst
        self._left, self._last = burst, seconds()
        self.served, self.exceeded = 0, 0

    def answer(self, request: Request) -> Reply:
        """Answer one request, if there are not too many."""
        with self._lock:
            if request.path == ("usage",):
                return Reply(200, {"served": self.served, "exceeded": self.exceeded})
            if not self._has_room():
                self.exceeded += 1
                return Reply(429, {"error": "REQUEST_LIMIT_EXCEEDED"}, {"Retry-After": "1"})
            self.served += 1
            match request.path:
                case ("customers",) if "limit" in request.query:
                    return self._page(request.query)
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

    def _page(self, query: Mapping[str, str]) -> Reply:
        try:
            limit = min(max(int(query["limit"]), 1), _LARGEST_PAGE)
            start, issued = _opened(query["cursor"]) if query.get("cursor") else (0, self._seconds())
        except ValueError:
            return Reply(400, {"error": "INVALID_PARAMETER"})
        if self._seconds() - issued > TOKENS_LIVE_S:
            return Reply(410, {"error": "CURSOR_EXPIRED"})
        numbers = list(self._customers)[start : start + limit]
        more = start + limit < len(self._customers)
        return Reply(
            200,
            {
                "count": len(self._customers),
                "customers": [{"number": number, **self._customers[number]} for number in numbers],
                "next": _closed(start + limit, self._seconds()) if more else None,
            },
        )

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
        self._left = min(self._burst, self._left + (now - self._last) * self._served_per_second)
        self._last = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


def _closed(start: int, issued: float) -> str:
    """A token that nobody should read."""
    return base64.urlsafe_b64encode(json.dumps([start, issued]).encode()).decode()


def _opened(token: str) -> tuple[int, float]:
    start, issued = json.loads(base64.urlsafe_b64decode(token))
    return int(start), float(issued)
