"""Web shop, app API and agents' desktop: what customers and agents see, and the door that can be closed."""

from __future__ import annotations

import html
import json
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import sqlalchemy

from changeover.sandbox.services.web import NOT_ALLOWED, NOT_FOUND, Reply, Request

_CARD: Final = {
    "legacy-crm": """select c.customer_number as number, 'fixed' as segment, c.name as name, upper(c.status) as status,
        (select count(*) from services s where s.customer_id = c.id and s.status = 'active') as services,
        (select coalesce(sum(i.total - i.paid), 0) from invoices i where i.customer_id = c.id) as arrears
        from customers c where c.customer_number = :number""",
    "crm": "select number, segment, name, status, services, arrears from customer_card where number = :number",
}

#: Tickets that wait for the agents when they come back, how many a second they settle, and what a quiet day has.
_WAITING_TICKETS: Final = 12
_SETTLED_PER_SECOND: Final = 3.0
_NORMAL_TICKETS: Final = 5


#: States of a door, and how many of a hundred customers it lets in; of a partly open one the switch says it.
_PERCENTS: Final = {"open": 100, "partly open": 50, "closed": 0}


@dataclass(frozen=True, slots=True)
class Company:
    """What a front end needs of the rest."""

    databases: Mapping[str, sqlalchemy.Engine]
    home: Path  # of the host that it runs on: its release says which CRM to read
    stuck: Path  # while this file exists, the load balancer does not let customers in again
    seconds: Callable[[], float]


class FrontEnd:
    """One front end with two doors: the staff's is always open, the public one has a state."""

    def __init__(self, name: str, title: str, company: Company) -> None:
        self.name, self.title, self._company = name, title, company
        self._lock = threading.Lock()
        self._state, self._says, self._until, self._percent = "open", "", "", 100
        self._in_flight = 0
        self._reopened: float | None = None

    def staff(self, request: Request) -> Reply:
        """Through the staff's door: everything, and the switch of the public one."""
        match request.path:
            case ("door",):
                return self._door(request)
            case ("backlog",):
                return Reply(200, {"open": self._backlog(), "normal": _NORMAL_TICKETS})
        return self._page(request)

    def public(self, request: Request) -> Reply:
        """Through the public door, if it is open."""
        with self._lock:
            if random.randrange(100) >= self._percent:  # noqa: S311 - which customer is let in is a matter of luck
                words = self._says or "We are working on our systems and will be back soon."
                headers = {"Retry-After": "600", "Cache-Control": "no-store"}
                return Reply(503, f"<!doctype html><title>{self.title}</title><h1>{html.escape(words)}</h1>", headers)
            self._in_flight += 1
        try:
            return self._page(request)
        finally:
            with self._lock:
                self._in_flight -= 1

    def _door(self, request: Request) -> Reply:
        with self._lock:
            if request.method == "PUT":
                asked = request.fields()
                if asked.get("state") not in _PERCENTS:
                    return Reply(422, {"error": f"state is one of {', '.join(_PERCENTS)}"})
                if asked["state"] == "closed" or not self._company.stuck.exists():
                    self._move(asked)
            elif request.method != "GET":
                return NOT_ALLOWED
            said = {"channel": self.name, "state": self._state, "percent": self._percent, "in_flight": self._in_flight}
            return Reply(200, {**said, "says": self._says, "until": self._until})

    def _move(self, asked: dict[str, Any]) -> None:
        if self._state == "closed" and asked["state"] != "closed":
            self._reopened = self._company.seconds()
        self._state = asked["state"]
        self._percent = (
            _PERCENTS[self._state] if self._state != "partly open" else min(max(int(asked.get("percent") or 0), 1), 99)
        )
        closed = self._state == "closed"
        self._says = str(asked.get("says") or "") if closed else self._says if self._percent < _PERCENTS["open"] else ""
        self._until = str(asked.get("until") or "") if closed else ""

    def _backlog(self) -> int:
        with self._lock:
            if self._state == "closed":
                return _WAITING_TICKETS
            if self._reopened is None:
                return 0
            settled = (self._company.seconds() - self._reopened) * _SETTLED_PER_SECOND
            return max(0, _WAITING_TICKETS - int(settled))

    def _page(self, request: Request) -> Reply:
        match request.path:
            case ():
                return Reply(
                    200, f"<!doctype html><title>{self.title}</title><h1>{self.title}</h1><p>release {self._release()}</p>"
                )
            case ("health",):
                return Reply(200, {"name": self.name, "release": self._release(), "reads": self._settings()})
            case ("customers", number):
                return self._customer(number)
            case ("orders",):
                return self._order() if request.method == "POST" else NOT_ALLOWED
        return NOT_FOUND

    def _customer(self, number: str) -> Reply:
        system = self._settings().get("mobile" if number.startswith("M") else "fixed", "")
        engine = self._company.databases.get(system)
        if engine is None:
            return Reply(500, {"error": f"release {self._release()} reads from {system or 'nowhere'}"})
        try:
            with engine.connect() as connection:
                row = connection.execute(sqlalchemy.text(_CARD[system]), {"number": number}).mappings().first()
        except sqlalchemy.exc.SQLAlchemyError as error:
            return Reply(502, {"error": f"{system} does not answer", "why": str(error.__cause__)})
        if row is None:
            return Reply(404, {"error": f"{system} knows no customer {number}"})
        return Reply(200, {**row, "arrears": f"{float(row['arrears']):.2f}", "read_from": system})

    def _order(self) -> Reply:
        """An order of a fixed line, taken as long as the old CRM takes orders."""
        engine = self._company.databases["legacy-crm"]
        with engine.connect() as connection:
            accepted = connection.execute(sqlalchemy.text("select value from settings where name = 'orders'")).scalar()
        if accepted != "accepted":
            return Reply(503, {"error": "orders are closed"}, {"Retry-After": "600"})
        return Reply(202, {"order": "taken"})

    def _release(self) -> str:
        try:
            return (self._company.home / "current" / "VERSION").read_text(encoding="utf-8").strip()
        except OSError:
            return "unknown"

    def _settings(self) -> dict[str, str]:
        try:
            found = json.loads((self._company.home / "current" / "settings.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}
