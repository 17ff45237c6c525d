from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from changeover.contracts import Kind
from changeover.runbook.lint import Resolver, lint
from changeover.runbook.load import Loaded, load

Write = Callable[..., Loaded]
Steps = Callable[..., str]
Lint = Callable[..., list[tuple[str, str]]]


class Texts(Protocol):
    runbook: str


PEOPLE = """persons:
  anna: {name: Anna Kovács}
  bela: {name: Béla Szabó, away: [{from: 2027-03-01, to: 2027-03-13}]}
roles:
  lead: {person: anna, deputy: bela}
  second: {person: bela, deputy: anna}
"""
SYSTEMS = """hosts: {app-1: a, app-2: b}
groups: {apps: [app-1, app-2], some: [app-2]}
databases: {crm: 'postgresql://crm@db/crm'}
services: {alerts: 'https://a'}
"""


@pytest.fixture
def linted(loaded: Write, kinds: dict[str, Kind], project: Resolver) -> Lint:
    """Code and message of every finding."""

    def run(text: str, environment: str | None = None, **files: str) -> list[tuple[str, str]]:
        found = loaded(text, environment, **files)
        assert found.bundle is not None
        findings = (*found.findings, *lint(found.bundle, kinds=kinds, resolve=project))
        assert all(finding.hint for finding in findings)
        return [(finding.code, finding.message) for finding in findings]

    return run


@pytest.mark.parametrize(
    "written",
    [
        ["{id: a, shell: x, capture: {id: $.id}, undo: {shell: 'y ${captured.id} ${captured.a.id}'}}"],
        ["{id: a, shell: x, capture: {id: $.id}, verify: {shell: 'y ${captured.id}'}}"],
        ["{id: a, shell: x, capture: {id: $.id}}", "{id: b, shell: y, undo: {shell: 'z ${captured.a.id}'}}"],
        ["{id: a, shell: x, background: true, capture: {id: $.id}}", "{id: b, needs: [a], shell: 'y ${captured.a.id}'}"],
        ["{id: a, shell: x, for_each: [1, 2], capture: {id: $.id}}", "{id: b, shell: 'y ${captured.a[1].id} ${captured.a.id}'}"],
        ["{id: a, suspend: {what: x, resume_by: b}, shell: x}", "{id: b, shell: y}"],
        ["{id: a, suspend: {what: x, expires: 30h}, shell: x}"],
        ["{id: a, suspend: {what: x, resume_by: b, expires: 1h}, shell: x}", "{id: b, optional: true, shell: y}"],
        ["{id: a, point_of_no_return: true, ssh: {on: h, run: x}}", "{id: b, ssh: {on: h, run: y}}"],
        ["{id: a, point_of_no_return: true, shell: x, repeatable: true}", "{id: b, shell: y, repair: by hand}"],
        ["{id: a, point_of_no_return: true, shell: x, on_unknown: rerun}", "{id: b, shell: {command: y, changes: false}}"],
        ["{id: a, shell: x}", "{id: b, point_of_no_return: true, gate: {ask: q, deciders: [p]}}"],
        ["{id: a, shell: 'x ${item} ${item.name}', for_each: [1]}"],
        ["{id: a, shell: 'x ${run.id} ${run.mode} ${environment} $${HOME} $HOME'}"],
        ["{id: a, check: 'checks.sums:equal', with: {tables: [x], tolerance: 1}}"],
        ["{id: a, check: {function: 'checks.sums:equal', with: {tables: '${environment}'}}}"],
        ["{id: a, shell: {command: x, file: files/config.ini}}"],
        ["{id: a, ssh: {on: [app-1], run: x}}", "{id: b, ssh: {on: [app-2], run: x}}"],
        [
            "{id: a, shell: x}",
            "{id: b, check: 'checks.sums:equal', with: {tables: []}}",
            "{id: c, check: 'checks.sums:equal', with: {tables: []}}",
        ],
        ["{id: a, shell: x, when: '${environment} in [test, production]'}"],
    ],
)
def test_nothing_is_said_about_what_is_sound(linted: Lint, steps: Steps, written: list[str]) -> None:
    assert linted(steps(*written)) == []


