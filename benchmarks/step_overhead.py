"""What a step costs that does nothing: wall and CPU milliseconds and fsyncs, against DBOS and against plain Prefect.

One JSON line for each measurement, and one for each ratio: the local engine with 1,000 steps side by side and in a chain
(SQLite journal) and as many steps of DBOS (SQLite too), then the engine on Prefect against a plain Prefect flow with as many
tasks on the same server. Our steps have a durable intent and a durable outcome; DBOS's have a durable outcome.
`python benchmarks/step_overhead.py [LOCAL_STEPS [PREFECT_STEPS]]`; 0 leaves a part out. `make bench` installs DBOS.
"""

# ruff: noqa: INP001, PLC0415 - a script, not a package; Prefect and DBOS take seconds to import

from __future__ import annotations

import asyncio
import gc
import importlib.util
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from changeover.contracts import Context, Kind, OnUnknown, Result, RunState
from changeover.testing import Trial

SHAPES: Final = ("wide", "chained")
_LOCAL_STEPS: Final = 1_000
_PREFECT_STEPS: Final = 150
_PARALLEL: Final = 32
_REPEATS: Final = {"local": 3, "dbos": 2, "prefect": 4}
#: CPU seconds in half a second below which the server counts as idle; seconds that it gets to become so.
_IDLE: Final = 0.06
_IDLE_WITHIN: Final = 10.0
_CHILD: Final = "child"  # the first argument of a process whose fsyncs are counted
_FEW: Final = 100  # steps of the shorter of two such processes
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Nothing:
    """A step that does nothing."""

    @property
    def on_unknown(self) -> OnUnknown:
        return OnUnknown.RERUN

    def run(self, context: Context) -> Result:  # noqa: ARG002 - the protocol's
        return Result("nothing")

    def dry_run(self, context: Context) -> Result:
        return self.run(context)


