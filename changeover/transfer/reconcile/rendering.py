"""A report for people: one HTML page that needs nothing else, or Markdown; and JSON for programs."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Final

import jinja2

from changeover.contracts import Answer, Value
from changeover.counting import counted
from changeover.transfer.reconcile.differences import Difference, Gap
from changeover.transfer.reconcile.findings import Report

#: Differences and rows of evidence that a page shows; the JSON beside it holds them all.
_SHOWN: Final = 200
_ESCAPED: Final = re.compile(r"[\\`*_{}\[\]<>#|~]")
_SIGNS: Final = {
    Answer.PASSED: ("✓", "fine"),
    Answer.FAILED: ("✗", "alarm"),
    Answer.NOT_VERIFIABLE: ("?", "care"),
}


def as_html(report: Report, title: str) -> str:
    """One self-contained page."""
    return _rendered(report, title, "report.html")


def as_markdown(report: Report, title: str) -> str:
    """The same in Markdown."""
    return _rendered(report, title, "report.md")


def as_json(report: Report) -> str:
    """Everything, for programs."""
    return json.dumps(report.as_json(differences=1_000_000), ensure_ascii=False, indent=2) + "\n"


def _rendered(report: Report, title: str, template: str) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(
        report=report,
        title=title,
        sign=lambda answer: _SIGNS[answer],
        number=number,
        counted=counted,
        value=value,
        cell=cell,
        rows_of=rows_of,
        nothing=lambda found: found is None or isinstance(found, NoRow),
        shown=_SHOWN,
        failed=[finding for finding in report.findings if finding.answer is not Answer.PASSED],
    )


class NoRow(Enum):
    """In the place of a value: there is no row that could have one, not even NULL."""

    THERE = "no such row"


def value(found: Value | NoRow) -> str:
    """A value as it stands in a database: no row, NULL and empty text are told apart."""
    if isinstance(found, NoRow):
        return found.value
    if found is None:
        return "NULL"
    return "(empty)" if found == "" else str(found)


def number(figure: Value) -> str:
    """A figure as people read it."""
    if isinstance(figure, dict):
        return ", ".join(f"{name} {number(entry)}" for name, entry in figure.items())
    return f"{figure:,}" if isinstance(figure, int) else value(figure)


def rows_of(differences: Sequence[Difference], limit: int) -> list[tuple[str, str, str, Value | NoRow, Value | NoRow]]:
    """Key, how it differs, column, both values, that of a row that is not there as :class:`NoRow`; at most so many rows."""
    return [
        (
            ", ".join(str(part) for part in difference.key),
            difference.gap.value,
            field.column,
            NoRow.THERE if difference.gap is Gap.EXTRA else field.source,
            NoRow.THERE if difference.gap is Gap.MISSING else field.target,
        )
        for difference in differences[:limit]
        for field in difference.fields
    ]


def cell(text: object) -> str:
    """*text* inside a Markdown table: no line break, no bar, no tag, no link comes out of a value."""
    return _ESCAPED.sub(r"\\\g<0>", " ".join(str(text).split()))