@pytest.mark.parametrize(
    ("written", "code", "part"),
    [
        (["{id: a, shell: x, retry: {times: -1}}"], "invalid-value", "less than once"),
        (["{id: a, shell: x, for_each: {in: [1], max_parallel: 0}}"], "invalid-value", "one at a time"),
        (["{id: a, shell: x, for_each: {in: [1], max_failures: -1}}"], "invalid-value", "none cannot fail"),
        (["{id: a, shell: x, for_each: {in: [1], hosts: apps}}"], "invalid-value", "not both"),
        (["{id: a, shell: x, for_each: []}"], "no-effect", "nothing to do it for"),
        (["{id: a, shell: x, verify: {shell: y, background: true}}"], "no-effect", "in a verify"),
        (["{id: a, ssh: {on: h, run: ''}}"], "invalid-value", "`run` is empty"),
        (["{id: a, shell: {command: x, file: files/other.ini}}"], "unknown-file", "files/other.ini"),
        (["{id: a, check: 'checks.sums:equals'}"], "unknown-function", "checks.sums:equals"),
        (["{id: a, check: 'checks.sums:equal'}"], "arguments-do-not-fit", "also needs `tables`"),
        (["{id: a, check: {function: 'checks.sums:equal', with: {tables: [], x: 1}}}"], "arguments-do-not-fit", "takes no `x`"),
        (["{id: a, gate: {ask: q, deciders: [p], by: 2027-03-28 02:30}}"], "time-missing", "does not exist"),
        (["{id: a, shell: 'x ${captured}'}"], "unknown-value", "names nothing here"),
        (["{id: a, shell: 'x ${captured.a.id}', capture: {id: $.id}}"], "captured-later", "`a` does not come after `a`"),
        (["{id: a, shell: 'x ${people.lead}'}"], "unknown-person", "no people file"),
        (["{id: a, shell: 'x ${values.port}'}"], "unknown-value", "values.port"),
        (
            ["{id: a, shell: 'x ${captured.a}'}", "{id: b, shell: 'x ${captured.a}'}"],
            "never-captured",
            "does not say which value of `a`",
        ),
        (["{id: a, shell: x, when: '${inputs.x} == 1'}"], "unknown-input", "no input `x`"),
        (["{id: a, shell: x}", "{id: b, shell: x}"], "duplicate-step", "does the same as `a`"),
    ],
)
def test_what_is_wrong_is_said(linted: Lint, steps: Steps, written: list[str], code: str, part: str) -> None:
    found = linted(steps(*written))
    assert code in [each for each, _ in found]
    assert part in next(message for each, message in found if each == code)


def test_people_are_looked_up_with_their_deputies_and_absences(linted: Lint, steps: Steps) -> None:
    head = "people: people.yaml\nwindow: {opens: 2027-03-13 19:00, closes: 2027-03-14 21:00}\nstages:"
    gates = steps(
        "{id: a, owner: second, gate: {ask: q, deciders: [lead, second], quorum: 2}}",
        "{id: b, gate: {ask: q, deciders: [lead, second], quorum: 2, not: [anna]}}",
        "{id: c, gate: {ask: q, deciders: [bela]}}",
    ).replace("stages:", head)
    assert linted(gates, people=PEOPLE) == [
        ("deputy-stands-in", "`second`: Béla Szabó is away from 2027-03-01 to 2027-03-13; Anna Kovács stands in"),
        ("quorum-unreachable", "`b` needs 2 of its deciders, and there are 1: bela"),
        ("owner-absent", "nobody is there for `bela` in the window: Béla Szabó is away from 2027-03-01 to 2027-03-13"),
    ]


def test_an_absence_and_a_role_are_checked(linted: Lint, steps: Steps) -> None:
    people = (
        PEOPLE.replace("to: 2027-03-13", "to: 2027-02-13")
        .replace("deputy: bela", "deputy: anna")
        .replace("person: bela", "person: eva")
    )
    found = linted(steps("{id: a, shell: x}").replace("stages:", "people: people.yaml\nstages:"), people=people)
    assert [code for code, _ in found] == ["times-reversed", "invalid-value", "unknown-person"]


def test_systems_are_looked_up_when_an_environment_is_chosen(linted: Lint, steps: Steps) -> None:
    text = steps(
        "{id: a, ssh: {on: [apps, app-3], run: 'x ${systems.hosts.app-1.address} ${systems.hosts.app-4.address}', database: crn}}"
    )
    text = text.replace("stages:", "systems: systems.yaml\nstages:")
    assert linted(text) == []
    assert sorted(code for code, _ in linted(text, "test", systems=SYSTEMS)) == [
        "unknown-database",
        "unknown-host",
        "unknown-value",
    ]


