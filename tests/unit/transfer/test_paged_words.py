"""What an author may write below `api`, and what cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from changeover.steps.migrate import Migrate
from changeover.transfer.delta_words import Delta
from changeover.transfer.mapping import TableMapping
from changeover.transfer.paged_words import Paged
from changeover.transfer.throttle import LoadProbe, Throttle

SOUND = Paged("/customers", {"number": "text"}, next="$.next")


def problems(api: Paged = SOUND, *tables: str, key: tuple[str, ...] = ("number",), **changes: Any) -> list[str]:
    mapping = TableMapping("customers", key_columns=key, api=api)
    return list(Migrate("cloud", "crm", (mapping, *tables), **changes).problems())


def test_a_sound_one_has_no_fault() -> None:
    assert problems() == []
    assert problems(Paged("/c", {"n": "text"}, by="page")) == []
    assert problems(Paged("/c", {"n": "text"}, by="link")) == []


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (list(Paged("/c", {}, next="$.next").problems()), "`api: fields` names at least one field"),
        (list(Paged("/c", {"n": "text"}, next="$.next", size=0).problems()), "`api: size` is 1 or more"),
        (
            list(Paged("/c", {"n": "text"}, next="$.next", requests_per_second=0).problems()),
            "`api: requests_per_second` is 0.01 or more",
        ),
        (list(Paged("/c", {"n": "text"}).problems()), "`api: next` says where an answer has the token"),
        (list(Paged("/c", {"n": "text"}, by="page", next="$.next").problems()), "`api: next` means nothing with `by: page`"),
        (
            list(Paged("/c", {"n": "text"}, next="$.next", items="customers").problems()),
            "`api: items`: `customers` is not a path",
        ),
        (problems(SOUND, "orders"), "either all tables have `api`"),
        (problems(key=()), "`key` says which fields tell the rows of customers apart"),
        (problems(delta=Delta("at")), "`delta` needs a database"),
        (problems(throttle=Throttle(probe=LoadProbe("select 1", 5))), "`throttle: probe` asks a database"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_asked(found: list[str], says: str) -> None:
    assert len(found) == 1
    assert found[0].startswith(says)
