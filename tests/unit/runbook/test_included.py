from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

import changeover.steps  # noqa: F401 - registers the kinds
from changeover.contracts import registered_kinds
from changeover.runbook.lint import lint
from changeover.runbook.load import Loaded, load

HEAD = "changeover: 1\nid: move\n"


def including(*steps: str) -> str:
    lines = "".join(f"      - {step}\n" for step in steps)
    return f"{HEAD}stages:\n  waves:\n    owner: lead\n    steps:\n{lines}    rollback: {{none: a test}}\n"


WAVE = including("{id: copy, shell: ./copy.sh}").replace(
    "stages:", "inputs: {wave: text, size: {type: number, default: 3}}\nstages:"
)


def loaded(files: Mapping[str, str], reads: Counter[str] | None = None) -> Loaded:
    def read(name: str) -> str:
        if reads is not None:
            reads[name] += 1
        return files[name]

    return load(Path("r.yaml"), environment=None, kinds=registered_kinds(), root=Path(), read=read)


def said(files: Mapping[str, str]) -> list[tuple[str, str]]:
    found = loaded(files)
    assert found.bundle is not None
    findings = (*found.findings, *lint(found.bundle, kinds=registered_kinds()))
    assert all(finding.hint and finding.at.file == "r.yaml" for finding in findings)
    return [(finding.code, finding.message) for finding in findings]


@pytest.mark.parametrize(
    "step",
    [
        "{id: a, runbook: {file: w.yaml, inputs: {wave: x}}}",
        "{id: a, runbook: {file: ./w.yaml, inputs: {wave: '${environment}', size: 4}}}",
        "{id: a, runbook: {file: w.yaml, inputs: '${captured.a.all}'}, capture: {all: $.run}}",
        "{id: a, runbook: '${environment}.yaml'}",
        "{id: a, shell: x, undo: {runbook: {file: w.yaml, inputs: {wave: x}}}}",
    ],
)
def test_nothing_is_said_of_an_included_runbook_that_gets_what_it_asks_for(step: str) -> None:
    about_inclusion = {"inputs-do-not-fit", "broken-include", "cycle"}
    assert [code for code, _ in said({"r.yaml": including(step), "w.yaml": WAVE}) if code in about_inclusion] == []


def test_the_inputs_of_an_undo_are_looked_at_too() -> None:
    text = including("{id: a, shell: x, undo: {runbook: w.yaml}}")
    assert said({"r.yaml": text, "w.yaml": WAVE}) == [("inputs-do-not-fit", "`w.yaml` also needs `wave`")]


@pytest.mark.parametrize("broken", [": {", "", "changeover: 1\n", WAVE.replace("rollback", "rolback"), "- a list\n"])
def test_what_is_wrong_inside_is_said_once_where_it_is_included(broken: str) -> None:
    text = including("{id: a, runbook: {file: w.yaml, inputs: {wave: x}}}")
    ((code, message),) = said({"r.yaml": text, "w.yaml": broken})
    assert code == "broken-include"
    assert message.startswith("`w.yaml` cannot be run: ")


def test_a_runbook_whose_included_one_includes_a_broken_one_is_broken() -> None:
    files = {"r.yaml": including("{id: a, runbook: m.yaml}"), "m.yaml": including("{id: b, runbook: w.yaml}"), "w.yaml": "x: 1\n"}
    ((code, message),) = said(files)
    assert (code, message.count("cannot be run")) == ("broken-include", 2)


def test_runbooks_that_include_each_other_are_found_and_end() -> None:
    files = {"r.yaml": including("{id: a, runbook: b.yaml}"), "b.yaml": including("{id: b, runbook: r.yaml}")}
    assert said(files) == [("cycle", "these runbooks include each other: `r.yaml` includes `b.yaml` includes `r.yaml`")]


def test_each_is_read_once_however_often_it_is_included() -> None:
    files = {"w0.yaml": including("{id: a, shell: x}")}
    for number in range(1, 12):
        steps = (f"{{id: {step}, runbook: w{number - 1}.yaml, title: {step}}}" for step in "ab")
        files[f"w{number}.yaml"] = including(*steps, f"{{id: c, runbook: w{max(number - 2, 0)}.yaml}}")
    reads: Counter[str] = Counter()
    assert loaded({"r.yaml": files["w11.yaml"], **files}, reads).findings == ()
    assert max(reads.values()) < 30


def test_the_texts_of_a_run_are_its_own_and_need_no_included_file() -> None:
    text = including("{id: a, runbook: w.yaml}")
    without, with_it = loaded({"r.yaml": text}).bundle, loaded({"r.yaml": text, "w.yaml": WAVE}).bundle
    assert without is not None
    assert with_it is not None
    assert dict(without.sources) == dict(with_it.sources) == {"r.yaml": text}
    assert without.digest == with_it.digest
    assert lint(without, kinds=registered_kinds()) == ()


def test_warnings_of_an_included_runbook_are_its_own() -> None:
    nobody = WAVE.replace("    owner: lead\n", "")
    assert said({"r.yaml": including("{id: a, runbook: {file: w.yaml, inputs: {wave: x}}}"), "w.yaml": nobody}) == []
