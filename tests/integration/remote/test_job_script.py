"""The runner of detached jobs in every shell that a host's /bin/sh may be, and clean in the eyes of shellcheck."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

import changeover.remote
from changeover.contracts import Completed
from changeover.remote.job import Heard, Job, JobName, Order, Stage, job_name
from changeover.remote.this_machine import ThisMachine

SCRIPTS = [
    Path(changeover.remote.__file__).with_name("job.sh"),
    *(Path(__file__).parents[3] / "runbooks" / "telecom-crm").glob("*.sh"),
    *(Path(__file__).parents[3] / "docs" / "how-to" / "packages").glob("*.sh"),
]
SHELLS = {"dash": "dash", "bash": "bash --posix", "busybox": "busybox sh"}


def not_installed(what: str) -> NoReturn:
    message = f"{what} is not installed; `make test` installs it"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@dataclass(frozen=True)
class OtherShell:
    """This machine, with another shell as its /bin/sh."""

    machine: ThisMachine
    shell: str
    name: str = "other"

    def run(
        self, command: str, *, stdin: bytes = b"", timeout: float | None = None, output: Callable[[str], None] | None = None
    ) -> Completed:
        return self.machine.run(command.replace("/bin/sh", self.shell), stdin=stdin, timeout=timeout, output=output)


@pytest.fixture(params=list(SHELLS))
def other(request: pytest.FixtureRequest, tmp_path: Path) -> OtherShell:
    program = SHELLS[request.param]
    if shutil.which(program.split()[0]) is None:
        not_installed(program.split()[0])
    wrapper = tmp_path / "sh"
    wrapper.write_text(f'#!/bin/sh\nexec {program} "$@"\n')
    wrapper.chmod(0o755)
    return OtherShell(ThisMachine(tmp_path, {**os.environ, "CHANGEOVER_JOBS": str(tmp_path / "jobs")}), str(wrapper))


@pytest.fixture
def name() -> JobName:
    return job_name(f"run-{uuid.uuid4()}", "step", 1, "other")


def quiet() -> Heard:
    return Heard(lambda _piece: None)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_the_scripts_are_clean(script: Path) -> None:
    if shutil.which("shellcheck") is None:
        not_installed("shellcheck")
    checked = subprocess.run(["shellcheck", str(script)], capture_output=True, text=True, check=False)
    assert checked.stdout == ""


def test_a_job_runs_once_with_both_streams(other: OtherShell, name: JobName, tmp_path: Path) -> None:
    order = Order("echo once >> ledger; echo out; printf 'a\\0b' >&2; exit 5", interpreter="/bin/sh")
    for _ in range(3):
        heard = quiet()
        state = Job(other, name).start(order, heard, wait=20)
        assert (state.stage, state.exit) == (Stage.DONE, 5)
        assert heard.completed(5) == Completed(5, "out\n", "a\0b")
    assert (tmp_path / "ledger").read_text() == "once\n"


def test_a_job_is_killed_with_all_it_started(other: OtherShell, name: JobName) -> None:
    job = Job(other, name)
    assert job.start(Order("setsid sleep 61 & sleep 62", interpreter="/bin/sh"), quiet(), wait=0).stage is Stage.RUNNING
    assert job.kill(quiet()).word == "killed"


def test_the_host_ends_a_job_by_itself(other: OtherShell, name: JobName) -> None:
    order = Order("sleep 63", interpreter="/bin/sh", limit=1)
    assert Job(other, name).start(order, quiet(), wait=20).word == "time-out"


def test_a_fence_holds(other: OtherShell, name: JobName) -> None:
    assert [state.stage for state in Job(other, name.at(2)).fence(quiet())] == [Stage.FENCED] * 2
    assert Job(other, name).start(Order("true", interpreter="/bin/sh"), quiet(), wait=5).stage is Stage.FENCED


def test_a_huge_output_is_capped(other: OtherShell, name: JobName, tmp_path: Path) -> None:
    order = Order("head -c 12000000 /dev/zero; echo end", interpreter="/bin/sh")
    heard = quiet()
    assert Job(other, name).start(order, heard, wait=30).exit == 0
    assert heard.completed(0).stdout.endswith("end\n")
    kept = next((tmp_path / "jobs").glob("*/1/out")).stat().st_size
    assert kept <= 16 * 1024 * 1024
