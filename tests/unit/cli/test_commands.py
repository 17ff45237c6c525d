from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from changeover.engine.clock import SystemClock
from changeover.journal.events import Draft, EventKind
from changeover.journal.records import Owner
from changeover.journal.store import Journal

Call = Callable[..., tuple[int, str, str]]


def journal(project: Path) -> Journal:
    return Journal.open(f"sqlite:///{project}/.changeover/journal.db", clock=SystemClock(), create=False)


def asked(project: Path) -> list[tuple[str, str, str, str]]:
    with journal(project) as opened:
        run = opened.run("latest")
        return [
            (entry.command.verb.value, entry.command.step, entry.command.who, entry.command.why)
            for entry in opened.commands(run.id)
        ]


def test_a_command_without_an_engine_waits_in_the_journal_and_says_so(waiting: Call, project: Path) -> None:
    code, out, err = waiting("approve", "go", "--why", "all well")
    assert (code, err) == (0, "")
    assert "REHEARSE" in out
    assert "approve go: Reopen the shop?" in out
    assert "no engine is alive" in out
    assert asked(project) == [("approve", "go", "anna", "all well")]


def test_what_is_to_be_adjusted_is_said_and_waits_in_the_journal(waiting: Call, project: Path) -> None:
    words = ("--rows-per-second", "5000", "--workers", "2", "--hold", "--why", "the shop is slow")
    code, out, err = waiting("adjust", "close", *words)
    assert (code, err) == (0, "")
    assert "close: held, at most 5,000 rows/s, 2 workers" in " ".join(out.split())
    assert asked(project) == [("adjust", "close", "anna", "the shop is slow")]
    with journal(project) as opened:
        (record,) = opened.commands(opened.run("latest").id)
    assert record.command.data == {"hold": True, "rows_per_second": 5000, "workers": 2}


def test_the_only_question_need_not_be_named(waiting: Call, project: Path) -> None:
    assert waiting("approve", "--why", "all well")[0] == 0
    assert asked(project) == [("approve", "go", "anna", "all well")]


def test_run_and_step_may_both_be_named(waiting: Call, project: Path) -> None:
    with journal(project) as opened:
        run = opened.run("latest").id
    assert waiting("refuse", run, "go", "--why", "not yet", "--who", "bela")[0] == 0
    assert waiting("refuse", run[:10], "go", "--why", "not yet", "--who", "bela")[0] == 0
    assert asked(project) == [("refuse", "go", "bela", "not yet")] * 2


@pytest.mark.parametrize(
    ("words", "message", "cure"),
    [
        (["approve", "goo", "--why", "x"], "has no step 'goo'", "did you mean go"),
        (["approve", "go"], "say why", "--why"),
        (["approve", "go", "--why", "WHY"], "say why", "--why"),
        (["approve", "go", "--why", "x", "--who", "lead"], "'lead' is a role", "--who anna"),
        (["approve", "go", "--why", "x", "--who", "ana"], "'ana' (from --who)", "--who anna"),
        (["approve", "nope-1", "go", "--why", "x"], "there is no run 'nope-1'", ""),
        (["skip", "--why", "x"], "no step waits for `skip` now", "status"),
        (["done"], "no step waits for `done` now", "status"),
        (["leave-off", "alerts", "--why", "x"], "nothing called 'alerts' is switched off", "nothing"),
        (["adjust", "close", "--why", "x"], "say what is to change", "--hold"),
        (["adjust", "close", "--hold", "--release", "--why", "x"], "--hold and --release cannot both be meant", "one of them"),
        (["adjust", "close", "--rows-per-second", "0", "--why", "x"], "is a number above 0", "what can be set"),
        (["adjust", "close", "--workers", "0", "--why", "x"], "is a whole number from 1 on", "what can be set"),
        (["adjust", "--hold", "--why", "x"], "no step waits for `adjust` now", "status"),
        (["adjust", "close", "--hold"], "say why", "--why"),
        (["rollback", "--why", "x"], "has to be confirmed", "--yes"),
        (["abort", "--why", "x"], "has to be confirmed", "--yes"),
        (["done", "go", "--captured", "id"], "--captured 'id' is not NAME=VALUE", "--captured wave"),
    ],
)
def test_a_mistake_is_one_message_and_leaves_no_command(
    waiting: Call, project: Path, words: list[str], message: str, cure: str
) -> None:
    code, _, err = waiting(*words)
    assert code == 2
    assert err.startswith("error: ")
    assert message in err
    assert cure in err
    assert asked(project) == []


def test_before_a_rollback_it_says_how_long_it_takes_and_what_it_loses(waiting: Call, project: Path) -> None:
    code, out, _ = waiting("rollback", "--why", "sums do not agree", "--yes")
    assert code == 0
    assert "rolling back now undoes 1 step, takes about" in " ".join(out.split())
    assert "and loses: " in out
    assert asked(project) == [("rollback", "", "anna", "sums do not agree")]


def test_json_says_what_became_of_it(waiting: Call) -> None:
    code, out, _ = waiting("hold", "--why", "coffee", "--json")
    answer = json.loads(out)
    assert code == 0
    assert {name: answer[name] for name in ("verb", "who", "accepted", "engine_alive")} == {
        "verb": "hold",
        "who": "anna",
        "accepted": None,
        "engine_alive": False,
    }


