"""What the checks of this folder share: asking over HTTP, by URL or by the name of a service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from changeover.api import Context

#: Seconds after which a page counts as not answering.
ANSWER_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Page:
    """What came back."""

    url: str
    status: int  # 0: nothing
    text: str
    content: Any  # JSON, when it is JSON
    problem: str  # why nothing came back

    def told(self) -> str:
        """For people."""
        return f"{self.url} answers {self.status}" if self.status else f"{self.url} does not answer: {self.problem}"


def visit(context: Context, where: str, path: str = "", *, within_s: float = ANSWER_WITHIN_S) -> Page:
    """Ask *where*, a URL or the name of a service, for *path*. Never raises for what the far side does."""
    headers: dict[str, str] = {}
    url = where
    if "://" not in where:
        service = context.system("services", where)
        url = service.url
        headers = {name: _revealed(context, value) for name, value in service.headers.items()}
    url = f"{url.rstrip('/')}/{path.lstrip('/')}" if path else url
    context.check_stopped()
    try:
        answer = httpx.get(url, headers=headers, timeout=within_s, follow_redirects=True)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Page(url, 0, "", None, str(error) or type(error).__name__)
    try:
        content = answer.json()
    except ValueError:
        content = None
    return Page(url, answer.status_code, answer.text, content, "")


def _revealed(context: Context, value: str) -> str:
    return context.secret(value) if value.startswith(("env:", "file:", "keyring:")) else value
