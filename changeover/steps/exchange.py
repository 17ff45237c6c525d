"""One HTTP request and its answer, with an honest word on whether the request was sent."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from changeover.contracts import Context, Value
from changeover.errors import Setback, Unclear

#: Seconds for one request when the step's time-out leaves more.
REQUEST_SECONDS: Final = 60.0
_CONNECT_SECONDS: Final = 10.0
_ANSWER_LIMIT: Final = 16 * 1024 * 1024
_SHOWN: Final = 300
#: Methods that change nothing.
READING: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def body(self) -> Value:
        """Its JSON, or its text; None when there is none."""
        if not self.content:
            return None
        text = self.content.decode(errors="replace")
        if "json" in self.headers.get("content-type", "json"):
            with suppress(ValueError, RecursionError):
                value: Value = json.loads(text)
                return value
        return text

    @property
    def beginning(self) -> str:
        """The beginning of its text, on one line."""
        line = " ".join(self.content[: _SHOWN * 4].decode(errors="replace").split())
        return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"


@dataclass(eq=False)
class NotSent(Setback):
    """The request never left: nothing can have happened."""

    method: str
    url: str
    why: str

    def __str__(self) -> str:
        return f"{self.method} {self.url} was not sent: {self.why}"

    @property
    def hint(self) -> str:
        return "Does the service run, and is its address in the systems file right?"


@dataclass(eq=False)
class NoAnswer(Setback):
    """A question that changes nothing was not answered."""

    method: str
    url: str
    why: str

    def __str__(self) -> str:
        return f"{self.method} {self.url} was not answered: {self.why}"


@dataclass(slots=True)
class _Line:
    """The connection a request goes over: known from the moment it stands, so that it can be cut."""

    sent: bool = False
    sock: socket.socket | None = None

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        if event in {"connection.connect_tcp.complete", "connection.start_tls.complete"}:
            self.sock = info["return_value"].get_extra_info("socket")
        elif event.endswith("send_request_headers.started"):
            self.sent = True

    def cut(self) -> None:
        if self.sock is not None:
            with suppress(OSError):  # it is closed already
                self.sock.shutdown(socket.SHUT_RDWR)


def exchange(context: Context, request: Request, *, seconds: float = REQUEST_SECONDS) -> Reply:
    """Send *request* and return the answer, whatever its status. Redirects are answers too.

    Raises:
        NotSent: nothing left this machine.
        NoAnswer: it left, no answer came, and it changes nothing.
        Unclear: it left, no answer came, and it may have changed something.
        Stopped: the step had to stop before anything was sent.
    """
    left = context.remaining()
    ends = time.monotonic() + (seconds if left is None else min(seconds, left))
    line = _Line()
    context.check_stopped()
    context.on_stop(line.cut)
    try:
        return _exchanged(request, line, ends)
    except httpx.InvalidURL as error:
        raise NotSent(request.method, request.url, str(error)) from error
    except (httpx.HTTPError, _TooLong) as error:
        if not line.sent:
            context.check_stopped()
            raise NotSent(request.method, request.url, _reason(error)) from error
        if request.method in READING:
            context.check_stopped()
            raise NoAnswer(request.method, request.url, _reason(error)) from error
        raise Unclear(f"{request.method} {request.url} was sent and not answered: {_reason(error)}") from error
    finally:
        line.sock = None


@dataclass(eq=False)
class _TooLong(Exception):
    """An answer without an end."""

    what: str

    def __str__(self) -> str:
        return self.what


def _exchanged(request: Request, line: _Line, ends: float) -> Reply:
    seconds = max(0.1, ends - time.monotonic())
    timeout = httpx.Timeout(seconds, connect=min(_CONNECT_SECONDS, seconds))
    # trust_env is off: a proxy from the environment would answer in the service's place.
    with (
        httpx.Client(timeout=timeout, trust_env=False) as client,
        client.stream(
            request.method,
            request.url,
            headers=dict(request.headers),
            content=request.content,
            extensions={"trace": line.trace},
        ) as response,
    ):
        content = bytearray()
        for piece in response.iter_bytes():
            content += piece
            if len(content) > _ANSWER_LIMIT:
                raise _TooLong(f"its answer is longer than {_ANSWER_LIMIT // 1024 // 1024} MiB")
            if time.monotonic() > ends:
                raise _TooLong("its answer took too long")
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Reply(response.status_code, headers, bytes(content))


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "no connection in time" if isinstance(error, httpx.ConnectTimeout) else "no answer in time"
    cause: BaseException | None = error
    while cause is not None:  # the system's own words stand below those of two libraries
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return str(error) or type(error).__name__
