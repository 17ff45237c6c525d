"""The ``http`` adapter: a control resource that answers GET and takes PUT of ``{state, says, until, percent}``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from changeover.contracts import Context, Value
from changeover.errors import Setback, Unclear
from changeover.runbook.channels import ChannelEntry
from changeover.steps.channels.contract import (
    EVERYBODY,
    NOBODY,
    Announcement,
    ChannelBroken,
    ChannelState,
    Standing,
    percent_of,
)
from changeover.steps.exchange import Reply, Request, exchange
from changeover.steps.references import revealed

_SECONDS: Final = 15.0
#: What of a control resource is its state; the rest is only told.
_STATE: Final = ("state", "says", "until", "percent")


@dataclass(frozen=True, slots=True)
class HttpChannel:
    """A channel with a control resource."""

    name: str
    entry: ChannelEntry
    context: Context
    _headers: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_headers", revealed(self.context, self.entry.headers))

    def standing(self) -> Standing:
        """What the control resource says."""
        said = self._read()
        state, percent = said.get("state"), said.get("percent")
        if state == str(ChannelState.PARTLY_OPEN):
            return Standing(percent_of(self.name, percent, f"`percent` at {self.entry.url}"), self._kept(said))
        if state not in {str(ChannelState.OPEN), str(ChannelState.CLOSED)}:
            raise ChannelBroken(self.name, f"{self.entry.url} says its state is {state!r}, not open or closed")
        return Standing(EVERYBODY if state == str(ChannelState.OPEN) else NOBODY, self._kept(said))

    def close(self, announcement: Announcement) -> None:
        """PUT closed."""
        wanted: dict[str, Value] = {"state": str(ChannelState.CLOSED), "says": announcement.says}
        if announcement.until is not None:
            wanted["until"] = announcement.until.isoformat()
        self._write(wanted)

    def open(self) -> None:
        """PUT open."""
        self._write({"state": str(ChannelState.OPEN)})

    def share(self, percent: int) -> None:
        """PUT partly open; a resource that does not know the word refuses it, or stays as it is."""
        self._write({"state": str(ChannelState.of(percent)), "percent": percent})

    def put_back(self, saved: Value) -> None:
        """PUT what it said then."""
        if not isinstance(saved, Mapping) or "state" not in saved:
            raise ChannelBroken(self.name, f"{saved!r} was not saved from {self.entry.url}")
        self._write(dict(saved))

    def in_flight(self) -> int | None:
        """``in_flight`` of the control resource, when it has one."""
        count = self._read().get("in_flight")
        return count if isinstance(count, int) and not isinstance(count, bool) else None

    @staticmethod
    def _kept(said: Mapping[str, Any]) -> dict[str, Value]:
        return {word: said[word] for word in _STATE if said.get(word) not in (None, "")}

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
