from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest


@dataclass
class FakeSlack:
    """The part of Slack's Web API that changeover uses, with its limits and its bad days."""

    address: str = ""
    burst: float = 3.0
    posts_a_second: float = 1000.0
    limit_next: int = 0  # so many calls are told to come back in a second
    down: str = ""  # "503", "hang", "cut" (accepts the message, then drops the connection)
    refuses: str = ""
    token: str = "xoxb-secret"
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    limited: int = 0
    refused_early: int = 0  # calls that came before Retry-After had passed
    lock: threading.Lock = field(default_factory=threading.Lock)
    tokens: float = 3.0
    refilled: float = field(default_factory=time.monotonic)
    closed_until: float = 0.0

    def answer(self, method: str, body: dict[str, Any], authorization: str) -> tuple[int, dict[str, str], dict[str, Any]]:
        """Status, headers and JSON of one call."""
        with self.lock:
            if self.down == "503":
                return 503, {}, {}
            if authorization != f"Bearer {self.token}":
                return 200, {}, {"ok": False, "error": "invalid_auth"}
            if self.refuses:
                return 200, {}, {"ok": False, "error": self.refuses}
            return self._do(method, body)

    def _do(self, method: str, body: dict[str, Any]) -> tuple[int, dict[str, str], dict[str, Any]]:
        if method == "chat.postMessage":
            if not self._allowed():
                self.limited += 1
                return 429, {"Retry-After": "1"}, {"ok": False, "error": "ratelimited"}
            ts = f"1773514800.{len(self.messages):06}"
            self.messages[ts] = body | {"ts": ts}
            self.calls.append((method, body))
            return 200, {}, {"ok": True, "channel": "C0CRM", "ts": ts}
        if method == "chat.update":
            self.calls.append((method, body))
            if body["channel"] != "C0CRM":
                return 200, {}, {"ok": False, "error": "channel_not_found"}
            if body["ts"] not in self.messages:
                return 200, {}, {"ok": False, "error": "message_not_found"}
            self.messages[body["ts"]] |= body
            return 200, {}, {"ok": True, "channel": "C0CRM", "ts": body["ts"]}
        if method == "conversations.replies":
            found = [message for message in self.messages.values() if message.get("thread_ts") == body["ts"]]
            return 200, {}, {"ok": True, "messages": found}
        return 200, {}, {"ok": False, "error": "unknown_method"}

    def _allowed(self) -> bool:
        now = time.monotonic()
        if now < self.closed_until:
            self.refused_early += 1
            return False
        if self.limit_next:
            self.limit_next -= 1
            self.closed_until = now + 1
            return False
        self.tokens = min(self.burst, self.tokens + (now - self.refilled) * self.posts_a_second)
        self.refilled = now
        if self.tokens < 1:
            self.closed_until = now + 1
            return False
        self.tokens -= 1
        return True

    @property
    def thread(self) -> list[str]:
        """The lines of the thread, without the head of each message."""
        posts = [body for method, body in self.calls if method == "chat.postMessage" and body.get("thread_ts")]
        return [line for body in posts for line in body["text"].splitlines()[1:]]

    def calls_with(self, words: str) -> list[dict[str, Any]]:
        """The replies whose text has these words."""
        posts = [body for method, body in self.calls if method == "chat.postMessage" and body.get("thread_ts")]
        return [body for body in posts if words in body["text"]]

    @property
    def cards(self) -> list[dict[str, Any]]:
        """The messages of the channel that are no replies."""
        return [message for message in self.messages.values() if not message.get("thread_ts")]


class _Handler(BaseHTTPRequestHandler):
    slack: FakeSlack
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        if self.slack.down == "hang":
            time.sleep(3)
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        if "json" in self.headers.get("Content-Type", ""):
            body: dict[str, Any] = json.loads(raw or "{}")
        else:
            body = {key: values[0] for key, values in parse_qs(raw).items()}
            body |= {key: json.loads(body[key]) for key in ("blocks", "metadata") if key in body}
        method = self.path.rsplit("/", 1)[-1]
        status, headers, answer = self.slack.answer(method, body, self.headers.get("Authorization", ""))
        if self.slack.down == "cut" and method == "chat.postMessage":
            self.slack.down = ""
            self.close_connection = True
            self.connection.close()
            return
        content = json.dumps(answer).encode()
        try:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
        except OSError:
            self.close_connection = True  # the client had a time-out

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def slack() -> Iterator[FakeSlack]:
    fake = FakeSlack()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"slack": fake}))
    server.daemon_threads = True
    fake.address = f"http://127.0.0.1:{server.server_address[1]}/api/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield fake
    server.shutdown()
    server.server_close()
