"""The chat: as much of Slack's Web API as a bot needs. What it is told goes into a file."""

from __future__ import annotations

import html
import json
import threading
from pathlib import Path
from typing import Any, Final

from changeover.sandbox.services.web import NOT_FOUND, Reply, Request

_FIRST_STAMP: Final = 1_804_964_400  # the evening of the cutover: stamps only have to grow


class Chat:
    """``POST /api/auth.test | chat.postMessage | chat.update``; ``GET /`` shows the channel to people."""

    def __init__(self, file: Path, *, down: Path) -> None:
        self._lock = threading.Lock()
        self._file = file
        self._down = down  # while this file exists, nobody can reach the chat
        self._messages: dict[str, dict[str, Any]] = {}

    def answer(self, request: Request) -> Reply:
        """Answer one request."""
        if self._down.exists():
            return Reply(503, "The chat is down. We are looking into it.")
        if request.method == "GET" and not request.path:
            return self._page()
        if request.method != "POST" or request.path[:1] != ("api",) or len(request.path) != 2:  # noqa: PLR2004 - api/METHOD
            return NOT_FOUND
        fields = request.fields()
        if not (request.headers.get("authorization") or fields.get("token")):
            return Reply(200, {"ok": False, "error": "not_authed"})
        with self._lock:
            return Reply(200, self._call(request.path[1], fields))

    def _call(self, method: str, fields: dict[str, Any]) -> dict[str, Any]:
        if method == "auth.test":
            return {
                "ok": True,
                "url": "http://chat.example/",
                "team": "Sandbox",
                "user": "changeover",
                "user_id": "U0BOT",
                "bot_id": "B0",
            }
        if method not in {"chat.postMessage", "chat.update"}:
            return {"ok": False, "error": "unknown_method"}
        if not fields.get("channel"):
            return {"ok": False, "error": "channel_not_found"}
        stamp = str(fields.get("ts", "")) if method == "chat.update" else f"{_FIRST_STAMP + len(self._messages)}.000100"
        if method == "chat.update" and stamp not in self._messages:
            return {"ok": False, "error": "message_not_found"}
        message = {name: fields[name] for name in ("channel", "thread_ts", "text", "blocks") if fields.get(name)}
        self._messages[stamp] = message
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"method": method, "ts": stamp, **message}, ensure_ascii=False) + "\n")
        return {"ok": True, "channel": fields["channel"], "ts": stamp, "message": message}

    def _page(self) -> Reply:
        with self._lock:
            lines = [
                f"<p>{'↳ ' if message.get('thread_ts') else ''}{html.escape(str(message.get('text', '')))}</p>"
                for message in self._messages.values()
            ]
        return Reply(200, "<!doctype html><meta charset=utf-8><title>Chat</title>" + "\n".join(lines))
