"""Asking a service for its pages, no faster than it bears, and understanding what it answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from changeover.contracts import Clock
from changeover.errors import Setback
from changeover.runbook.capture_paths import extract
from changeover.transfer.paged_words import Paged
from changeover.transfer.safe_rate import SafeRate

#: Seconds for which a service that does not answer, or fails, is asked again.
_PATIENCE_S: Final = 120.0
_LONGEST_PAUSE_S: Final = 30.0
_TOO_MANY: Final = 429
_NO_ANSWER: Final = 0
_LINK: Final = re.compile(r'<([^<>]+)>\s*;[^,]*\brel="?next"?', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status 0 when nothing did."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    content: bytes
    why: str = ""  # nothing came back


class Ask(Protocol):
    """Sends one GET with the service's headers."""

    def __call__(self, url: str) -> Answer:
        """Ask; raises only when the step has to stop."""
        ...


@dataclass(eq=False)
class ServiceFails(Setback):
    """A service does not answer, or answers that it cannot, for too long."""

    url: str
    why: str

    def __str__(self) -> str:
        return f"{self.url} could not be read for two minutes: {self.why}"

    @property
    def hint(self) -> str:
        return "every page that came is kept: try the step again when the service is well, and it goes on with the next one"


@dataclass(eq=False)
class ServiceRefuses(Setback):
    """A service does not give what is asked for, or gives something else."""

    url: str
    why: str

    def __str__(self) -> str:
        return f"{self.url}: {self.why}"

    @property
    def hint(self) -> str:
        return "compare `api:` of the table, and the service's `headers` in the systems file, with what the service really does"


@dataclass(eq=False)
class TokenExpired(Setback):
    """The service does not know the token of the next page any more."""

    url: str
    status: int
    pages: int

    def __str__(self) -> str:
        return f"{self.url} answered {self.status}: it does not know the token of page {self.pages + 1:,} any more"

    @property
    def hint(self) -> str:
        return (
            "the service forgets tokens after a while, so the rest cannot be read from here: undo the copy and let it run again "
            "in one go, or page `by: page` or `by: offset` where the service can"
        )


@dataclass(frozen=True, slots=True)
class Page:
    """One page."""

    items: tuple[Mapping[str, Any], ...]
    next: str | int | None  # how the next one is asked for; None: there is none
    total: int | None


