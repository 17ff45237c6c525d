"""Is what has piled up down to a normal day's?"""

from __future__ import annotations

from typing import Any

from changeover.api import Answer, Context, Verdict
from checks.web import visit


def below_normal(
    context: Context,
    *,
    service: str = "",
    path: str = "backlog",
    field: str = "open",
    normal_field: str = "normal",
    database: str = "",
    sql: str = "",
    limit: float | None = None,
) -> Verdict:
    """A figure of a service or a database is not above *limit*.

    Args:
        context: given by the engine.
        service: the name of a service, or a URL; or else `database` and `sql`.
        path: where the service tells the figure.
        field: in which field of its JSON.
        normal_field: in which field it tells what is normal, when there is no `limit`.
        database: where to ask.
        sql: what to ask: one number.
        limit: the highest figure that is normal.
    """
    if database and sql:
        found, source = context.database(database).scalar(sql), database
    elif service:
        page = visit(context, service, path)
        if page.status != 200 or not isinstance(page.content, dict):  # noqa: PLR2004 - the one good answer
            return Verdict(Answer.NOT_VERIFIABLE, page.told(), limit, None)
        found, source = page.content.get(field), page.url
        limit = page.content.get(normal_field) if limit is None else limit
    else:
        return Verdict(Answer.NOT_VERIFIABLE, "neither a service nor a database is named", limit, None)
    figure, normal = _number(found), _number(limit)
    if figure is None:
        return Verdict(Answer.NOT_VERIFIABLE, f"{source} tells no figure", limit, None)
    if normal is None:
        return Verdict(Answer.NOT_VERIFIABLE, f"{figure:g} at {source}, and nobody says what is normal", None, figure)
    return Verdict.of(figure <= normal, f"{figure:g} at {source}, normal is up to {normal:g}", expected=normal, found=figure)


def _number(value: Any) -> float | None:
    try:
        return None if value is None or isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None
