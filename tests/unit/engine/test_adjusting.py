"""A running step is adjusted by commands and by its control file; the last word counts, and outlives the engine."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from changeover.contracts import Context, Kind, OnUnknown, Result, key
from changeover.engine.control_file import ControlFile
from changeover.journal.events import EventKind, Verb
from changeover.status.words import sentence
from changeover.testing import FakeClock, Trial


@dataclass(frozen=True, slots=True)
class Heed:
    """Wait until it may run fast; write what it heard."""

    deaf: bool = key("whether it looks at nothing", default=False)

    @property
    def on_unknown(self) -> OnUnknown:
        return OnUnknown.RERUN

    @property
    def adjustable(self) -> frozenset[str]:
        return frozenset() if self.deaf else frozenset({"hold", "rows_per_second"})

    def run(self, context: Context) -> Result:
        while (context.adjusted().get("rows_per_second") or 0) != 7:
            context.sleep(0.01)
        return Result(f"heard {dict(context.adjusted())}")

    def dry_run(self, context: Context) -> Result:
        return Result("would")


@dataclass(frozen=True, slots=True)
class Plain:
    """Wait for a file."""

    @property
    def on_unknown(self) -> OnUnknown:
        return OnUnknown.RERUN

    def run(self, context: Context) -> Result:
        while not (context.folder / "go").exists():
            context.sleep(0.01)
        return Result("done")

    def dry_run(self, context: Context) -> Result:
        return Result("would")


KINDS: Mapping[str, Kind] = {
    word: Kind(word, python, "", changes=True, timeout=None) for word, python in (("heed", Heed), ("plain", Plain))
}

RUNBOOK = """
changeover: 1
id: trial
title: Trial
timezone: Europe/Budapest
stages:
  move:
    steps:
      - {id: copy, heed: {}, expect: 1m, undo: {plain: {}}}
    rollback: {none: every step has its own undo}
