"""A connection may be cut at any moment, and the thread that reads from it hears of that a little later than we do.

So ``is_active()`` proves nothing about what has just happened: an answer of the server does.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, Protocol

import paramiko

#: What paramiko raises when there is no connection any more, or none that makes sense.
LOSSES: Final = (paramiko.SSHException, paramiko.SFTPError, OSError, EOFError)


class Closable(Protocol):
    """A channel or a connection."""

    def close(self) -> None:
        """Close it."""
        ...


def let_go(opened: Closable) -> None:
    """Close it for good; one that has been cut need not be told, and whoever closes it has something else to say."""
    with suppress(*LOSSES):
        opened.close()


@contextmanager
def closed_after(transport: paramiko.Transport, seconds: float) -> Iterator[None]:
    """Close the connection when the block takes longer: whoever waits inside then wakes with an error."""
    timer = threading.Timer(seconds, let_go, (transport,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def answers(transport: paramiko.Transport, seconds: float) -> bool:
    """Whether the server gives a sign of life within *seconds*; the connection is closed when it does not."""
    with closed_after(transport, seconds):
        try:
            transport.global_request("keepalive@openssh.com", wait=True)
        except LOSSES:
            let_go(transport)
    return transport.is_active()  # it is asked after an answer has come, or after its thread has heard of the end
