"""A service of the systems file as something that hands out rows."""

from __future__ import annotations

from changeover.contracts import Context
from changeover.steps.exchange import NoAnswer, NotSent, Request, exchange
from changeover.steps.references import revealed
from changeover.transfer.fetching import Service
from changeover.transfer.pages import Answer


def service_of(context: Context, name: str) -> Service:
    """The service called *name*, asked with the headers that the systems file gives it."""
    entry = context.system("services", name)
    headers = {"Accept": "application/json", **revealed(context, entry.headers)}

    def ask(url: str) -> Answer:
        try:
            reply = exchange(context, Request("GET", url, headers))
        except (NotSent, NoAnswer) as nothing:
            return Answer(0, {}, b"", nothing.why)
        return Answer(reply.status, reply.headers, reply.content)

    return Service(name, entry.url, ask)
