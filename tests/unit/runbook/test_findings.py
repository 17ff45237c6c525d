from __future__ import annotations

from changeover.runbook.codes import CODES, finding
from changeover.runbook.findings import RunbookRefused, Severity
from changeover.runbook.position import Position


def test_a_refusal_names_the_first_error_and_its_cure_not_a_warning_before_it() -> None:
    refused = RunbookRefused(
        (
            finding("no-effect", "a warning", "look", Position("r.yaml", 1, 1)),
            finding("cycle", "a circle", "cut it", Position("r.yaml", 2, 3)),
            finding("bad-id", "a name", "rename it", Position("r.yaml", 4, 5)),
        )
    )
    assert str(refused) == "r.yaml:2:3: a circle (and 1 more)"
    assert refused.hint == "cut it"


def test_a_refusal_of_nothing_but_warnings_names_the_first() -> None:
    refused = RunbookRefused((finding("no-effect", "a warning", "look", Position("r.yaml", 1, 1)),))
    assert (str(refused), refused.hint) == ("r.yaml:1:1: a warning", "look")


def test_a_warning_that_blocks_a_run_refuses_it_before_any_other_warning() -> None:
    refused = RunbookRefused(
        (
            finding("no-effect", "a warning", "look", Position("r.yaml", 1, 1)),
            finding("values-missing", "no values", "write them", Position("s.yaml", 2, 3)),
        )
    )
    assert [found.stops_run for found in refused.findings] == [False, True]
    assert (str(refused), refused.hint) == ("s.yaml:2:3: no values", "write them")


def test_every_error_stops_a_run_and_of_the_warnings_only_missing_values_do() -> None:
    stopping = {code for code in CODES if finding(code, "m", "h", Position("r.yaml", 1, 1)).stops_run}
    assert {code for code, known in CODES.items() if known.severity is Severity.ERROR} == stopping - {"values-missing"}
    assert CODES["values-missing"].severity is Severity.WARNING
    assert "values-missing" in stopping