@dataclass(frozen=True, slots=True)
class Pages:
    """Reads the pages of one table.

    Attributes:
        base: the service's URL.
        keep: puts the rate on record before anything else is sent.
        say: tells people.
    """

    api: Paged
    base: str
    ask: Ask
    rate: SafeRate
    clock: Clock
    sleep: Callable[[float], None]
    keep: Callable[[], None]
    say: Callable[[str], None]

    @property
    def first(self) -> str | int | None:
        """How the first page is asked for."""
        if self.api.by == "page":
            return 1 if self.api.first is None else self.api.first
        return (self.api.first or 0) if self.api.by == "offset" else None

    def page(self, place: str | int | None, number: int) -> Page:
        """The page at *place*, of which *number* came before.

        Raises:
            ServiceFails, ServiceRefuses, TokenExpired: it cannot be read.
            Stopped: the step has to stop.
        """
        url = self._url(place)
        since, pause, answered = self.clock.monotonic(), 0.5, False
        while True:
            answer = self._asked(url)
            if answer.status == _TOO_MANY:
                self._refused(answer)
                since = self.clock.monotonic()  # it lives
                continue
            if answer.status != _NO_ANSWER and answer.status < 500:  # noqa: PLR2004 - HTTP's own figures
                break
            why = answer.why or f"it answered {answer.status}"
            if self.clock.monotonic() - since > _PATIENCE_S:
                raise ServiceFails(self._shown(url), why)
            if not answered:
                self.say(f"{self._shown(url)}: {why}; it is asked again, ever more slowly")
                answered = True
            self.sleep(max(pause, _retry_after(answer, self.clock.now())))
            pause = min(pause * 2, _LONGEST_PAUSE_S)
        if not 200 <= answer.status < 300:  # noqa: PLR2004 - HTTP's own figures
            if answer.status in self.api.expired and self.api.by in {"cursor", "link"} and place is not None:
                raise TokenExpired(self._shown(url), answer.status, number)
            raise ServiceRefuses(self._shown(url), f"it answered {answer.status}{_beginning(answer)}")
        return self._understood(answer, url, place)

    def _asked(self, url: str) -> Answer:
        while (wait := self.rate.wait(self.clock.monotonic())) > 0:
            self.sleep(wait)
        began = self.clock.monotonic()
        self.rate.sent(began)
        answer = self.ask(url)
        self.rate.came(self.clock.monotonic())
        if 200 <= answer.status < 300 and self.rate.answered(self.clock.monotonic() - began):  # noqa: PLR2004 - HTTP's own figures
            self.keep()
            self.say(f"{self.base} becomes slow: {self.rate.words}")
        return answer

    def _refused(self, answer: Answer) -> None:
        wait = max(_retry_after(answer, self.clock.now()), 1.0)
        was = self.rate.now
        self.rate.refused(self.clock.monotonic(), wait)
        self.keep()  # before another request goes: whoever goes on after a crash must know it too
        self.say(f"{self.base} refused a request at {was:,.1f} requests/s: {self.rate.words}")

    def _url(self, place: str | int | None) -> str:
        base = self.base.rstrip("/") + "/" + self.api.path.lstrip("/")
        if self.api.by == "link" and isinstance(place, str):
            return place
        parts = urlsplit(base)
        query = [*parse_qsl(parts.query, keep_blank_values=True), *self.api.parameters.items()]
        if self.api.size_parameter:
            query.append((self.api.size_parameter, str(self.api.size)))
        if place is not None:
            query.append((self.api.parameter or self.api.by, str(place)))
        return urlunsplit(parts._replace(query=urlencode(query)))

    def _shown(self, url: str) -> str:
        """Without its query: a token may be a secret."""
        return urlunsplit(urlsplit(url)._replace(query=""))

    def _understood(self, answer: Answer, url: str, place: str | int | None) -> Page:
        try:
            body = json.loads(answer.content, parse_float=str, parse_constant=str)
        except (ValueError, RecursionError):
            raise ServiceRefuses(self._shown(url), f"its answer is no JSON{_beginning(answer)}") from None
        items = extract(self.api.items, body)
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise ServiceRefuses(self._shown(url), f"`{self.api.items}` of its answer is no list of objects")
        total = extract(self.api.total, body) if self.api.total else None
        if total is not None and type(total) is not int:
            raise ServiceRefuses(self._shown(url), f"`{self.api.total}` of its answer is no number")
        following = self._following(answer, body, url, place, len(items))
        if following is not None and following == place:
            raise ServiceRefuses(self._shown(url), "it names the same page again as the next one")
        return Page(tuple(items), following, total)

    def _following(self, answer: Answer, body: Any, url: str, place: str | int | None, items: int) -> str | int | None:
        match self.api.by:
            case "page" | "offset":
                step = 1 if self.api.by == "page" else items
                return int(place or 0) + step if items >= self.api.size else None
            case "cursor":
                found = _optional(self.api.next, body)
                return found if isinstance(found, str | int) and not isinstance(found, bool) and found != "" else None
            case "link":
                link = _LINK.search(answer.headers.get("link", "")) if not self.api.next else None
                text = _optional(self.api.next, body) if self.api.next else link[1] if link is not None else None
                return self._same_service(urljoin(url, text)) if isinstance(text, str) and text else None

    def _same_service(self, url: str) -> str:
        """A link of the service itself: its headers, secrets among them, go nowhere else."""
        one, other = urlsplit(self.base), urlsplit(url)
        if (one.scheme, one.netloc) != (other.scheme, other.netloc):
            raise ServiceRefuses(self.base, f"its next page is said to be at {other.scheme}://{other.netloc}: another service")
        return url


def _optional(path: str, body: Any) -> Any:
    try:
        return extract(path, body)
    except Setback:
        return None  # the last page often has no such key


def _retry_after(answer: Answer, now: datetime) -> float:
    """Seconds, from either form of the header."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isdigit():
        return min(float(text), 3600.0)
    try:
        return max(0.0, (parsedate_to_datetime(text) - now).total_seconds()) if text else 0.0
    except (ValueError, TypeError):
        return 0.0


def _beginning(answer: Answer) -> str:
    text = " ".join(answer.content[:400].decode(errors="replace").split())
    return f": {text[:200]}" if text else ""
