"""Do two databases say the same, and would anybody be sent round in circles by what several of them say?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from changeover.api import Asked, Context, Contradiction, Reconciliation, Routes, TablePair, Verdict, Witness


def same_content(context: Context, *, source: str, target: str, tables: Sequence[str]) -> Verdict:
    """Every column of every row of *tables* is the same; the rows and columns that are not stand in the figures.

    Args:
        context: given by the engine.
        source: the one database.
        target: the other database.
        tables: names; the step `reconcile` says more about each.
    """
    asked = Asked(tables=tuple(TablePair(table) for table in tables))
    report = Reconciliation(asked, context.database(source), context.database(target), context).run()
    return report.verdict()


def nobody_goes_in_circles(
    context: Context,
    *,
    systems: Mapping[str, str],
    key: str,
    fields: Sequence[str],
    routes: str,
    routes_in: str,
    disagreeing: int = 0,
) -> Verdict:
    """No customer is sent round in circles because systems disagree about them.

    Args:
        context: given by the engine.
        systems: a database -> its table.
        key: the column by which all of them know a customer.
        fields: what the routes ask for.
        routes: the table of routes: at, system, field, value, to.
        routes_in: the database with that table.
        disagreeing: customers about whom they may disagree.
    """
    words = Contradiction(
        {name: Witness(name, table) for name, table in systems.items()},
        key,
        tuple(fields),
        routes=Routes(routes_in, routes),
        limit=disagreeing,
    )
    report = Reconciliation(Asked(contradiction=(words,)), None, None, context).run()
    return report.verdict()
