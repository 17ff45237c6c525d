"""Slack blocks whose values can never be markup: rich text carries literals, and what must be plain text is escaped."""

from __future__ import annotations

from typing import Any, Final

from changeover.notify.outlet import Block

#: Slack's limits, in characters.
HEADER_LIMIT: Final = 150
TEXT_LIMIT: Final = 3000


def escape(text: str) -> str:
    """Make *text* literal where Slack parses markup: no mention, no link, no channel call comes out of a value."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def header(text: str) -> Block:
    """A big line."""
    return {"type": "header", "text": {"type": "plain_text", "text": cut(text, HEADER_LIMIT), "emoji": False}}


def context(text: str) -> Block:
    """A small line."""
    return {"type": "context", "elements": [{"type": "plain_text", "text": cut(text, TEXT_LIMIT), "emoji": False}]}


def paragraph(*pieces: dict[str, Any]) -> Block:
    """One block of running text."""
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": list(pieces)}]}


def plain(text: str) -> dict[str, Any]:
    """Literal text."""
    return {"type": "text", "text": text}


def bold(text: str) -> dict[str, Any]:
    """Literal text, bold."""
    return {"type": "text", "text": text, "style": {"bold": True}}


def code(text: str) -> dict[str, Any]:
    """Something to type."""
    return {"type": "text", "text": text, "style": {"code": True}}


def mention(member: str) -> dict[str, Any]:
    """A person, who is notified."""
    return {"type": "user", "user_id": member}


def cut(text: str, limit: int) -> str:
    """*text* in at most *limit* characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
