"""The ``http`` adapter: a control resource that answers GET and takes PUT of ``{state, says, until}``."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from changeover.contracts import Context, Value
from changeover.errors import Setback, Unclear
from changeover.runbook.systems import ChannelEntry
from changeover.steps.channels.contract import Announcement, ChannelBroken, ChannelMisconfigured, ChannelState
from changeover.steps.exchange import Reply, Request, exchange
from changeover.steps.references import revealed

_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class HttpChannel:
    """A channel with a control resource."""

    name: str
    entry: ChannelEntry
    context: Context
    _headers: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        if not self.entry.url:
            raise ChannelMisconfigured(self.name, "url")
        object.__setattr__(self, "_headers", revealed(self.context, self.entry.headers))

    def state(self) -> ChannelState:
        """What the control resource says."""
        said = self._read().get("state")
        try:
            return ChannelState(str(said))
        except ValueError:
            raise ChannelBroken(self.name, f"{self.entry.url} says its state is {said!r}, not open or closed") from None

    def close(self, announcement: Announcement) -> None:
        """PUT closed."""
        wanted: dict[str, Value] = {"state": str(ChannelState.CLOSED), "says": announcement.says}
        if announcement.until is not None:
            wanted["until"] = announcement.until.isoformat()
        self._write(wanted)

    def open(self) -> None:
        """PUT open."""
        self._write({"state": str(ChannelState.OPEN)})

    def in_flight(self) -> int | None:
        """``in_flight`` of the control resource, when it has one."""
        count = self._read().get("in_flight")
        return count if isinstance(count, int) and not isinstance(count, bool) else None

    def _read(self) -> dict[str, Any]:
        reply = self._answered(Request("GET", self.entry.url, self._headers))
        if not isinstance(reply.body, dict):
            raise ChannelBroken(self.name, f"{self.entry.url} answers no JSON object: {reply.beginning}")
        return reply.body

    def _write(self, wanted: dict[str, Value]) -> None:
        content = json.dumps(wanted, ensure_ascii=False).encode()
        headers = {**self._headers, "Content-Type": "application/json", "Idempotency-Key": self.context.token}
        request = Request("PUT", self.entry.url, headers, content)
        try:
            self._answered(request)
        except Unclear:  # applying the same state again is harmless
            self.context.check_stopped()
            self._answered(request)

    def _answered(self, request: Request) -> Reply:
        reply = exchange(self.context, request, seconds=_SECONDS)
        if not 200 <= reply.status < 300:  # noqa: PLR2004 - HTTP's own figures
            raise Refused(self.name, request.method, request.url, reply.status, reply.beginning)
        return reply


@dataclass(eq=False)
class Refused(Setback):
    """The control resource does not do what it is told."""

    channel: str
    method: str
    url: str
    status: int
    beginning: str

    def __str__(self) -> str:
        return f"channel {self.channel}: {self.method} {self.url} answered {self.status}: {self.beginning}"

    @property
    def hint(self) -> str:
        return "Check `url` and `headers` of the channel in the systems file."