_KINDS: Final = {"nothing": Kind("nothing", Nothing, "", changes=False, timeout=timedelta(minutes=1))}


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of one measurement."""

    wall: float
    cpu: float
    server: float = 0.0  # CPU seconds of the Prefect server meanwhile

    def per_step(self, steps: int) -> dict[str, float]:
        """Milliseconds for each step."""
        figures = {"wall_ms": self.wall, "cpu_ms": self.cpu, **({"server_cpu_ms": self.server} if self.server else {})}
        return {name: round(seconds / steps * 1000, 2) for name, seconds in figures.items()}


def cost_of(action: Callable[[], None], server: int = 0) -> Cost:
    """What *action* costs; *server* is the process id of the Prefect server that it uses."""
    gc.collect()
    wall, cpu, there = time.perf_counter(), time.process_time(), _cpu_of(server)
    action()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    _until_idle(server)  # it goes on with our events for a while: they are part of the cost
    return Cost(wall, cpu, _cpu_of(server) - there)


def _until_idle(server: int) -> None:
    until = time.monotonic() + _IDLE_WITHIN
    while server and time.monotonic() < until:
        before = _cpu_of(server)
        time.sleep(0.5)
        if _cpu_of(server) - before < _IDLE:
            return


def _cpu_of(pid: int) -> float:
    if not pid:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def runbook(steps: int, shape: str) -> str:
    """A runbook of *steps* steps that do nothing."""
    needs = ", needs: []" if shape == "wide" else ""
    lines = "".join(f"      - {{id: step-{number}, nothing: {{}}{needs}}}\n" for number in range(steps))
    return f"changeover: 1\nid: overhead\ntitle: Overhead\nstages:\n  all:\n    steps:\n{lines}    rollback: {{none: nothing}}\n"


def by_engine(steps: int, shape: str, engine: Literal["local", "prefect"], server: int = 0) -> Cost:
    """Drive a run of *steps* steps; creating it does not count."""
    with tempfile.TemporaryDirectory(prefix="changeover-bench-") as folder:
        trial = Trial(Path(folder), runbook(steps, shape), kinds=_KINDS)
        trial.create()

        def drive() -> None:
            state = trial.drive(engine=engine, parallel=_PARALLEL).state
            if state is not RunState.SUCCEEDED or trial.told:
                raise SystemExit(f"the run is {state.value}: {trial.told}")

        return cost_of(drive, server)


def by_prefect_alone(tasks: int, shape: str, server: int) -> Cost:
    """A plain flow of *tasks* tasks with the same settings, and the same wait for its services at the end."""
    from prefect import flow, task
    from prefect.cache_policies import NO_CACHE

    from changeover.engine.prefect_executor import drain

    nothing = task(persist_result=False, cache_policy=NO_CACHE, retries=0)(_nothing)

    async def plain() -> None:
        limit = asyncio.Semaphore(_PARALLEL if shape == "wide" else 1)

        async def one(number: int) -> None:
            async with limit:
                await nothing(number)

        await asyncio.gather(*(one(number) for number in range(tasks)))

    named = flow(name="plain", retries=0, persist_result=False)(plain)

    def run() -> None:
        asyncio.run(named())
        drain(10)

    return cost_of(run, server)


def by_dbos(steps: int) -> dict[str, Cost]:
    """What as many steps cost that DBOS makes durable, by shape; creating its database does not count."""
    from dbos import DBOS

    with tempfile.TemporaryDirectory(prefix="changeover-bench-") as folder:
        where = f"sqlite:///{folder}/dbos.sqlite"
        DBOS(config={"name": "bench", "system_database_url": where, "run_admin_server": False, "log_level": "ERROR"})
        nothing = DBOS.step()(_nothing)

        @DBOS.workflow()
        async def wide(number: int) -> None:
            limit = asyncio.Semaphore(_PARALLEL)

            async def one(step: int) -> None:
                async with limit:
                    await nothing(step)

            await asyncio.gather(*(one(step) for step in range(number)))

        @DBOS.workflow()
        async def chained(number: int) -> None:
            for step in range(number):
                await nothing(step)

        DBOS.launch()
        try:
            asyncio.run(chained(10))  # what is opened once does not count
            return {
                "wide": least(lambda: cost_of(lambda: asyncio.run(wide(steps))), "dbos"),
                "chained": least(lambda: cost_of(lambda: asyncio.run(chained(steps))), "dbos"),
            }
        finally:
            DBOS.destroy()


def fsyncs(shape: str) -> float | None:
    """How many times a step waits for the disk: counted by strace in two runs of different length. None without strace."""
    if shutil.which("strace") is None:
        return None
    few, many = (_fsyncs_of(shape, steps) for steps in (_FEW, 3 * _FEW))
    return round((many - few) / (2 * _FEW), 2)


def _fsyncs_of(shape: str, steps: int) -> int:
    command = ["strace", "-f", "-c", "-e", "trace=fsync,fdatasync", sys.executable, __file__, _CHILD, shape, str(steps)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    counted = [line.split() for line in done.stderr.splitlines() if line.rstrip().endswith(("fsync", "fdatasync"))]
    return sum(int(columns[3]) for columns in counted)


async def _nothing(number: int) -> int:
    return number


@contextmanager
def prefect_server() -> Iterator[int]:
    """A Prefect server on loopback, used by this process; its process id."""
    with tempfile.TemporaryDirectory(prefix="changeover-bench-", ignore_cleanup_errors=True) as home:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        quiet = {
            "PREFECT_HOME": home,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PREFECT_UI_ENABLED": "0",
        }
        os.environ.update(quiet, PREFECT_LOGGING_LEVEL="ERROR", PREFECT_API_URL=f"http://127.0.0.1:{port}/api")
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
        with (Path(home) / "server.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            _wait_for(process)
            yield process.pid
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def _wait_for(process: subprocess.Popen[bytes]) -> None:
    from changeover.engine.prefect_server import answers

    until = time.monotonic() + 60
    while not answers(1.0):
        if process.poll() is not None or time.monotonic() > until:
            raise SystemExit("the Prefect server did not start")
        time.sleep(0.2)


def tell(**figures: object) -> None:
    """Print one line."""
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()


def least(measure: Callable[[], Cost], engine: str) -> Cost:
    """The cheapest of a few: other programs only ever add."""
    costs = [measure() for _ in range(_REPEATS[engine])]
    return Cost(*(min(getattr(cost, name) for cost in costs) for name in ("wall", "cpu", "server")))


def main() -> None:
    """Measure all engines."""
    if sys.argv[1:2] == [_CHILD]:
        by_engine(int(sys.argv[3]), sys.argv[2], "local")
        return
    given = [int(argument) for argument in sys.argv[1:]]
    local, tasks = (*given, *(_LOCAL_STEPS, _PREFECT_STEPS)[len(given) :])[:2]
    if local:
        _local(local)
    if not tasks:
        return
    with prefect_server() as server:
        by_prefect_alone(10, "wide", server)  # what is imported and opened once does not count
        by_engine(10, "wide", "prefect", server)
        for shape in SHAPES:
            alone, ours = _side_by_side(tasks, shape, server)
            tell(engine="prefect alone", shape=shape, steps=tasks, **alone.per_step(tasks))
            tell(engine="changeover on prefect", shape=shape, steps=tasks, **ours.per_step(tasks))
            tell(ratio="changeover on prefect / prefect alone", shape=shape, **_ratio(ours, alone))


def _local(steps: int) -> None:
    ours = {shape: least(lambda shape=shape: by_engine(steps, shape, "local"), "local") for shape in SHAPES}  # type: ignore[misc]
    for shape, cost in ours.items():
        waits = fsyncs(shape)
        tell(
            engine="local", shape=shape, steps=steps, **cost.per_step(steps), fsyncs="no strace here" if waits is None else waits
        )
    if importlib.util.find_spec("dbos") is None:
        tell(engine="dbos", left_out="it is not installed; `make bench` installs it")
        return
    for shape, cost in by_dbos(steps).items():
        tell(engine="dbos", shape=shape, steps=steps, **cost.per_step(steps))
        tell(ratio="local / dbos", shape=shape, **_ratio(ours[shape], cost))


def _side_by_side(tasks: int, shape: str, server: int) -> tuple[Cost, Cost]:
    """A plain flow and ours, in turn and the other way round: the server slows down with every flow that it remembers."""
    plain: list[Cost] = []
    ours: list[Cost] = []
    for number in range(_REPEATS["prefect"]):
        pair = [(plain, by_prefect_alone), (ours, lambda *given: by_engine(given[0], given[1], "prefect", given[2]))]
        for costs, measure in pair if number % 2 else reversed(pair):
            costs.append(measure(tasks, shape, server))
    return _median(plain), _median(ours)


def _median(costs: list[Cost]) -> Cost:
    return Cost(*(statistics.median(getattr(cost, name) for cost in costs) for name in ("wall", "cpu", "server")))


def _ratio(ours: Cost, alone: Cost) -> dict[str, float]:
    with_server = {"cpu_with_server": round((ours.cpu + ours.server) / (alone.cpu + alone.server), 2)} if alone.server else {}
    return {"wall": round(ours.wall / alone.wall, 2), "cpu": round(ours.cpu / alone.cpu, 2), **with_server}


if __name__ == "__main__":
    main()