"""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Trial]:
    trial = Trial(tmp_path, RUNBOOK, kinds=KINDS).start()
    trial.until(lambda state: state.step("copy").started_at, "the start")
    yield trial
    if trial.driven:
        trial.interrupt()


def finish(run: Trial) -> str:
    assert run.command(Verb.ADJUST, "copy", rows_per_second=7).accepted
    run.wait()
    return run.state().step("copy").summary


def test_a_command_is_answered_recorded_and_heard(run: Trial) -> None:
    record = run.command(Verb.ADJUST, "copy", who="anna", why="the shop is slow", hold=True)
    assert (record.accepted, record.answer) == (True, "copy: held; no row moves once the block in the air has landed")
    (event,) = run.events(EventKind.STEP_ADJUSTED)
    assert sentence(event) == "anna adjusted `copy` (held): the shop is slow"
    kept = run.state().step("copy").adjusted["hold"]
    assert (kept.value, kept.by, kept.why) == (True, "anna", "the shop is slow")
    assert finish(run) == "heard {'hold': True, 'rows_per_second': 7}"


@pytest.mark.parametrize(
    ("step", "data", "answer"),
    [
        ("copi", {"hold": True}, "did you mean copy?"),
        ("copy", {}, "there is nothing to set"),
        ("copy", {"speed": 3}, "there is no 'speed' to set"),
        ("copy", {"rows_per_second": 0}, "is a number above 0, or none, not 0"),
        ("copy", {"rows_per_second": "fast"}, "not 'fast'"),
        ("copy", {"hold": 1}, "is true or false, not 1"),
        ("copy", {"workers": 2}, "of which `workers` cannot be adjusted; what can be: hold, rows_per_second"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(run: Trial, step: str, data: dict[str, object], answer: str) -> None:
    record = run.command(Verb.ADJUST, step, **data)  # type: ignore[arg-type]
    assert not record.accepted
    assert answer in record.answer
    assert run.events(EventKind.STEP_ADJUSTED) == []


def test_a_step_is_adjusted_with_a_reason_only(run: Trial) -> None:
    assert run.command(Verb.ADJUST, "copy", why="", hold=True).answer == "say why copy is adjusted"


def test_what_is_so_already_is_not_recorded_again(run: Trial) -> None:
    run.command(Verb.ADJUST, "copy", hold=True)
    assert run.command(Verb.ADJUST, "copy", hold=True).answer == "copy is so already: held"
    assert run.command(Verb.ADJUST, "copy", hold=False).answer == "copy: released"
    assert len(run.events(EventKind.STEP_ADJUSTED)) == 2


def test_another_engine_goes_on_with_what_was_set(run: Trial) -> None:
    run.command(Verb.ADJUST, "copy", hold=True)
    run.interrupt()
    run.start()
    run.until(lambda state: state.step("copy").attempt == 2, "the second attempt")
    assert finish(run) == "heard {'hold': True, 'rows_per_second': 7}"


def test_a_kind_that_does_not_look_is_not_adjusted(tmp_path: Path) -> None:
    for kind in ("plain: {}", "heed: {deaf: true}"):
        folder = tmp_path / kind[:4]
        folder.mkdir()
        trial = Trial(folder, RUNBOOK.replace("heed: {}", kind), kinds=KINDS).start()
        trial.until(lambda state: state.step("copy").started_at, "the start")
        record = trial.command(Verb.ADJUST, "copy", hold=True)
        assert "of which `hold` cannot be adjusted" in record.answer
        trial.interrupt()


def test_what_the_control_file_says_is_an_event_and_heard_at_once_and_for_good(run: Trial) -> None:
    control = control_file(run)
    control.write_text("rows_per_second: 7\nwhy: night\n", encoding="utf-8")
    run.wait()
    (event,) = run.events(EventKind.STEP_ADJUSTED)
    assert (event.who, event.data["why"]) == ("", "night")
    assert str(event.data["by"]).startswith("the control file (written by ")
    assert run.state().step("copy").summary == "heard {'rows_per_second': 7}"


def test_a_step_that_is_over_is_not_adjusted(tmp_path: Path) -> None:
    trial = Trial(tmp_path, RUNBOOK.replace("- {id: copy", "- {id: first, plain: {}}\n      - {id: copy"), kinds=KINDS).start()
    (tmp_path / "go").touch()
    trial.until(lambda state: state.step("copy").started_at, "the start")
    assert trial.command(Verb.ADJUST, "first", hold=True).answer == "first is passed; there is nothing to adjust"
    trial.interrupt()


def control_file(run: Trial) -> Path:
    folder = run.root / ".changeover" / "runs" / run.run_id / "control"
    until = time.monotonic() + 10
    while not folder.exists() and time.monotonic() < until:
        time.sleep(0.01)
    return folder / "copy.yaml"


def test_bad_content_of_the_control_file_is_a_warning_and_changes_nothing(run: Trial) -> None:
    control_file(run).write_text("rows_per_second: -3\n", encoding="utf-8")
    run.until(lambda _: run.events(EventKind.STEP_SAID), "the warning")
    (said,) = run.events(EventKind.STEP_SAID)
    assert "is a number above 0, or none, not -3" in str(said.data["line"])
    assert "nothing changes" in str(said.data["line"])
    assert run.events(EventKind.STEP_ADJUSTED) == []
    assert finish(run)


# the file alone


class Reader:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = FakeClock()
        self.warned: list[str] = []
        self.file = ControlFile(path, self.clock, self.warned.append)

    def look(self, text: str | bytes, known: str = "") -> dict[str, object] | None:
        self.clock.advance(1)
        self.path.write_bytes(text.encode() if isinstance(text, str) else text)
        content = self.file.look(known)
        return None if content is None else dict(content.changes)


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path / "copy.yaml")


def test_each_content_is_taken_in_once(reader: Reader) -> None:
    assert reader.look("rows_per_second: 5000") == {"rows_per_second": 5000}
    assert reader.look("rows_per_second: 5000") is None
    assert reader.look("rows_per_second: none\nhold: yes\nworkers: 2") == {"rows_per_second": None, "hold": True, "workers": 2}
    assert reader.warned == []


def test_what_an_earlier_engine_took_in_is_not_taken_in_again(reader: Reader) -> None:
    reader.path.write_text("hold: true", encoding="utf-8")
    content = reader.file.look("")
    assert content is not None
    other = ControlFile(reader.path, FakeClock(), reader.warned.append)
    assert other.look(content.digest) is None


@pytest.mark.parametrize(
    "text",
    [
        *("hold: [", "- 1", "hold", "hold: maybe", "rows: 5", "workers: 0", "why: only", b"\xff\xfe\x00", "a: &a [*a]"),
        *("x" * 20_000, ":" * 3000, "{" * 3000, "rows_per_second: .nan", "hold: true\nhold2: 1"),
    ],
)
def test_whatever_stands_in_it_is_a_warning_at_most(reader: Reader, text: str | bytes) -> None:
    assert reader.look(text) is None
    (warned,) = reader.warned
    assert "nothing changes" in warned
    assert reader.look(text) is None
    assert len(reader.warned) == 1


def test_an_empty_file_and_none_mean_nothing(reader: Reader) -> None:
    assert reader.file.look("") is None
    assert reader.look("\n") is None
    assert reader.warned == []
