"""A sample of everything in `make test`; all of it in `make soak`, which also writes the table of docs/reliability.md."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.chaos.table import Row, write_rows

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "reliability.md"
_ROWS: Final[list[Row]] = []


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is gone through, and with which seed: CHANGEOVER_SOAK=1, CHANGEOVER_CHAOS_SEED=NUMBER."""

    soak: bool
    seed: int

    def many(self, sample: int, everything: int) -> int:
        """The number for a test, or for a soak."""
        return everything if self.soak else sample


class Parent:
    """A warm parent: see warm_parent.py. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        environment.pop("CHANGEOVER_FAILPOINT", None)
        self._log = (folder / "parent.log").open("w+", encoding="utf-8")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.warm_parent", str(folder)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self._lock = threading.Lock()

    def order(self, **order: Any) -> dict[str, Any]:
        """Have a night gone through; what became of it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line:
            self._process.wait(timeout=10)
            self._log.seek(0)
            raise AssertionError(f"the parent ended: {self._log.read()[-3000:]}")
        told: dict[str, Any] = json.loads(line)
        return told

    def close(self) -> None:
        """Let it end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=10)
        self._process.stdout.close()
        self._log.close()


@pytest.fixture(scope="session")
def scale() -> Scale:
    return Scale(bool(os.environ.get("CHANGEOVER_SOAK")), int(os.environ.get("CHANGEOVER_CHAOS_SEED", "20270313")))


def needed(there: object, what: str) -> None:
    """On the way to a release nothing may be left out; elsewhere what is missing is named."""
    if there:
        return
    message = f"{what} is not installed; `make test` installs it"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def violations(told: Iterable[dict[str, Any]]) -> list[str]:
    """What is wrong with what became of orders, with all that is needed to see it again."""
    quiet = ("complaints", "points")
    return [
        f"{ {name: value for name, value in one.items() if name not in quiet} }: {one['complaints']}"
        for one in told
        if one["complaints"]
    ]


@pytest.fixture
def small_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: a kill loses no page, and thousands of runs need no disk."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own below it
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    folder = memory / f"changeover-chaos-{os.getpid()}-{time.monotonic_ns()}"
    folder.mkdir(mode=0o700)
    yield folder
    subprocess.run(["rm", "-rf", str(folder)], check=True)


@pytest.fixture
def go_through(small_folder: Path, scale: Scale) -> Iterator[Callable[[Iterable[dict[str, Any]]], list[dict[str, Any]]]]:
    """Go through many nights, side by side in a soak; what became of each."""
    parents = [Parent(small_folder / f"parent-{number}") for number in range(scale.many(1, os.cpu_count() or 1))]

    def go(orders: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        waiting = list(enumerate(orders))
        waiting.reverse()
        told: dict[int, dict[str, Any]] = {}

        def work(parent: Parent) -> None:
            while True:
                try:
                    number, order = waiting.pop()
                except IndexError:
                    return
                told[number] = parent.order(**order)

        with ThreadPoolExecutor(len(parents)) as pool:
            for done in [pool.submit(work, parent) for parent in parents]:
                done.result()
        return [told[number] for number in sorted(told)]

    yield go
    for parent in parents:
        parent.close()


@pytest.fixture
def record(scale: Scale, request: pytest.FixtureRequest) -> Callable[..., None]:
    """Keep a family's figures for the table."""
    began = time.monotonic()

    def keep(family: str, *, runs: int, kills: int, violations: int) -> None:
        _ROWS.append(Row(family, runs, kills, violations, round(time.monotonic() - began), scale.seed))

    return keep


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One JSON line for each family; in a soak they stand in the table, too."""
    for row in _ROWS:
        terminalreporter.write_line(json.dumps(asdict(row)))
    if _ROWS and os.environ.get("CHANGEOVER_SOAK"):
        write_rows(PAGE, _ROWS)
