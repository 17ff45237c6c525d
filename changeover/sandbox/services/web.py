"""A small HTTP server for services: a request in, a reply out."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

_LARGEST_BODY: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sent."""

    method: str
    path: tuple[str, ...]  # its parts, decoded
    body: bytes
    headers: Mapping[str, str]  # names in lower case
    query: Mapping[str, str] = field(default_factory=dict)

    def fields(self) -> dict[str, Any]:
        """The body's JSON object or form, empty when it is neither."""
        if "json" in self.headers.get("content-type", ""):
            try:
                found = json.loads(self.body)
            except ValueError:
                return {}
            return found if isinstance(found, dict) else {}
        return {name: values[-1] for name, values in parse_qs(self.body.decode("utf-8", "replace")).items()}


@dataclass(frozen=True, slots=True)
class Reply:
    """What the service answers: a text is a page, None is nothing, anything else is JSON."""

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)


NOT_FOUND: Final = Reply(404, {"error": "there is nothing here"})
NOT_ALLOWED: Final = Reply(405, {"error": "not with this method"})


class Service(Protocol):
    """Something that answers."""

    def answer(self, request: Request) -> Reply:
        """Answer; called from several threads at once."""
        ...


def serve(service: Service) -> ThreadingHTTPServer:
    """Serve on a free port of 127.0.0.1 from threads of its own."""
    server = _Server(("127.0.0.1", 0), _handler(service))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True).start()
    return server


def address(server: ThreadingHTTPServer) -> str:
    """Its URL."""
    return f"http://127.0.0.1:{server.server_address[1]}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


def _handler(service: Service) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def _serve(self) -> None:
            length = min(int(self.headers.get("Content-Length") or 0), _LARGEST_BODY)
            url = urlsplit(self.path)
            parts = tuple(unquote(part) for part in url.path.split("/") if part)
            query = {name: values[-1] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = service.answer(Request(self.command, parts, self.rfile.read(length), headers, query))
            page = isinstance(reply.body, str)
            text = "" if reply.body is None else str(reply.body) if page else json.dumps(reply.body, ensure_ascii=False)
            content = text.encode()
            self.send_response(reply.status)
            self.send_header("Content-Type", "text/html; charset=utf-8" if page else "application/json")
            self.send_header("Content-Length", str(len(content)))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - names of the standard library

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
            """Nobody reads an access log here."""

    return Handler
