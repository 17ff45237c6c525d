from __future__ import annotations

from collections.abc import Callable

import pytest

from changeover.runbook.load import Loaded

Write = Callable[..., Loaded]
Steps = Callable[..., str]


def said(found: Loaded) -> list[tuple[str, str]]:
    return [(finding.code, finding.hint) for finding in found.findings]


@pytest.mark.parametrize(
    ("step", "code", "hint"),
    [
        ("{id: a, shel: x}", "unknown-kind", "did you mean `shell`?"),
        ("{id: a, chek: x, title: t}", "unknown-kind", "did you mean `check`?"),
        ("{id: a, teleport: x}", "unknown-kind", "known are `check`, `gate`, `shell`, `ssh`"),
        ("{id: a, title: t}", "missing-kind", "add one kind"),
        ("{id: a, shell: x, ssh: {on: h, run: x}}", "two-kinds", "make two steps of it"),
        ("{id: a, shell: x, tittle: t}", "unknown-key", "did you mean `title`?"),
        ("{id: a, shell: x, title: t, titel: t}", "unknown-key", "`title` is there already: remove this one"),
        ("{shell: x}", "missing-key", "add `id:`"),
        ("{id: A_b, shell: x}", "bad-id", "write `a-b`"),
        ("{id: '!!', shell: x}", "bad-id", "lower-case"),
        ("{id: [a], shell: x}", "wrong-type", "a text"),
        ("{id: a, shell: x, undo: {id: b, shell: y}}", "bad-id", "remove its `id`"),
        ("{id: a, shell: x, undo: y}", "wrong-type", "one kind"),
        ("just words", "wrong-type", "write a mapping"),
        ("{parallel: x}", "wrong-type", "- id: name"),
        ("{parallel: [], needs: []}", "unknown-key", "steps of the group"),
        ("{parallel: [{parallel: []}]}", "wrong-type", "outer group"),
        ("{id: a, shell: x, expect: {worst: 2m}}", "missing-key", "likely"),
        ("{id: a, shell: x, expect: {likely: 2m, worst: 1m}}", "invalid-value", "exchange"),
        ("{id: a, shell: x, expect: {likely: 2m, worse: 3m}}", "unknown-key", "did you mean `worst`?"),
        ("{id: a, shell: x, retry: {every: 10s}}", "missing-key", "times"),
        ("{id: a, shell: x, background: yes}", "wrong-type", "true"),
        ("{id: a, shell: x, timeout: 5}", "wrong-type", "`5m`"),
    ],
)
def test_what_is_wrong_with_a_step_is_said_with_a_cure(loaded: Write, steps: Steps, step: str, code: str, hint: str) -> None:
    found = said(loaded(steps(step)))
    assert len(found) == 1
    assert found[0][0] == code
    assert hint in found[0][1]


@pytest.mark.parametrize(
    ("rollback", "code"),
    [
        ("none", "wrong-type"),
        ("{none: a, steps: [{shell: x}]}", "invalid-value"),
        ("{policy: restor}", "wrong-type"),
        ("[x]", "wrong-type"),
    ],
)
def test_what_is_wrong_with_a_rollback_is_said(loaded: Write, steps: Steps, rollback: str, code: str) -> None:
    text = steps("{id: a, shell: x}").replace("{none: a test}", rollback)
    assert [finding.code for finding in loaded(text).findings] == [code]


def test_a_step_with_a_wrong_key_is_still_a_step_so_that_others_may_need_it(loaded: Write, steps: Steps) -> None:
    found = loaded(steps("{id: a, shel: x, timeout: 5}", "{id: b, needs: [a], shell: x}"))
    assert found.bundle is not None
    assert [step.id for step in found.bundle.runbook.stages["deploy"].all_steps] == ["a", "b"]
    assert len(found.findings) == 2


def test_undo_and_verify_of_an_undo_have_names_too(loaded: Write, steps: Steps) -> None:
    bundle = loaded(steps("{id: a, shell: x, undo: {shell: y, verify: {shell: z}}}")).bundle
    assert bundle is not None
    undo = bundle.runbook.stages["deploy"].all_steps[0].undo
    assert undo is not None
    assert undo.verify is not None
    assert undo.verify.id == "a.undo.verify"
