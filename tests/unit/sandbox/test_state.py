from __future__ import annotations

import os
import stat
from pathlib import Path

from changeover.sandbox import state
from changeover.sandbox.fingerprint import Difference, Fact, differences
from changeover.sandbox.processes import ProcessRecord, record_of
from changeover.sandbox.state import Part, State


def test_what_is_written_is_read_again_and_nobody_else_can_read_it(tmp_path: Path) -> None:
    me = record_of(os.getpid(), "test")
    assert me is not None
    written = State(
        tmp_path,
        300,
        "smoke",
        ready=True,
        parts=(Part("crm", "postgresql", "15", "system"),),
        processes=(me,),
        databases={"crm": "x"},
    )
    state.write(written)
    assert state.read(tmp_path) == written
    assert written.running
    assert stat.S_IMODE(state.file_of(tmp_path).stat().st_mode) == 0o600


def test_a_sandbox_with_a_dead_process_does_not_run(tmp_path: Path) -> None:
    me = record_of(os.getpid())
    assert me is not None
    later = ProcessRecord("test", me.pid, me.born + 1)
    assert not State(tmp_path, 300, ready=True, processes=(later,)).running


def test_nonsense_is_no_state(tmp_path: Path) -> None:
    assert state.read(tmp_path) is None
    state.file_of(tmp_path).write_text("{")
    assert state.read(tmp_path) is None
    state.file_of(tmp_path).write_text('{"schema": 99}')
    assert state.read(tmp_path) is None


def test_fingerprints_differ_by_name() -> None:
    before = (Fact("table", "crm.customers", "1"), Fact("host", "app-1", "a"))
    after = (Fact("table", "crm.customers", "2"), Fact("channel", "web-shop", "open"))
    assert differences(before, before) == ()
    assert differences(before, after) == (
        Difference("table", "crm.customers", "1", "2"),
        Difference("host", "app-1", "a", "is gone"),
        Difference("channel", "web-shop", "was not there", "open"),
    )
