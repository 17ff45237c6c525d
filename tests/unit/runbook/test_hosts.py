from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from changeover.contracts import Kind
from changeover.runbook.load import Loaded, load
from changeover.runbook.systems import Systems
from changeover.runbook.values import Names

RUNBOOK = """changeover: 1
id: move
systems: systems.yaml
stages:
  only:
    steps: [{id: go, shell: 'true'}]
    rollback: {none: a test}
"""

Load = Callable[..., Loaded]


@pytest.fixture
def inventory(tmp_path: Path, kinds: dict[str, Kind]) -> Load:
    """Loads a systems file with the files beside it."""

    def write(systems: str, **files: str) -> Loaded:
        named = {name.replace("__", "."): text for name, text in files.items()}
        for name, text in {"runbook.yaml": RUNBOOK, "systems.yaml": systems, **named}.items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        return load(tmp_path / "runbook.yaml", environment="test", kinds=kinds, root=tmp_path)

    return write


def sound(loaded: Loaded) -> Systems:
    assert [f"{found.at}: {found.message}" for found in loaded.findings] == []
    assert loaded.bundle is not None
    return loaded.bundle.systems


def test_the_nearest_word_wins_host_before_inner_group_before_outer_before_defaults(inventory: Load) -> None:
    systems = sound(
        inventory(
            """
defaults: {user: everybody, port: 2200, key: agent, vars: {site: none, rack: none}}
hosts:
  app-1: {address: 10.0.0.1, user: own, vars: {slot: 4}}
  app-2: 10.0.0.2
  app-3: {}
groups:
  inner: {members: [app-1, app-2], user: inner, vars: {rack: r1}}
  outer: {members: [inner, app-3], user: outer, become: true, needs: [tar], vars: {rack: r0, site: Budapest}}
"""
        )
    )
    found = {name: (entry.address, entry.user, entry.port, entry.become, entry.needs) for name, entry in systems.hosts.items()}
    assert found == {
        "app-1": ("10.0.0.1", "own", 2200, True, ("tar",)),
        "app-2": ("10.0.0.2", "inner", 2200, True, ("tar",)),
        "app-3": ("app-3", "outer", 2200, True, ("tar",)),
    }
    assert systems.hosts["app-1"].vars == {"site": "Budapest", "rack": "r1", "slot": 4}
    assert systems.hosts["app-3"].vars == {"site": "Budapest", "rack": "r0"}
    assert systems.members("outer") == ("app-1", "app-2", "app-3")


def test_ranges_are_spread_out_in_names_addresses_and_members(inventory: Load) -> None:
    systems = sound(
        inventory(
            """
hosts:
  seat[001:200]: 10.1.0.[1:200]
  rack[a:b]-[1:2]: {}
groups:
  seats: {members: ['seat[001:200]'], concurrency: 20}
  even: ['seat[002:200:2]']
"""
        )
    )
    assert len(systems.hosts) == 204
    assert systems.hosts["seat007"].address == "10.1.0.7"
    assert systems.hosts["racka-2"].address == "racka-2"
    assert len(systems.members("even")) == 100
    assert systems.limits == {"seats": 20}


def test_a_jump_host_is_not_reached_through_itself(inventory: Load) -> None:
    systems = sound(inventory("defaults: {jump: bastion}\nhosts: {bastion: b.example.org, app-1: a, near: {jump: ''}}\n"))
    assert {name: entry.jump for name, entry in systems.hosts.items()} == {"bastion": "", "app-1": "bastion", "near": ""}


def test_hosts_and_groups_of_several_files_are_one(inventory: Load) -> None:
    systems = sound(
        inventory(
            "inventory: [seats.yaml]\ndefaults: {user: ops}\nhosts: {app-1: a}\ngroups: {everything: [app-1, seats]}\n",
            seats__yaml="defaults: {user: desk}\nhosts: {'seat[1:2]': {}}\ngroups: {seats: ['seat[1:2]'], both: [everything]}\n",
        )
    )
    assert {name: entry.user for name, entry in systems.hosts.items()} == {"app-1": "ops", "seat1": "desk", "seat2": "desk"}
    assert systems.members("both") == ("app-1", "seat1", "seat2")


def test_the_texts_of_inventories_are_part_of_the_run(inventory: Load) -> None:
    loaded = inventory("inventory: [seats.yaml]\nansible: [hosts.ini]\n", seats__yaml="hosts: {a: {}}\n", hosts__ini="b\n")
    sound(loaded)
    assert loaded.bundle is not None
    assert {"seats.yaml", "hosts.ini"} <= set(loaded.bundle.sources)


def test_values_of_a_host_can_be_named(inventory: Load, kinds: dict[str, Kind]) -> None:
    loaded = inventory("hosts: {app-1: {vars: {site: Budapest, ports: [80, 443]}}}\n")
    assert loaded.bundle is not None
    names = Names(loaded.bundle)
    assert names.lookup(("systems", "hosts", "app-1", "vars", "site")) == "Budapest"
    assert names.lookup(("systems", "hosts", "app-1", "vars", "ports", "1")) == 443


@pytest.mark.parametrize("more", ["", "  top: {members: [middle]}\n"])
def test_groups_of_the_same_depth_that_differ_are_reported_unless_the_host_says_it(inventory: Load, more: str) -> None:
    text = "hosts: {a: {%s}}\ngroups:\n  left: {members: [a], user: l}\n  middle: {members: [a], user: m}\n" + more
    assert [found.code for found in inventory(text % "").findings] == ([] if more else ["invalid-value"])
    sound(inventory(text % "user: own"))
