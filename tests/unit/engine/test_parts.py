"""The small parts: clocks, timers, stop signals, failpoints, ids, contexts, resources, and where Prefect is looked for."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from changeover.contracts import Mode, RunState, StepState, Value
from changeover.engine import failpoints, prefect_server
from changeover.engine.clock import SystemClock
from changeover.engine.context import LINE_LIMIT, LINES_LIMIT, AttemptContext
from changeover.engine.create import new_id
from changeover.engine.hypercare import NoHypercare, watch
from changeover.engine.options import Options
from changeover.engine.people import PersonUnknown, holders, person, why_not
from changeover.engine.resources import NotInSystems, Resources
from changeover.engine.starting import ModeUnknown, Wanted, mode_of, record_run
from changeover.engine.stopping import StopSignal
from changeover.engine.threads import Worker, in_thread
from changeover.engine.timers import Timers
from changeover.errors import Stopped
from changeover.journal.events import Draft, Event, EventKind, Verb
from changeover.journal.fold import StepRecord, fold
from changeover.journal.records import Owner, RunRecord
from changeover.project import Project
from changeover.runbook.findings import RunbookRefused
from changeover.runbook.people import People, Person, Role
from changeover.runbook.systems import DatabaseEntry, ServiceEntry, Systems
from changeover.secrets import Secrets
from changeover.testing import EVENING, FakeClock, FakeContext, NotFaked, Trial, temporary_journal

TrialOf = Callable[..., Trial]

PEOPLE = People({"anna": Person("Anna Kovács"), "bela": Person("Béla Nagy")}, {"lead": Role("anna", "bela"), "dba": Role("bela")})


def test_timers_fire_in_the_order_they_are_due_and_cancelled_ones_never() -> None:
    clock, fired = FakeClock(), list[str]()
    timers = Timers(clock)
    timers.after(20, lambda: fired.append("late"))
    timers.after(10, lambda: fired.append("soon"))
    timers.after(15, lambda: fired.append("never")).cancel()
    assert timers.fire() == 0
    assert timers.next_in() == 10
    clock.advance(30)
    assert timers.fire() == 2
    assert fired == ["soon", "late"]
    assert timers.next_in() is None


def test_a_clock_that_jumps_moves_no_timer() -> None:
    clock, fired = FakeClock(), list[int]()
    timers = Timers(clock)
    timers.after(10, lambda: fired.append(1))
    clock.jump(30 * 3600)
    assert timers.fire() == 0
    clock.jump(-60 * 3600)
    clock.advance(10)
    assert timers.fire() == 1


def test_the_systems_clock_is_aware_and_its_seconds_go_forward() -> None:
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() <= clock.monotonic()


def test_a_sleeper_wakes_up_at_once_when_it_has_to_stop() -> None:
    signal = StopSignal(SystemClock(), lambda _: None)
    woken: list[str] = []

    def sleep() -> None:
        try:
            signal.sleep(60)
        except Stopped as stopped:
            woken.append(stopped.why)

    thread = threading.Thread(target=sleep)
    thread.start()
    signal.request("abort: fire")
    signal.request("a second time")
    thread.join(5)
    assert woken == ["abort: fire"]
    with pytest.raises(Stopped, match="fire"):
        signal.check()


def test_what_a_step_wants_done_on_stopping_is_done_once_and_a_failing_action_stops_no_other() -> None:
    failed: list[BaseException] = []
    done = threading.Event()
    signal = StopSignal(SystemClock(), failed.append)

    def fail() -> None:
        raise ZeroDivisionError

    signal.on_request(fail)
    signal.on_request(done.set)
    signal.request("stop")
    assert done.wait(5)
    assert isinstance(failed[0], ZeroDivisionError)
    late = threading.Event()
    signal.on_request(late.set)
    assert late.wait(5)


def test_sleeping_on_a_virtual_clock_takes_no_time() -> None:
    clock = FakeClock()
    began = time.monotonic()
    StopSignal(clock, lambda _: None).sleep(12 * 3600)
    assert time.monotonic() - began < 1
    assert clock.now() == EVENING + timedelta(hours=12)


def test_failpoints_count_and_cost_nothing_when_off(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr("os.kill", lambda pid, number: killed.append((pid, number)))
    failpoints.reach("before.step_started")
    assert not failpoints.armed()
    failpoints.arm("before.step_started:2")
    try:
        assert failpoints.armed()
        for name in ("before.step_started", "after.step_started", "before.step_started", "before.step_started"):
            failpoints.reach(name)
        assert len(killed) == 1
    finally:
        failpoints.arm("")


@pytest.mark.parametrize(("text", "name", "left"), [("a:3", "a", 3), ("*:7", "*", 7), ("acting", "acting", 1)])
def test_a_failpoint_is_written_name_and_number(text: str, name: str, left: int) -> None:
    point = failpoints.parse(text)
    assert point is not None
    assert (point.name, point.left) == (name, left)


def test_an_id_can_be_said_on_the_bridge() -> None:
    assert re.fullmatch(
        r"fixed-line-crm-20270313-1900-[a-z2-9]{4}", new_id("fixed-line-crm", datetime(2027, 3, 13, 19, tzinfo=UTC))
    )
    assert len({new_id("x", EVENING) for _ in range(50)}) > 45


def test_a_name_stands_for_one_person_whatever_its_case() -> None:
    assert person(PEOPLE, "anna") == person(PEOPLE, "Anna Kovács") == person(PEOPLE, "ANNA") == "anna"
    assert person(People(), "whoever") == "whoever"
    with pytest.raises(PersonUnknown, match="it knows anna, bela"):
        person(PEOPLE, "zzz")


def test_roles_stand_for_their_holders_and_deputies() -> None:
    assert holders(PEOPLE, ["lead", "dba"]) == ("anna", "bela")
    assert why_not(PEOPLE, "anna", {"deciders": ["dba"], "excluded": []}, "anna") == "anna may not decide this; bela may"
    assert "started the run" in why_not(PEOPLE, "anna", {"deciders": ["lead"], "excluded": ["runner"]}, "anna")
    assert "excluded by the runbook" in why_not(PEOPLE, "x", {"deciders": [], "excluded": ["dba"]}, "bela")
    assert why_not(PEOPLE, "x", {"deciders": [], "excluded": []}, "bela") == ""


def test_threads_hand_on_what_they_raise_even_an_exit() -> None:
    async def ask() -> None:
        assert await in_thread(lambda: 7, name="t") == 7
        with pytest.raises(ZeroDivisionError):
            await in_thread(lambda: 1 // 0, name="t")
        with pytest.raises(RuntimeError, match="SystemExit: 3"):
            await in_thread(lambda: (_ for _ in ()).throw(SystemExit(3)), name="t")
        worker = Worker("w")
        assert [await worker.call(lambda n=n: n) for n in range(3)] == [0, 1, 2]  # type: ignore[misc]
        with pytest.raises(KeyError):
            await worker.call(lambda: dict[str, int]()["x"])
        worker.close()

    asyncio.run(ask())


# the context


class Surroundings:
    def __init__(self) -> None:
        self.notes: list[Draft] = []

    def note(self, draft: Draft) -> None:
        self.notes.append(draft)

    def since(self, step: str) -> float | None:
        return 5.0 if step == "a" else None

    def parameters_of(self, step: str) -> Any:
        return step

    def rehearsed(self, step: str) -> dict[str, Value]:
        return {"tail": 5, "at": step}

    def include(self, file: str, inputs: Any, context: Any) -> Any:
        return file

    def adjusted(self, step: str) -> StepRecord:
        return fold("night-1", self.events()).step(step)

    def events(self) -> list[Event]:
        return [
            Event("night-1", number, EVENING, 1, draft.kind, draft.step, draft.attempt, draft.who, draft.data)
            for number, draft in enumerate(self.notes, start=1)
        ]


def context_in(folder: Path, clock: FakeClock, **more: Any) -> tuple[AttemptContext, Surroundings]:
    around = Surroundings()
    run = RunRecord("night-1", "night", "Night", "test", Mode.REHEARSE, "anna", EVENING, "", "x", {}, {}, {})
    systems = Systems(services={"alerts": ServiceEntry("http://127.0.0.1:1")})
    resources = Resources(systems, Project(folder), Secrets(folder), folder)
    signal = StopSignal(clock, lambda _: None)
    zone = ZoneInfo("Europe/Budapest")
    shift = more.pop("shift", timedelta())
    return AttemptContext(run, "copy", 2, clock, folder, resources, around, signal, zone, shift, **more), around


def test_a_context_knows_its_attempt(tmp_path: Path) -> None:
    context, _ = context_in(tmp_path, FakeClock(), deadline=1010.0)
    assert context.token == "night-1:copy:2"
    assert (context.mode, context.environment, context.runner) == (Mode.REHEARSE, "test", "anna")
    assert context.remaining() == 10.0
    assert context.since("a") == 5.0
    assert str(context.include("x", {})) == "x"
    assert context.rehearsed() == {"tail": 5, "at": "copy"}
    assert str(context.parameters_of("b")) == "b"


def test_a_wall_clock_time_moves_with_the_window(tmp_path: Path) -> None:
    context, _ = context_in(tmp_path, FakeClock(), shift=timedelta(days=-7))
    assert context.at(datetime(2027, 3, 13, 19)) == datetime(2027, 3, 6, 18, tzinfo=UTC)  # noqa: DTZ001 - as written


def test_lines_are_capped_in_length_and_number_and_go_into_the_log(tmp_path: Path) -> None:
    context, around = context_in(tmp_path, FakeClock())
    context.say("x" * 2 * LINE_LIMIT)
    assert len(str(around.notes[0].data["line"])) == LINE_LIMIT
    for number in range(LINES_LIMIT + 20):
        context.say(f"line {number}")
    assert len(around.notes) == LINES_LIMIT
    assert "log file only" in str(around.notes[-1].data["line"])
    log = next((tmp_path / ".changeover").rglob("copy.log")).read_text(encoding="utf-8")
    assert f"line {LINES_LIMIT + 19}" in log


def test_progress_is_told_every_two_seconds_at_most(tmp_path: Path) -> None:
    clock = FakeClock()
    context, around = context_in(tmp_path, clock)
    for done in range(10):
        context.progress(done, 10, "rows", rate=done)
        clock.advance(0.5)
    assert [note.data["done"] for note in around.notes] == [0, 4, 8]
    last = context.close()
    assert last is not None
    assert (last.data["done"], last.data["figures"]) == (9, {"rate": 9})
    context.progress(10, 10, "rows")
    context.say("too late")
    assert len(around.notes) == 3


def test_what_the_systems_file_does_not_have_is_refused_with_near_names(tmp_path: Path) -> None:
    context, _ = context_in(tmp_path, FakeClock())
    assert context.system("services", "alerts").url == "http://127.0.0.1:1"
    with pytest.raises(NotInSystems, match="no service called 'alert'") as refused:
        context.system("services", "alert")
    assert refused.value.hint == "did you mean alerts?"
    with pytest.raises(NotInSystems):
        context.database("crm")
    with pytest.raises(NotInSystems):
        context.system("secrets", "x")


# starting


RUNBOOK = (
    "changeover: 1\nid: x\nstages:\n  w:\n    owner: anna\n    steps: [{id: a, shell: 'true', expect: 1s}]\n"
    "    rollback: {none: y}\n"
)


def test_a_run_is_recorded_from_a_files_name(tmp_path: Path) -> None:
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "runbooks" / "x.yaml").write_text(RUNBOOK)
    record = record_run(Wanted("runbooks/x.yaml", "test", Mode.DRY_RUN, "anna"), Options(root=tmp_path, clock=FakeClock()))
    assert (record.runner, record.file, record.mode) == ("anna", "runbooks/x.yaml", Mode.DRY_RUN)
    assert record.id.startswith("x-20270313-1800-")


def test_a_runbook_with_errors_is_not_started(tmp_path: Path) -> None:
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "runbooks" / "x.yaml").write_text(RUNBOOK.replace("shell", "shel"))
    with pytest.raises(RunbookRefused):
        record_run(Wanted("runbooks/x.yaml", "test", Mode.DRY_RUN, "anna"), Options(root=tmp_path, clock=FakeClock()))


def test_there_is_no_mode_of_another_name() -> None:
    assert mode_of("live") is Mode.LIVE
    with pytest.raises(ModeUnknown, match="dry-run, rehearse, live-test, live"):
        mode_of("production")


def test_live_the_window_is_the_runbooks_and_else_it_opens_now(trial: TrialOf) -> None:
    head = "window: {opens: 2027-05-01 19:00, closes: 2027-05-02 21:00}\n"
    live = trial("- {id: a, act: one}", head=head, mode=Mode.LIVE, clock=FakeClock())
    live.create()
    assert live.state().window_opens == datetime(2027, 5, 1, 19, tzinfo=UTC)
    moved = trial("- {id: a, act: one}", head=head, clock=FakeClock())
    moved.create()
    state = moved.state()
    assert (state.window_opens, state.window_closes) == (EVENING, EVENING + timedelta(hours=26))


# included runbooks and hypercare


def test_an_included_runbook_is_a_run_of_its_own(trial: TrialOf) -> None:
    files = {"runbooks/inner.yaml": RUNBOOK.replace("id: x", "id: inner")}
    run = trial("- {id: all, runbook: runbooks/inner.yaml}", kinds=None, files=files)
    assert run.drive().state is RunState.SUCCEEDED
    with run.journal() as journal:
        inner = journal.run(f"{run.run_id}.all.1")
    assert (inner.runbook, inner.runner) == ("inner", "runner")
    assert run.events(EventKind.STEP_PASSED)[0].data["summary"] == f"runbooks/inner.yaml succeeded as run {inner.id}"


CHECK = """
from pathlib import Path
from changeover.contracts import Verdict

