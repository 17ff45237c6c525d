from __future__ import annotations

import subprocess
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from changeover.contracts import Kind, Value
from changeover.runbook.bundle import Bundle
from changeover.runbook.model import ForEach, Input, Runbook
from changeover.runbook.people import People, Person, Role
from changeover.runbook.position import Position
from changeover.runbook.references import ValueMissing, fill, substitute
from changeover.runbook.systems import HostEntry, ServiceEntry, Systems
from changeover.runbook.tree import Mapping_, tree_of
from changeover.runbook.values import Names, ParametersRefused, expand, materialise, text_of
from changeover.runbook.yaml_text import parse

AT = Position("runbook.yaml", 7, 3)
BUNDLE = Bundle(
    Runbook(changeover=1, id="move", stages={}, inputs={"wave": Input(default="residential"), "count": Input(type="number")}),
    People({"anna": Person("Anna Kovács")}, {"lead": Role("anna"), "ghost": Role("nobody")}),
    Systems(
        hosts={"app-1": HostEntry("10.0.0.1", 2222), "app-2": HostEntry("10.0.0.2")},
        groups={"apps": ("app-1", "all"), "all": ("apps", "app-2")},
        services={"alerts": ServiceEntry("https://alerts")},
    ),
    "sandbox",
)
CAPTURED: dict[str, dict[str, Value]] = {
    "lock": {"id": 7, "hosts": ["a", "b c"], "deep": {"x": 1}},
    "deploy[app-1]": {"version": "1.9"},
    "deploy[app-2]": {"version": "1.10"},
}
NAMES = Names(BUNDLE, {"count": 3}, "run-1", "live", CAPTURED, own="lock", item={"name": "app-1", "at": [1, 2]}, has_item=True)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${inputs.wave}", "residential"),
        ("${inputs.count}", 3),
        ("${environment}", "sandbox"),
        ("${run.id} ${run.mode}", "run-1 live"),
        ("${services.alerts}/silence", "https://alerts/silence"),
        ("${people.lead}", "Anna Kovács"),
        ("${people.anna}", "Anna Kovács"),
        ("${captured.lock.id}", 7),
        ("${captured.id}", 7),
        ("${captured.lock.deep.x}", 1),
        ("${captured.hosts}", ["a", "b c"]),
        ("${captured.deploy[app-2].version}", "1.10"),
        ("${captured.deploy.version}", {"app-1": "1.9", "app-2": "1.10"}),
        ("${item.name}", "app-1"),
        ("${item.at.1}", 2),
        ("${systems.hosts.app-1.address}:${systems.hosts.app-1.port}", "10.0.0.1:2222"),
        ("${ inputs.wave }!", "residential!"),
        ("$${HOME} $HOME", "${HOME} $HOME"),
        ("items: ${captured.hosts}", 'items: ["a", "b c"]'),
    ],
)
def test_names_stand_for_values(text: str, value: Value) -> None:
    assert substitute(text, NAMES) == value


@pytest.mark.parametrize(
    "name",
    [
        "inputs.other",
        "captured.unlock.id",
        "captured.lock.other",
        "captured.other",
        "people.ghost",
        "people.boss",
        "services.alert",
        "item.other",
        "systems.hosts.app-1",
        "systems.hosts.app-9.address",
        "run.name",
        "env.HOME",
        "HOME",
        "a b",
        "",
        "inputs",
        "captured",
    ],
)
def test_a_missing_value_is_an_error_that_names_it(name: str) -> None:
    with pytest.raises(ValueMissing) as missing:
        substitute(f"x ${{{name}}}", NAMES)
    assert f"${{{name}}}" in str(missing.value)


def test_there_is_no_item_outside_of_for_each() -> None:
    with pytest.raises(ValueMissing, match="for_each"):
        substitute("${item}", Names(BUNDLE))


def test_null_cannot_stand_inside_a_text_but_can_be_a_whole_value() -> None:
    names = Names(BUNDLE, captured={"s": {"nothing": None}})
    assert substitute("${captured.s.nothing}", names) is None
    with pytest.raises(ValueMissing, match="null"):
        substitute("rm -r /data/${captured.s.nothing}", names)


def test_values_are_put_in_at_any_depth() -> None:
    assert fill({"a": ["${inputs.count}", {"b": "${environment}!"}], "c": 1}, NAMES) == {"a": [3, {"b": "sandbox!"}], "c": 1}


def test_a_text_is_always_a_text() -> None:
    assert text_of("${inputs.count}", NAMES) == "3"


def test_items_are_lists_put_in_or_the_hosts_of_a_group() -> None:
    assert expand(ForEach(("x", "${captured.hosts}")), NAMES) == ("x", "a", "b c")
    assert expand(ForEach(hosts="apps"), NAMES) == ("app-1", "app-2")
    assert expand(ForEach((1, {"a": "${environment}"})), NAMES) == (1, {"a": "sandbox"})


