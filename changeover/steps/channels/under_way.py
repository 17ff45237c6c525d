"""A page that says how much is under way behind a channel: a number, JSON, or nginx's own status page."""

from __future__ import annotations

import re
from typing import Final

from changeover.contracts import Context
from changeover.steps.channels.contract import ChannelBroken
from changeover.steps.exchange import Request, exchange

_SECONDS: Final = 10.0
_OK: Final = 200
_NGINX: Final = re.compile(r"Reading: (\d+) Writing: (\d+) Waiting: \d+")


def count_at(context: Context, channel: str, page: str) -> int:
    """The number on *page*. Raises ChannelBroken when there is none."""
    reply = exchange(context, Request("GET", page), seconds=_SECONDS)
    body = reply.body
    if isinstance(body, dict):
        body = body.get("in_flight")
    if isinstance(body, str):
        found = _NGINX.search(body)
        if found is not None:
            return int(found[1]) + int(found[2]) - 1  # our own question is one of those being written
        body = int(body) if body.strip().isdecimal() else body
    if reply.status != _OK or isinstance(body, bool) or not isinstance(body, int):
        why = f"{page} does not say how much is under way: it answers {reply.status}: {reply.beginning}"
        raise ChannelBroken(channel, why, "It has to answer 200 with a number, or with JSON that has `in_flight`.")
    return body