def test_the_same_on_overlapping_groups_is_a_double(linted: Lint, steps: Steps) -> None:
    text = steps("{id: a, ssh: {on: [apps], run: x}}", "{id: b, ssh: {on: [some], run: x}}").replace(
        "stages:", "systems: systems.yaml\nstages:"
    )
    assert linted(text, "test", systems=SYSTEMS) == [("duplicate-step", "`b` does the same as `a` on app-2")]


def test_a_secret_in_the_values_of_a_machine_is_found(linted: Lint, steps: Steps) -> None:
    systems = (
        "values: values.yaml\ndatabases: {crm: {url: x, password: '${values.pw}'}, old: {url: x, password: '${values.ok}'}}\n"
    )
    text = steps("{id: a, shell: x}").replace("stages:", "systems: systems.yaml\nstages:")
    found = linted(text, "test", systems=systems, values="pw: hunter2\nok: env:PW\n")
    assert [code for code, _ in found] == ["secret-in-clear"]


def test_a_rollback_may_use_what_its_stage_and_the_stages_before_have_captured(linted: Lint, steps: Steps) -> None:
    more = """  second:
    owner: lead
    steps: [{id: b, shell: y, capture: {id: $.id}}]
    rollback: [{shell: 'z ${captured.a.id} ${captured.b.id}'}]
"""
    assert linted(steps("{id: a, shell: x, capture: {id: $.id}}", more=more)) == []


def test_every_need_may_cross_stages_and_a_clock_too(linted: Lint, steps: Steps) -> None:
    more = """  second:
    needs: []
    owner: lead
    steps:
      - {id: b, needs: [a], shell: y}
    rollback: {none: a test}
order: [[a, b]]
clocks: {c: {from: a, to: b, budget: 1h}}
"""
    assert linted(steps("{id: a, shell: x}", more=more)) == []


def test_findings_are_sorted_by_place(loaded: Write, kinds: dict[str, Kind], steps: Steps) -> None:
    bundle = loaded(steps("{id: b, shell: '${inputs.b} ${inputs.a}'}", "{id: a, needs: [z, y], shell: x}")).bundle
    assert bundle is not None
    places = [finding.at for finding in lint(bundle, kinds=kinds)]
    assert len(places) == 4
    assert places == sorted(places)


def test_lint_grows_with_the_runbook_not_with_its_square(loaded: Write, kinds: dict[str, Kind], steps: Steps) -> None:
    def seconds(count: int) -> float:
        written = (
            f"{{id: s{n}, shell: 'echo {n} ${{captured.s{max(0, n - 1)}.x}}', capture: {{x: $.x}}, undo: {{shell: u{n}}}}}"
            for n in range(count)
        )
        text = steps(*written)
        started = time.process_time()
        bundle = loaded(text).bundle
        assert bundle is not None
        lint(bundle, kinds=kinds)
        return time.process_time() - started

    seconds(50)
    assert any(seconds(1200) < 16 * max(seconds(150), 0.01) for _ in range(3))  # a busy machine may slow down one of them


@settings(max_examples=150)
@given(
    changes=st.lists(
        st.tuples(
            st.floats(0, 1, exclude_max=True),
            st.integers(0, 12),
            st.sampled_from(
                [
                    "",
                    "{",
                    "]",
                    ": ",
                    "- ",
                    "*a ",
                    "'",
                    "\n",
                    "\t",
                    "${x}",
                    "null",
                    "[]",
                    "~",
                    "2m",
                    "-1",
                    "'${captured.a.b}'",
                    "é",
                    "\0",
                ]
            ),
        ),
        min_size=1,
        max_size=3,
    )
)
def test_no_change_of_a_sound_runbook_escapes_as_an_exception(
    texts: Texts, kinds: dict[str, Kind], changes: list[tuple[float, int, str]]
) -> None:
    text = texts.runbook
    for where, length, junk in changes:
        place = int(where * len(text))
        text = text[:place] + junk + text[place + length :]
    files = {"r.yaml": text, "people.yaml": PEOPLE, "systems/test.yaml": SYSTEMS}
    found = load(Path("r.yaml"), environment="test", kinds=kinds, root=Path(), read=files.__getitem__)
    assert found.bundle is not None or found.findings
    if found.bundle is not None:
        assert all(finding.at.line >= 1 for finding in lint(found.bundle, kinds=kinds))