def test_parameters_are_bound_with_their_values(kinds: dict[str, Kind]) -> None:
    made = materialise(
        kinds["ssh"],
        tree_of({"on": "${captured.hosts}", "run": "ls ${captured.hosts}", "limit": "${inputs.count}m"}, AT),
        {},
        NAMES,
    )
    assert made.on == ("a", "b c")  # type: ignore[attr-defined]
    assert made.run_ == "ls a 'b c'"  # type: ignore[attr-defined]
    assert made.limit == timedelta(minutes=3)  # type: ignore[attr-defined]


def test_the_arguments_of_the_step_are_handed_to_the_kind(kinds: dict[str, Kind]) -> None:
    made = materialise(kinds["check"], tree_of("checks.sums:equal", AT), {"tables": ["${inputs.wave}"]}, NAMES)
    assert (made.function, made.given) == ("checks.sums:equal", {"tables": ["residential"]})  # type: ignore[attr-defined]


def test_a_value_that_does_not_fit_is_refused_with_its_place(kinds: dict[str, Kind]) -> None:
    with pytest.raises(ParametersRefused) as refused:
        materialise(kinds["ssh"], tree_of({"on": "a", "run": "x", "limit": "${inputs.wave}"}, AT), {}, NAMES)
    assert str(refused.value).startswith("runbook.yaml:7:3")
    assert refused.value.hint


@pytest.mark.parametrize(
    ("captured", "said", "hint"),
    [
        (["a", "b"], "runbook.yaml:4:12: a duration such as `20m` is needed, and `${captured.lock.pause}` is a list", "`20m`"),
        ("soon", "runbook.yaml:4:12: a duration is needed, and `${captured.lock.pause}` is the text `soon`", "`90s`, `20m`"),
        (None, "runbook.yaml:4:12: ", "duration"),
    ],
)
def test_a_captured_value_that_does_not_fit_is_shown_where_it_was_to_be_used(
    kinds: dict[str, Kind], captured: Value, said: str, hint: str
) -> None:
    text = "id: wait\nssh:\n    on: app-1\n    limit: ${captured.lock.pause}\n    run: echo ${captured.lock.pause}\n"
    node, _ = parse(text, "runbook.yaml")
    assert isinstance(node, Mapping_)
    with pytest.raises(ParametersRefused) as refused:
        materialise(kinds["ssh"], node.entries["ssh"], {}, Names(BUNDLE, captured={"lock": {"pause": captured}}))
    assert str(refused.value).startswith(said)
    assert hint in refused.value.hint
    assert refused.value.findings[0].at == Position("runbook.yaml", 4, 12)


def test_a_captured_value_of_another_type_in_a_list_is_shown_at_its_entry(kinds: dict[str, Kind]) -> None:
    node, _ = parse("on:\n  - app-1\n  - ${captured.lock.hosts}\nrun: ls\n", "deploy.yaml")
    assert node is not None
    with pytest.raises(ParametersRefused) as refused:
        materialise(kinds["ssh"], node, {}, Names(BUNDLE, captured={"lock": {"hosts": {"a": 1}}}))
    assert str(refused.value) == "deploy.yaml:3:5: one name is needed, and `${captured.lock.hosts}` is a mapping"
    assert "capture the name itself" in refused.value.hint


def test_a_missing_value_refuses_the_step(kinds: dict[str, Kind]) -> None:
    with pytest.raises(ParametersRefused, match=r"captured\.unlock\.id"):
        materialise(kinds["shell"], tree_of("./back.sh ${captured.unlock.id}", AT), {}, NAMES)


def test_what_the_kind_itself_refuses_is_refused(kinds: dict[str, Kind]) -> None:
    with pytest.raises(ParametersRefused, match="`run` is empty"):
        materialise(kinds["ssh"], tree_of({"on": "a", "run": ""}, AT), {}, NAMES)


def test_a_value_is_never_read_as_a_reference_again(kinds: dict[str, Kind]) -> None:
    names = Names(BUNDLE, {"wave": "${inputs.count}", "list": ["${inputs.count}"], "map": {"tables": "${inputs.count}"}})
    for text in ("${inputs.wave}", "x ${inputs.wave}"):
        made = materialise(kinds["check"], tree_of(text, AT), {"a": "${inputs.wave}"}, names)
        assert "${inputs.count}" in made.function  # type: ignore[attr-defined]
        assert made.given == {"a": "${inputs.count}"}  # type: ignore[attr-defined]
    remote = materialise(kinds["ssh"], tree_of({"on": "${inputs.list}", "run": "x"}, AT), {}, names)
    assert remote.on == ("${inputs.count}",)  # type: ignore[attr-defined]
    check = materialise(kinds["check"], tree_of({"function": "f", "with": "${inputs.map}"}, AT), {}, names)
    assert check.given == {"tables": "${inputs.count}"}  # type: ignore[attr-defined]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12), min_size=1, max_size=20))
def test_no_value_is_ever_a_command(texts: list[str]) -> None:
    names = Names(BUNDLE, {f"x{number}": text for number, text in enumerate(texts)})
    written = " ".join(f"${{inputs.x{number}}}" for number in range(len(texts)))
    command = substitute(f"printf '%s\\0' {written}", names, shell=True)  # noqa: S604 - it quotes
    assert isinstance(command, str)
    said = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=True).stdout
    assert said == b"".join(text.encode() + b"\0" for text in texts)
