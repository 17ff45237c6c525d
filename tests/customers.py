"""Customers who come all the time: threads that ask a page over kept connections and judge every answer."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_ANSWER_WITHIN = 20.0


@dataclass
class Customers:
    """What they got: the page, the maintenance answer as designed, or something that counts as failed."""

    page: bytes
    maintenance: bytes
    served: int = 0
    sent_away: int = 0
    failed: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def asked(self) -> int:
        with self.lock:
            return self.served + self.sent_away + len(self.failed)

    def settle(self, more: int = 80, seconds: float = 20.0) -> None:
        """Let so many more answers come."""
        enough, until = self.asked + more, time.monotonic() + seconds
        while self.asked < enough:
            assert time.monotonic() < until, f"only {self.asked} of {enough} answers came; failed: {self.failed[:3]}"
            time.sleep(0.01)

    def judge(self, status: int, headers: http.client.HTTPMessage, content: bytes) -> None:
        with self.lock:
            if status == 200 and self.page in content:
                self.served += 1
            elif status == 503 and self.maintenance in content and headers["Retry-After"]:
                self.sent_away += 1
            else:
                self.failed.append(f"{status}: {content[:80]!r}")


@contextmanager
def customers(url: str, *, page: bytes, maintenance: bytes, number: int = 8, pause: float = 0.0) -> Iterator[Customers]:
    """*number* customers of *url*; *pause* seconds between two questions of one of them."""
    them = Customers(page, maintenance)
    threads = [threading.Thread(target=_come, args=(them, url, pause), daemon=True) for _ in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield them
    finally:
        them.stop.set()
        for thread in threads:
            thread.join(_ANSWER_WITHIN + 5)
        assert not any(thread.is_alive() for thread in threads)


def _come(them: Customers, url: str, pause: float) -> None:
    place = urlsplit(url)
    line = http.client.HTTPConnection(place.hostname or "", place.port, timeout=_ANSWER_WITHIN)
    while not them.stop.is_set():
        try:
            line.request("GET", place.path or "/")
            answer = line.getresponse()
            them.judge(answer.status, answer.headers, answer.read())
        except (OSError, http.client.HTTPException) as error:
            with them.lock:
                them.failed.append(f"{type(error).__name__}: {error}")
            line.close()
        if pause:
            time.sleep(pause)
    line.close()
