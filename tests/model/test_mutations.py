"""Each rule is needed: without it an invariant is broken, within a few turns; with it, in the same suite, none is."""

from __future__ import annotations

from dataclasses import fields

import pytest

from tests.model.explore import explore
from tests.model.mutations import MUTATIONS, Mutation
from tests.model.rules import Rules


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[mutation.sentence for mutation in MUTATIONS])
def test_it_goes_wrong(mutation: Mutation) -> None:
    report = explore(mutation.suite())
    story = "\n".join([mutation.sentence, *report.trace, report.violation or "nothing went wrong"])
    assert report.violation.startswith(f"{mutation.breaks}:"), story
    assert len(report.trace) < 20, "nobody reads a longer story"
    with_the_rule = explore(mutation.sound())
    assert with_the_rule.violation == "", "\n".join(with_the_rule.trace)


def test_no_rule_is_there_for_nothing() -> None:
    assert {mutation.rule for mutation in MUTATIONS} == {field.name for field in fields(Rules)}
    assert len(MUTATIONS) >= 19
