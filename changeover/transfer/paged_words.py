"""What the author writes below `api:` of a table: how a service hands out its rows. The fields are the YAML keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from changeover.contracts import key
from changeover.errors import Mistake
from changeover.runbook.capture_paths import parse

FieldSort = Literal["text", "integer", "decimal", "float", "boolean", "date", "datetime", "json"]

#: How the staging table declares each sort. Numbers and dates stay the text that the service wrote.
DECLARED: Final[Mapping[str, str]] = {
    "text": "text",
    "integer": "bigint",
    "decimal": "text",
    "float": "double precision",
    "boolean": "boolean",
    "date": "text",
    "datetime": "text",
    "json": "text",
}


@dataclass(frozen=True, slots=True)
class Paged:
    """Rows that a service hands out page by page."""

    path: str = key("what follows the service's URL, such as `/customers`")
    fields: Mapping[str, FieldSort] = key("the fields of a row that are read, and what they are")
    items: str = key("where the rows stand in an answer", default="$")
    by: Literal["cursor", "link", "page", "offset"] = key(
        "how the next page is asked for: `cursor`: by a token of the last answer; `link`: by a URL in it; or by number",
        default="cursor",
    )
    next: str = key(
        "where an answer says what comes next, with `cursor` and `link`; of a `link` left out: the header `Link`", default=""
    )
    parameter: str = key("the query parameter that asks for a page; left out: `cursor`, `page` or `offset`", default="")
    size: int = key("rows of a page", default=200)
    size_parameter: str = key("the query parameter that asks for so many", default="limit")
    first: int | None = key("the number of the first page; left out: 1, of an `offset` 0", default=None)
    parameters: Mapping[str, str] = key("further query parameters", default_factory=dict)
    total: str = key("where an answer says how many rows there are; left out: it does not", default="")
    expired: tuple[int, ...] = key("the statuses that mean that a token has expired", default=(410,))
    requests_per_second: float = key("requests a second, at most, whatever the service would bear", default=50.0)

    def problems(self) -> Iterable[str]:
        """What makes no sense; a `${...}` is left alone."""
        if not self.fields:
            yield "`api: fields` names at least one field"
        if _below(self.size, 1):
            yield "`api: size` is 1 or more"
        if _below(self.requests_per_second, 0.01):
            yield "`api: requests_per_second` is 0.01 or more"
        if self.by == "cursor" and not self.next:
            yield "`api: next` says where an answer has the token of the next page, such as `$.next`"
        if self.by in {"page", "offset"} and self.next:
            yield f"`api: next` means nothing with `by: {self.by}`"
        for word, path in (("items", self.items), ("next", self.next), ("total", self.total)):
            if path and "${" not in path:
                try:
                    parse(path)
                except Mistake as mistake:
                    yield f"`api: {word}`: {mistake}"


def _below(value: object, least: float) -> bool:
    """False for a `${...}` that only the run will know."""
    return isinstance(value, int | float) and value < least
