"""A TCP proxy in this process that cuts, or silences, the first conversations at a moment the test chooses."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Conversation:
    """One connection as it stands: bytes that have passed to the server and back."""

    up: int = 0
    down: int = 0


@dataclass
class Proxy:
    """Cuts the first *cuts* conversations when *moment* is true of them.

    Attributes:
        moment: looked at before anything passes, and again with every piece and every few milliseconds.
        silently: nothing passes any more, and both sides are left waiting.
    """

    target: tuple[str, int]
    moment: Callable[[Conversation], bool]
    cuts: int = 1
    silently: bool = False
    port: int = 0
    happened: int = 0
    _open: list[socket.socket] = field(default_factory=list)

    def serve(self, server: socket.socket) -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        conversation = Conversation()
        if self.happened < self.cuts and self.moment(conversation):
            self.happened += 1
            client.close()
            return
        try:
            server = socket.create_connection(self.target)
        except OSError:  # then there is nobody to talk to
            client.close()
            return
        self._open += [client, server]
        ended = threading.Event()
        threads = [
            threading.Thread(target=self._pump, args=(client, server, conversation, "up", ended), daemon=True),
            threading.Thread(target=self._pump, args=(server, client, conversation, "down", ended), daemon=True),
        ]
        for thread in threads:
            thread.start()
        while not ended.wait(0.003):
            if self.happened < self.cuts and self.moment(conversation):
                self.happened += 1
                break
        if self.silently and not ended.is_set():
            ended.set()
            return
        for one in (client, server):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _pump(
        self, source: socket.socket, sink: socket.socket, conversation: Conversation, way: str, ended: threading.Event
    ) -> None:
        with suppress(OSError):
            while not ended.is_set():
                piece = source.recv(4096)
                if not piece or ended.is_set():
                    break
                setattr(conversation, way, getattr(conversation, way) + len(piece))
                if self.happened < self.cuts and self.moment(conversation):
                    time.sleep(0.01)  # the watcher cuts
                    if ended.is_set():
                        break
                sink.sendall(piece)
        if not self.silently:
            ended.set()

    def close(self) -> None:
        for one in self._open:
            one.close()


@contextmanager
def proxied(
    address: str, port: int, moment: Callable[[Conversation], bool], *, cuts: int = 1, silently: bool = False
) -> Iterator[Proxy]:
    """A proxy in front of a server, closed at the end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        proxy = Proxy((address, port), moment, cuts, silently, server.getsockname()[1])
        threading.Thread(target=proxy.serve, args=(server,), daemon=True).start()
        yield proxy
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        proxy.close()
