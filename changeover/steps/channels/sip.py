"""The front door of a call centre: what a caller would be answered, asked by OPTIONS, which rings nowhere.

By RFC 3261, section 11.2, the answer to OPTIONS is the one that a call (INVITE) would get.
"""

from __future__ import annotations

import re
import secrets
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from changeover.contracts import Context
from changeover.errors import Setback

_URI: Final = re.compile(r"sip:(?:(?P<user>[^@\s;]+)@)?(?P<host>\[[0-9a-fA-F:]+\]|[^:\s;\[\]]+)(?::(?P<port>\d+))?")
_PORT: Final = 5060
_FIRST_AGAIN: Final = 0.5  # seconds until it is sent again, then twice as long each time (timer T1)


@dataclass(frozen=True, slots=True)
class SipReply:
    """What a SIP server answered."""

    status: int
    reason: str
    headers: Mapping[str, str]  # names in lower case


@dataclass(eq=False)
class NoSipAnswer(Setback):
    """Nobody answered, or the address makes no sense."""

    address: str
    why: str

    def __str__(self) -> str:
        return f"OPTIONS {self.address}: {self.why}"


def options(context: Context, uri: str, *, seconds: float) -> SipReply:
    """Ask *uri* what it would say to a call. Raises NoSipAnswer."""
    match = _URI.fullmatch(uri)
    if match is None:
        raise NoSipAnswer(uri, "this is no address such as sip:1000@sip.example.org:5060")
    target = (match["host"].strip("[]"), int(match["port"] or _PORT))
    family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as line:
            line.connect(target)
            return _asked(context, line, uri, seconds)
    except OSError as error:
        raise NoSipAnswer(uri, error.strerror or str(error)) from error


def _asked(context: Context, line: socket.socket, uri: str, seconds: float) -> SipReply:
    call = secrets.token_hex(12)
    message = _message(line.getsockname(), uri, call).encode()
    ends, again, pause = time.monotonic() + seconds, 0.0, _FIRST_AGAIN
    while (now := time.monotonic()) < ends:
        context.check_stopped()
        if now >= again:
            line.send(message)
            again, pause = now + pause, pause * 2
        line.settimeout(max(0.01, min(again, ends) - now))
        try:
            reply = _reply(line.recv(65536), call)
        except TimeoutError:
            continue
        if reply is not None and reply.status >= 200:  # noqa: PLR2004 - what is below is no answer yet
            return reply
    raise NoSipAnswer(uri, f"no answer within {seconds:g} s")


def _message(mine: tuple[str, int], uri: str, call: str) -> str:
    here = f"[{mine[0]}]:{mine[1]}" if ":" in mine[0] else f"{mine[0]}:{mine[1]}"
    lines = (
        f"OPTIONS {uri} SIP/2.0",
        f"Via: SIP/2.0/UDP {here};rport;branch=z9hG4bK{call}",
        "Max-Forwards: 70",
        f"To: <{uri}>",
        f"From: <sip:changeover@{here}>;tag={call[:8]}",
        f"Call-ID: {call}",
        "CSeq: 1 OPTIONS",
        f"Contact: <sip:changeover@{here}>",
        "Accept: application/sdp",
        "Content-Length: 0",
    )
    return "\r\n".join((*lines, "", ""))


def _reply(content: bytes, call: str) -> SipReply | None:
    """The reply in *content*; None when it is none, or none to us."""
    first, *lines = content.decode(errors="replace").partition("\r\n\r\n")[0].split("\r\n")
    match = re.fullmatch(r"SIP/2\.0 (\d{3}) ?(.*)", first)
    parts = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in parts}
    if match is None or headers.get("call-id", headers.get("i")) != call:
        return None
    return SipReply(int(match[1]), match[2], headers)
