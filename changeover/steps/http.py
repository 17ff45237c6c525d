"""``http``: one request to a service."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from changeover.contracts import Context, Found, OnUnknown, Probe, Result, ServiceName, Value, key, step_kind
from changeover.errors import Setback
from changeover.steps.dry_run import as_things_stand, would
from changeover.steps.references import revealed
from changeover.steps.rules import exactly_one

if TYPE_CHECKING:
    from changeover.steps.exchange import Reply, Request


@dataclass(eq=False)
class UnexpectedStatus(Setback):
    """The service answered with another status than its author expects."""

    method: str
    url: str
    status: int
    expected: str
    beginning: str  # of the answer's body

    def __str__(self) -> str:
        said = f": {self.beginning}" if self.beginning else ""
        return f"{self.method} {self.url} answered {self.status} instead of {self.expected}{said}"


@step_kind("http", timeout=timedelta(minutes=5))
@dataclass(frozen=True, slots=True)
class Http:
    """Send one HTTP request.

    A request that changes something carries the header `Idempotency-Key` with the attempt's token. Redirects are not
    followed. One request takes a minute at most.

    Output: the JSON of the answer, or its text.

    Dry run: a `get` is sent; any other request is only shown.

    It may have happened (it was sent, and no answer came): `probe` decides, a 2xx answer meaning done and 404 not done;
    `get`, `put` and `delete` are sent again; otherwise people are asked.
    """

    on: ServiceName = key("a service: its URL goes before the path, its headers are sent", default="")
    get: str = key("URL to read", default="")
    post: str = key("URL to post to", default="")
    put: str = key("URL to put to", default="")
    patch: str = key("URL to patch", default="")
    delete: str = key("URL to delete", default="")
    json: Value = key("the body, sent as JSON", default=None)
    body: str = key("or the body as text", default="")
    headers: Mapping[str, str] = key("further headers; values may be references such as `env:TOKEN`", default_factory=dict)
    expect: int | tuple[int, ...] | None = key("the status, or several, that mean success; left out: 2xx", default=None)
    probing: str = key("URL that finds out whether it happened: 2xx means done, 404 not done", word="probe", default="")

    @property
    def method(self) -> str:
        """The HTTP method, in capitals."""
        return next((word.upper() for word, url in self._asked.items() if url), "GET")

    @property
    def url(self) -> str:
        """The URL as written: without its service's."""
        return next((url for url in self._asked.values() if url), "")

    @property
    def changes(self) -> bool:
        """Whether it may change something."""
        return self.method != "GET"

    @property
    def on_unknown(self) -> OnUnknown:
        """Methods that HTTP defines as repeatable are repeated."""
        if self.probing:
            return OnUnknown.PROBE
        return OnUnknown.RERUN if self.method in {"GET", "PUT", "DELETE"} else OnUnknown.ASK

    def problems(self) -> Iterable[str]:
        """One method, one body at most, and a URL that is one."""
        yield from exactly_one(**self._asked)
        if self.json is not None and self.body:
            yield "write either `json` or `body`"
        if self.method == "GET" and (self.json is not None or self.body):
            yield "a `get` has no body"
        for url in (self.url, self.probing):
            if url and not self.on and "${" not in url and not url.startswith(("http://", "https://")):
                yield f"{url!r} is no URL: it starts with http:// or https://, or `on` names a service"

    def run(self, context: Context) -> Result:
        """Send it and judge the status."""
        from changeover.steps.exchange import exchange  # noqa: PLC0415 - loads httpx

        request = self._request(context)
        reply = exchange(context, request)
        context.log(f"{request.method} {request.url} -> {reply.status}\n{reply.beginning}\n")
        if not self._expected(reply.status):
            raise UnexpectedStatus(request.method, request.url, reply.status, self._expectation, reply.beginning)
        return Result(f"{reply.status} from {request.method} {request.url}", reply.body)

    def dry_run(self, context: Context) -> Result:
        """Read; or show what would be sent."""
        if not self.changes:
            return as_things_stand(lambda: self.run(context))
        return would(f"send {self.method} {self._address(context, self.url)}")

    def probe(self, context: Context) -> Probe:
        """Ask the author's URL."""
        from changeover.steps.exchange import Request, exchange  # noqa: PLC0415 - loads httpx

        if not self.probing:
            return Probe(Found.CANNOT_TELL, "no `probe` was written")
        url = self._address(context, self.probing)
        reply = exchange(context, Request("GET", url, self._headers(context)))
        found = Found.DONE if _good(reply) else Found.CLEAN if reply.status == 404 else Found.CANNOT_TELL  # noqa: PLR2004
        return Probe(found, f"{reply.status} from GET {url}", reply.body if found is Found.DONE else None)

    def _request(self, context: Context) -> Request:
        from changeover.steps.exchange import Request  # noqa: PLC0415 - loads httpx

        headers = self._headers(context)
        content = self.body.encode() if self.body else None
        if self.json is not None:
            content = json.dumps(self.json, ensure_ascii=False).encode()
            headers.setdefault("Content-Type", "application/json")
        if self.changes:
            headers["Idempotency-Key"] = context.token
        return Request(self.method, self._address(context, self.url), headers, content)

    def _headers(self, context: Context) -> dict[str, str]:
        of_service = context.system("services", self.on).headers if self.on else {}
        return revealed(context, {**of_service, **self.headers})

    def _address(self, context: Context, url: str) -> str:
        if not self.on or url.startswith(("http://", "https://")):
            return url
        return f"{context.system('services', self.on).url.rstrip('/')}/{url.lstrip('/')}"

    def _expected(self, status: int) -> bool:
        if self.expect is None:
            return 200 <= status < 300  # noqa: PLR2004 - HTTP's own figures
        return status == self.expect if isinstance(self.expect, int) else status in self.expect

    @property
    def _expectation(self) -> str:
        if self.expect is None:
            return "2xx"
        return str(self.expect) if isinstance(self.expect, int) else " or ".join(map(str, self.expect))

    @property
    def _asked(self) -> dict[str, str]:
        return {"get": self.get, "post": self.post, "put": self.put, "patch": self.patch, "delete": self.delete}


def _good(reply: Reply) -> bool:
    return 200 <= reply.status < 300  # noqa: PLR2004 - HTTP's own figures
