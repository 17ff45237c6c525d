from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Call = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).parents[3]

SHOP = """
from changeover.api import Context, Verdict

def is_open(context: Context) -> Verdict:
    return Verdict.of(True, "it is open")

def no_doubles(context: Context) -> Verdict:
    return Verdict.of(False, "two look alike", expected=0, found=2)
"""

WARNS = """
changeover: 1
id: warns
people: people.yaml
timezone: UTC
stages:
  look:
    owner: lead
    steps:
      - {id: open, check: 'checks.shop:is_open', expect: 1m}
      - {id: doubles, check: {function: 'checks.shop:no_doubles', severity: warn}, expect: 1m}
    rollback: {none: it only looks}
"""


def test_status_lists_runs_for_people_and_programs(waiting: Call) -> None:
    assert "small-" in waiting("status")[1]
    [row] = json.loads(waiting("status", "--json")[1])["runs"]
    assert (row["state"], row["mode"], row["runner"]) == ("running", "rehearse", "anna")


def test_the_list_says_of_which_run_no_engine_is_alive(waiting: Call) -> None:
    assert waiting("run", "runbooks/small.yaml", "--engine", "local", "--json")[0] == 0
    lines = waiting("status")[1].splitlines()
    assert [", no engine" in line for line in lines if "small-" in line] == [False, True]
    rows = json.loads(waiting("status", "--json")[1])["runs"]
    assert [(row["state"], row["engine_alive"]) for row in rows] == [("succeeded", False), ("running", False)]


def test_status_of_a_run_names_every_step(waiting: Call) -> None:
    code, out, _ = waiting("status", "latest")
    assert code == 0
    assert "close" in out
    assert "waits for people" in out
    document = json.loads(waiting("status", "latest", "--json")[1])
    assert [waiting_for["step"] for waiting_for in document["waiting"]] == ["go"]


def test_an_unknown_run_is_one_message(waiting: Call) -> None:
    code, _, err = waiting("status", "smell")
    assert code == 2
    assert "there is no run 'smell'" in err


def test_events_are_lines_for_people_and_json_for_programs(waiting: Call) -> None:
    lines = waiting("events")[1].splitlines()
    assert "the run was planned" in lines[0]
    events = [json.loads(line) for line in waiting("events", "--json")[1].splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert {"run", "at", "kind", "step", "attempt", "who", "data", "hash"} <= set(events[0])
    later = waiting("events", "--json", "--after", "2")[1].splitlines()
    assert json.loads(later[0])["seq"] == 3


def test_watch_without_a_terminal_is_lines_and_ends_with_the_run(changeover: Call) -> None:
    assert changeover("run", "runbooks/small.yaml", "--engine", "local", "--json")[0] == 0
    code, out, _ = changeover("watch")
    assert code == 0
    assert out.splitlines()[-2].endswith("the run succeeded")


def test_follow_ends_with_the_run(changeover: Call) -> None:
    assert changeover("run", "runbooks/small.yaml", "--engine", "local", "--json")[0] == 0
    code, out, _ = changeover("events", "--follow", "--json")
    assert code == 0
    assert json.loads(out.splitlines()[-1])["kind"] == "engine_stopped"


def test_the_report_is_one_page_in_which_no_value_is_markup(waiting: Call, project: Path) -> None:
    assert waiting("approve", "go", "--why", "<script>alert(1)</script> | fine")[0] == 0
    code, out, _ = waiting("report")
    page = Path(out.strip())
    assert code == 0
    assert page.parent == project / ".changeover" / "reports"
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "Stop &lt;taking&gt; orders" in text
    assert "http" not in text.replace("https://api.slack.com", "")  # nothing is loaded from anywhere
    heads = ("Plan and actual", "Decisions", "Deviations", "Failures and retries", "Checks", "Suspensions", "People", "Evidence")
    assert all(f">{head}" in text for head in heads)


def test_the_report_in_markdown_keeps_its_tables_whole(waiting: Call) -> None:
    assert waiting("approve", "go", "--why", "a | b\nc <img>")[0] == 0
    code, out, _ = waiting("report", "--format", "md", "--output", "-")
    assert code == 0
    [row] = [line for line in out.splitlines() if "approve `go`" in line]
    assert "a \\| b c \\<img>" in row
    assert row.count(" | ") == 5 + 0


def test_the_report_lists_a_check_that_only_warns_and_does_not_call_it_passed(changeover: Call, project: Path) -> None:
    (project / "checks").mkdir()
    (project / "checks" / "shop.py").write_text(SHOP, encoding="utf-8")
    (project / "runbooks" / "warns.yaml").write_text(WARNS, encoding="utf-8")
    assert changeover("rehearse", "runbooks/warns.yaml", "--engine", "local", "--lines")[0] == 0
    code, out, _ = changeover("report", "--format", "md", "--output", "-")
    assert code == 0
    assert "| 1 of 2 |" in out
    assert "| `doubles` | ✗ failed | two look alike | 0 | 2 |" in out
    deviations = out.partition("## Deviations")[2].partition("\n## ")[0]
    assert "`doubles` passed: warning: failed: two look alike" in deviations
    assert "open" not in deviations


@pytest.mark.parametrize("target", ["runbooks", "runbooks/small.yaml/report.html"])
def test_a_report_that_cannot_be_written_says_why(waiting: Call, target: str) -> None:
    code, _, err = waiting("report", "--output", target)
    assert code == 2
    assert err.startswith("error: the report cannot be written to ")


def run(project: Path, words: str) -> subprocess.CompletedProcess[str]:
    program = f"{sys.executable} {ROOT / 'orchestrate.py'}"
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {words.replace('CHANGEOVER', program)}"],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_reader_that_goes_away_is_no_error(changeover: Call, project: Path) -> None:
    assert changeover("run", "runbooks/small.yaml", "--engine", "local", "--json")[0] == 0
    done = run(project, "CHANGEOVER events --json | true")
    assert (done.returncode, done.stderr) == (141, "")


def test_a_run_goes_on_when_its_reader_goes_away(changeover: Call, project: Path) -> None:
    done = run(project, "CHANGEOVER run runbooks/small.yaml --engine local --lines | true")
    assert json.loads(changeover("status", "--json")[1])["runs"][0]["state"] == "succeeded"
    assert done.stderr == ""


def test_a_closed_output_is_no_error(changeover: Call, project: Path) -> None:
    assert changeover("run", "runbooks/small.yaml", "--engine", "local", "--json")[0] == 0
    assert run(project, "CHANGEOVER status latest >&- 2>&- <&-").returncode == 0


def test_who_reads_or_asks_loads_only_what_reading_needs(waiting: Call, project: Path) -> None:
    words = [["status", "latest"], ["events", "latest", "--json"], ["watch", "nowhere"], ["hold", "--why", "coffee"]]
    code = f"import sys; from changeover.cli import main; [main(one) for one in {words!r}]; print(*sys.modules, file=sys.stderr)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=project, env=environment, capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert "changeover.journal.store" in loaded
    heavy = {"pydantic", "prefect", "alembic", "paramiko", "slack_sdk", "httpx", "jinja2", "sqlalchemy.dialects.postgresql"}
    assert not heavy & loaded
