from __future__ import annotations

from typing import Any

import pytest

from changeover.remote.errors import GroupInCircle, HostNotListed
from changeover.remote.inventory import hosts_of
from changeover.runbook.systems import HostEntry, Systems

SYSTEMS = Systems(
    hosts={name: HostEntry(name) for name in ("app-1", "app-2", "db")},
    groups={
        "apps": ("app-2", "app-1"),
        "all": ("db", "apps"),
        "circle": ("db", "round"),
        "round": ("circle",),
        "ghosts": ("app-9",),
    },
)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["db"], ("db",)),
        (["apps"], ("app-2", "app-1")),
        (["all"], ("db", "app-2", "app-1")),
        (["app-1", "all", "app-1"], ("app-1", "db", "app-2")),
        ([], ()),
    ],
)
def test_hosts_and_groups_give_each_host_once_in_written_order(names: Any, expected: Any) -> None:
    assert hosts_of(SYSTEMS, names) == expected


@pytest.mark.parametrize("name", ["nobody", "ghosts"])
def test_an_unknown_name_is_told_with_the_known_ones(name: Any) -> None:
    with pytest.raises(HostNotListed) as caught:
        hosts_of(SYSTEMS, [name])
    assert "app-1" in caught.value.hint


def test_a_group_in_a_circle_is_spelled_out() -> None:
    with pytest.raises(GroupInCircle, match="circle -> round -> circle"):
        hosts_of(SYSTEMS, ["circle"])
