"""Do the pages that customers and agents use answer, and do they show a customer who moved?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from changeover.api import Answer, Context, Value, Verdict, counted
from checks.web import ANSWER_WITHIN_S, Page, visit


def pages_answer(context: Context, *, pages: Sequence[str | Mapping[str, Any]], within_s: float = ANSWER_WITHIN_S) -> Verdict:
    """Every page answers as it should.

    Args:
        context: given by the engine.
        pages: URLs or names of services, or `{page, path, status, shows}`: the status (200) and a text that it must show.
        within_s: seconds after which a page counts as not answering.
    """
    figures: dict[str, Value] = {}
    wrong = []
    for entry in pages:
        wanted = {"page": entry} if isinstance(entry, str) else dict(entry)
        page = visit(context, str(wanted["page"]), str(wanted.get("path", "")), within_s=within_s)
        figures[page.url] = page.status
        status, shows = int(wanted.get("status", 200)), str(wanted.get("shows", ""))
        if page.status != status:
            wrong.append(f"{page.told()} instead of {status}")
        elif shows not in page.text:
            wrong.append(f"{page.url} does not show {shows!r}")
    return _verdict(wrong, figures, "answer")


def shows_customer(
    context: Context,
    *,
    pages: Sequence[str],
    customer: str,
    path: str = "customers/{customer}",
    fields: Mapping[str, Value] | None = None,
    within_s: float = ANSWER_WITHIN_S,
) -> Verdict:
    """Every front end shows *customer*, with these *fields*.

    Args:
        context: given by the engine.
        pages: URLs or names of services.
        customer: the customer's number.
        path: where a front end shows a customer.
        fields: what the answer must say, such as `{read_from: crm, segment: fixed}`.
        within_s: seconds after which a page counts as not answering.
    """
    figures: dict[str, Value] = {}
    wrong = []
    for where in pages:
        page = visit(context, where, path.format(customer=customer), within_s=within_s)
        figures[page.url] = page.status
        problem = _not_shown(page, fields or {})
        if problem:
            wrong.append(problem)
    return _verdict(wrong, figures, f"show customer {customer}")


def _not_shown(page: Page, fields: Mapping[str, Value]) -> str:
    if page.status != 200:  # noqa: PLR2004 - the one good answer
        return page.told()
    if fields and not isinstance(page.content, dict):
        return f"{page.url} does not answer in JSON"
    for name, expected in fields.items():
        found = page.content.get(name)
        if str(found) != str(expected):
            return f"{page.url} says {name} = {found}, not {expected}"
    return ""


def _verdict(wrong: list[str], figures: dict[str, Value], what: str) -> Verdict:
    asked, good = len(figures), len(figures) - len(wrong)
    if wrong:
        return Verdict(Answer.FAILED, "; ".join(wrong), asked, good, figures)
    if not asked:
        return Verdict(Answer.NOT_VERIFIABLE, "no page is named", 0, 0)
    return Verdict(Answer.PASSED, f"{good} of {counted(asked, 'page')} {what}", asked, good, figures)
