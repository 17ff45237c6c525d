"""Which rows came and went without the watermark: the keys of both sides are compared, and only areas that differ are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from changeover.transfer.canonical import canonical
from changeover.transfer.chunks import Key
from changeover.transfer.digests import Portion, Term
from changeover.transfer.planning import Side, TablePlan
from changeover.transfer.reading import Reader, bound, column
from changeover.transfer.reconcile.differences import Gap
from changeover.transfer.reconcile.drilling import compare, expected_keys
from changeover.transfer.reconcile.pairs import Pair

#: Differences that are settled before the keys are compared again.
MOST: Final = 50_000
_KEYS_AT_A_TIME: Final = 500
_SCANNED_AT_A_TIME: Final = 20_000


@dataclass(frozen=True, slots=True)
class LostKeys:
    """Keys that stand on one side only, when it was looked; whoever acts on one looks again first."""

    missing: tuple[Key, ...]  # in the target; as the source's key
    extra: tuple[Key, ...]  # in the target, and not in the source; as the source's key
    complete: bool  # whether there are no more


def lost_keys(plan: TablePlan, near: Side, far: Side, letters: Sequence[Key], check_stopped: Callable[[], None]) -> LostKeys:
    """Compare the keys of a table that holds nothing but copied rows.

    Raises:
        StatementFailed: a database cannot be asked.
    """
    feeds = [plan.feeds[place] for place in plan.handle]
    mine = tuple(Term.of(near.database, feed.source) for feed in feeds if feed.source is not None)
    theirs = tuple(Term.of(far.database, feed.target) for feed in feeds)
    names = tuple(feed.target.name for feed in feeds)
    pair = Pair(
        Portion(near.database, plan.source.name, mine, plan.mapping.where, mine),
        Portion(far.database, plan.target.name, theirs, "", theirs),
        names,
        (),
    )
    places = [[feed.source.name if feed.source else "" for feed in feeds].index(part.name) for part in plan.key]
    as_handles = [
        tuple(dict(zip([p.name for p in plan.key], key, strict=True))[term.column.name] for term in mine) for key in letters
    ]
    compared = compare(pair, lambda *_: check_stopped(), limit=MOST, expected_missing=expected_keys(pair, as_handles))
    by_gap: dict[Gap, list[Key]] = {Gap.MISSING: [], Gap.EXTRA: []}
    for difference in compared.differences:
        if difference.gap in by_gap:
            by_gap[difference.gap].append(tuple(difference.key[place] for place in places))
    return LostKeys(tuple(by_gap[Gap.MISSING]), tuple(by_gap[Gap.EXTRA]), compared.complete)


def lost_of_ours(reader: Reader, ours: Sequence[Key], letters: Sequence[Key], check_stopped: Callable[[], None]) -> LostKeys:
    """The same for a table that holds other rows too, of which nothing is known but that they are not *ours*."""
    plan = reader.plan
    left = {same_key(plan, key): key for key in ours}
    put_aside = {same_key(plan, key) for key in letters}
    missing: list[Key] = []
    for keys in reader.keys(_SCANNED_AT_A_TIME):
        check_stopped()
        for key in keys:
            same = same_key(plan, key)
            if left.pop(same, None) is None and same not in put_aside:
                missing.append(key)
    return LostKeys(tuple(missing[:MOST]), tuple(left.values())[:MOST], len(missing) <= MOST and len(left) <= MOST)


def still_there(reader: Reader, keys: Sequence[Key]) -> set[tuple[Any, ...]]:
    """Which of these keys the source has now; as canonical bytes, see :func:`same_key`."""
    plan = reader.plan
    names = [part.name for part in plan.key]
    found: set[tuple[Any, ...]] = set()
    for start in range(0, len(keys), _KEYS_AT_A_TIME):
        some = keys[start : start + _KEYS_AT_A_TIME]
        condition: sa.ColumnElement[bool]
        if len(names) == 1:
            condition = column(names[0]).in_([bound(key[0]) for key in some])
        else:
            condition = sa.or_(
                *[sa.and_(*[column(name) == bound(value) for name, value in zip(names, key, strict=True)]) for key in some]
            )
        found |= {same_key(plan, row[-len(names) :]) for row in reader.fetch(reader.rows().where(condition))}
    return found


def same_key(plan: TablePlan, key: Sequence[Any]) -> tuple[Any, ...]:
    """A key of the source as bytes that are equal when keys are."""
    return tuple(canonical(part.sort)(value) for part, value in zip(plan.key, key, strict=True))