def test_what_the_engine_answers_is_printed(waiting: Call, project: Path) -> None:
    answers = [(True, "held; nothing runs", 0), (False, "the run is held already", 2)]
    with journal(project) as engine:
        run = engine.run("latest").id
        lease = engine.take_lease(run, Owner("anna", "host", 1), seconds=60)
        for accepted, text, code in answers:
            said = waiting("hold", "--why", "coffee", "--wait", "0")
            assert "has not answered yet" in said[1]
            [record] = engine.commands(run, unanswered=True)
            engine.answer(lease, record, accepted=accepted, text=text)
            assert engine.command(record.id).accepted is accepted
            assert code in {0, 2}
        engine.append(lease, [Draft(EventKind.ABORT_REQUESTED, who="anna", data={"why": "x"}), Draft(EventKind.RUN_ABORTED)])
        engine.release_lease(lease)
    code, _, err = waiting("hold", run, "--why", "too late")
    assert code == 2
    assert "is aborted; nothing of it can be changed any more" in err
    assert f"changeover report {run}" in err


def test_two_active_runs_have_to_be_told_apart(waiting: Call) -> None:
    assert waiting("rehearse", "runbooks/small.yaml", "--engine", "local", "--no-wait", "--lines")[0] == 3
    code, _, err = waiting("hold", "--why", "x")
    assert code == 2
    assert "2 runs are active: small-" in err
    assert "name the one you mean" in err


def test_without_any_run_it_says_how_to_start_one(changeover: Call) -> None:
    code, _, err = changeover("hold", "--why", "x")
    assert code == 2
    assert "journal" in err
    assert changeover("status")[1].startswith("There is no run yet.")
    assert json.loads(changeover("status", "--json")[1]) == {"runs": []}


def test_a_finished_run_is_not_active(changeover: Call) -> None:
    assert changeover("run", "runbooks/small.yaml", "--engine", "local", "--lines")[0] == 0
    code, _, err = changeover("hold", "--why", "x")
    assert code == 2
    assert "no run is active; the latest, small-" in err
    assert changeover("resume")[0] == 2


def test_before_a_rollback_to_a_stage_it_says_what_stays(waiting: Call, project: Path) -> None:
    code, out, _ = waiting("rollback", "--to", "freeze", "--why", "the shop is fine", "--yes")
    assert code == 0
    assert "rolling back to freeze now undoes no steps" in out
    assert "what stays: freeze" in out
    assert asked(project) == [("rollback", "", "anna", "the shop is fine")]
    code, _, err = waiting("rollback", "--to", "freze", "--why", "x", "--yes")
    assert (code, "did you mean 'freeze'?" in err) == (2, True)


def test_the_same_key_is_the_same_command(waiting: Call, project: Path) -> None:
    for _ in range(2):
        assert waiting("hold", "--why", "wait", "--key", "night-1")[0] == 0
    assert asked(project) == [("hold", "", "anna", "wait")]


def test_all_that_failed_is_tried_again_with_one_word(waiting: Call, project: Path) -> None:
    code, out, _ = waiting("retry", "--all")
    assert code == 0
    assert "nothing has failed" in out
    assert asked(project) == [("retry", "", "anna", "")]


def test_commands_are_listed_with_what_became_of_them(waiting: Call) -> None:
    assert "Nobody has asked anything" in waiting("commands")[1]
    waiting("hold", "--why", "a <strange> [why]")
    out = waiting("commands")[1]
    assert "hold" in out
    assert "waits for an engine" in out
    waiting("resume", "--no-wait", "--lines", "--engine", "local")
    assert "accepted: held" in waiting("commands")[1]
    assert "Nobody has asked anything" in waiting("commands", "--open")[1]
    (row,) = [json.loads(line) for line in waiting("commands", "--json")[1].splitlines()]
    assert (row["verb"], row["who"], row["accepted"], row["answer"]) == ("hold", "anna", True, "held; nothing runs")


def test_before_a_rollback_the_runbooks_own_check_counts_what_it_loses(changeover: Call, project: Path) -> None:
    (project / "checks").mkdir()
    (project / "checks" / "orders.py").write_text(
        "from changeover.api import Context, Verdict\n\n\n"
        "def since(context: Context) -> Verdict:\n"
        "    return Verdict.of(False, '12 orders since the shop opened')\n"
    )
    file = project / "runbooks" / "small.yaml"
    way_back = "way_back: {until: 2099-01-01 10:00, kept_by: reverse replication, freshness: checks.orders:since}\n"
    file.write_text(file.read_text(encoding="utf-8").replace("stages:", f"{way_back}stages:"), encoding="utf-8")
    assert changeover("rehearse", "runbooks/small.yaml", "--engine", "local", "--no-wait", "--lines")[0] == 3
    out = changeover("rollback", "--why", "x", "--yes")[1]
    assert "counted now: 12 orders since the shop opened" in out
    assert "the way back is kept alive until 2099-01-01 10:00" in out