def low(context):
    rounds = context.folder / "rounds"
    rounds.write_text(str(int(rounds.read_text()) + 1 if rounds.exists() else 1))
    return Verdict.of(int(rounds.read_text()) >= 3, "backlog", found=rounds.read_text())

def breaks(context):
    raise KeyError("x")
"""


def watched(trial: TrialOf, exits: str, clock: FakeClock) -> Trial:
    head = f"hypercare: {{until: 2027-03-13 20:00, exit: [{exits}]}}\n"
    run = trial("- {id: a, act: one}", head=head, files={"checks/__init__.py": "", "checks/backlog.py": CHECK}, clock=clock)
    assert run.drive().state is RunState.SUCCEEDED
    return run


def test_hypercare_ends_when_its_exit_checks_pass(trial: TrialOf) -> None:
    clock = FakeClock()
    run = watched(trial, "checks.backlog:low", clock)
    ended = watch(run.journal_url, run.run_id, run.options(), every=600)
    assert (ended.over, ended.rounds) == (True, 3)
    assert clock.now() == EVENING + timedelta(minutes=20)


def test_hypercare_that_never_passes_ends_at_its_time(trial: TrialOf) -> None:
    run = watched(trial, "checks.backlog:breaks", FakeClock())
    ended = watch(run.journal_url, run.run_id, run.options(), every=1800)
    assert (ended.over, ended.rounds) == (False, 5)
    assert "KeyError" in ended.verdicts["checks.backlog:breaks"].summary


def test_a_runbook_without_hypercare_has_nothing_to_watch(trial: TrialOf) -> None:
    run = trial("- {id: a, act: one}")
    run.drive()
    with pytest.raises(NoHypercare):
        watch(run.journal_url, run.run_id, run.options())


# where Prefect is looked for


@pytest.fixture
def no_prefect(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("PREFECT_API_URL", "PREFECT_PROFILE", "PREFECT_PROFILES_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    return tmp_path


def test_prefect_is_used_when_a_server_is_configured(no_prefect: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not prefect_server.wanted("auto")
    assert prefect_server.wanted("prefect")
    (no_prefect / "profiles.toml").write_text('active = "ops"\n[profiles.ops]\nPREFECT_API_URL = "http://ops/api"\n')
    assert prefect_server.configured_url() == "http://ops/api"
    assert prefect_server.wanted("auto")
    monkeypatch.setenv("PREFECT_API_URL", "http://here/api")
    assert prefect_server.configured_url() == "http://here/api"
    assert not prefect_server.wanted("local")


@pytest.mark.parametrize("text", ["no toml [", 'active = "gone"\n', "active = 3\n", '[profiles]\nops = "x"\n'])
def test_a_broken_profile_is_no_server(no_prefect: Path, text: str) -> None:
    (no_prefect / "profiles.toml").write_text(text)
    assert prefect_server.configured_url() == ""


def test_a_closed_port_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    assert not prefect_server.answers(0.5)
    monkeypatch.setenv("PREFECT_API_URL", "not a url")
    assert not prefect_server.answers(0.5)


def test_prefect_by_name_without_a_server_is_refused(trial: TrialOf, no_prefect: Path) -> None:
    run = trial("- {id: a, act: one}")
    with pytest.raises(prefect_server.PrefectAway, match="no Prefect server is configured"):
        run.drive(engine="prefect")


# what is shipped for tests


def test_a_fake_context_answers_with_what_it_was_given() -> None:
    context = FakeContext(
        secrets={"env:X": "x"}, functions={"checks.a:b": len}, systems={"services": {"s": 1}}, passed_at={"a": 990.0}
    )
    context.say("hello")
    context.sleep(5)
    assert context.since("a") == 15.0
    assert (context.secret("env:X"), context.system("services", "s"), context.said) == ("x", 1, ["hello"])
    with pytest.raises(NotFaked, match="no database 'crm'"):
        context.database("crm")
    context.stopped = "abort"
    with pytest.raises(Stopped):
        context.sleep(1)


def test_a_temporary_journal_is_a_real_one() -> None:
    with temporary_journal() as journal:
        assert journal.runs() == []


def test_a_database_is_opened_once_and_closed_with_the_engine(tmp_path: Path) -> None:
    (tmp_path / "crm.db").touch()
    systems = Systems(databases={"crm": DatabaseEntry(f"sqlite:///{tmp_path / 'crm.db'}")})
    resources = Resources(systems, Project(tmp_path), Secrets(tmp_path), tmp_path)
    assert resources.database("crm") is resources.database("crm")
    assert resources.database("crm").scalar("select 1 + 1") == 2
    resources.close()


def test_an_included_runbook_that_fails_fails_its_step_and_is_taken_up_again(trial: TrialOf) -> None:
    inner = RUNBOOK.replace("id: x", "id: inner").replace("'true'", "'test -e fixed', on_failure: roll-back")
    run = trial("- {id: all, runbook: runbooks/inner.yaml}", kinds=None, files={"runbooks/inner.yaml": inner}).start()
    run.until(lambda state: state.step("all").state is StepState.FAILED)
    assert f"the included run {run.run_id}.all.1 is rolled back" in run.state().step("all").reason
    (run.root / "fixed").touch()
    run.command(Verb.RETRY, "all")
    assert run.wait().state is RunState.SUCCEEDED
    with run.journal() as journal:
        assert journal.run(f"{run.run_id}.all.2").id


def test_an_included_run_that_was_under_way_is_gone_on_with(trial: TrialOf) -> None:
    inner = RUNBOOK.replace("id: x", "id: inner").replace(
        "'true'", "{command: until test -e go; do sleep 0.05; done, probe: 'true'}"
    )
    run = trial("- {id: all, runbook: runbooks/inner.yaml}", kinds=None, files={"runbooks/inner.yaml": inner}).start()

    def inner_runs(_: object) -> bool:
        with run.journal() as journal:
            return any(event.kind is EventKind.STEP_STARTED for event in journal.events(f"{run.run_id}.all.1"))

    run.until(inner_runs)
    assert run.interrupt().interrupted
    run.start()
    (run.root / "go").touch()
    assert run.wait(40).state is RunState.SUCCEEDED
    with run.journal() as journal:
        assert [record.id for record in journal.runs() if ".all." in record.id] == [f"{run.run_id}.all.1"]


def test_an_included_run_that_a_past_owner_still_has_is_waited_for(trial: TrialOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("changeover.engine.including._OWNED_PAUSE", 0.05)
    inner = RUNBOOK.replace("id: x", "id: inner").replace(
        "'true'", "{command: until test -e go; do sleep 0.05; done, probe: 'true'}"
    )
    run = trial("- {id: all, runbook: runbooks/inner.yaml}", kinds=None, files={"runbooks/inner.yaml": inner}).start()

    def lines() -> list[str]:
        return [str(event.data["line"]) for event in run.events(EventKind.STEP_SAID, step="all")]

    run.until(lambda _: lines())
    assert run.interrupt().interrupted
    with run.journal() as journal:
        lease = journal.take_lease(f"{run.run_id}.all.1", Owner("a past owner", "here", 1), seconds=60)
        run.start()
        run.until(lambda _: any("waiting for the included run" in line for line in lines()), "its patience")
        journal.release_lease(lease)
    (run.root / "go").touch()
    assert run.wait(40).state is RunState.SUCCEEDED
    assert run.events(EventKind.STEP_FAILED, step="all") == []
