"""What a program costs on this machine, servers included: seconds, CPU of every process, the memory of the largest."""

# ruff: noqa: INP001 - a script's part

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
#: How long servers get to come to rest, and the CPU seconds between two looks that count as rest.
_LOOKS: Final = 25
_LOOK_EVERY: Final = 0.2
_STILL: Final = 0.01


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one run."""

    seconds: float
    cpu: float  # of the program and all servers
    megabytes: float  # of the largest process of the program


@dataclass(frozen=True, slots=True)
class Servers:
    """The servers whose CPU counts, by the process that began each of them."""

    pids: tuple[int, ...]

    def settled_cpu(self) -> float:
        """The same, once nothing moves any more: a backend that is just ending is counted by nobody for a moment."""
        before = self.cpu()
        for _ in range(_LOOKS):
            time.sleep(_LOOK_EVERY)
            now = self.cpu()
            if before <= now <= before + _STILL:
                return now
            before = max(before, now)
        return before

    def cpu(self) -> float:
        """Seconds used so far by them and their children, ended ones too."""
        parents: dict[int, int] = {}
        used: dict[int, float] = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                fields = (entry / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            except OSError:  # it has just ended
                continue
            parents[int(entry.name)] = int(fields[1])
            mine = int(fields[11]) + int(fields[12])
            reaped = int(fields[13]) + int(fields[14])
            used[int(entry.name)] = (mine + (reaped if int(entry.name) in self.pids else 0)) / _TICKS
        return sum(seconds for pid, seconds in used.items() if pid in self.pids or parents[pid] in self.pids)


def cost_of(command: Sequence[str], servers: Servers, log: Path, *, stdin: str = "") -> Cost:
    """Run *command* to its end. It must succeed."""
    before, since = servers.settled_cpu(), time.perf_counter()
    with log.open("ab") as words:
        # a program that pip has installed does not compile itself anew at every start
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=words, stderr=words, env=environment)
        assert process.stdin is not None  # noqa: S101 - asked for above
        process.stdin.write(stdin.encode())
        process.stdin.close()
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - since
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} ended with {process.returncode}: {log.read_text(encoding='utf-8')[-2000:]}")
    cpu = servers.settled_cpu() - before + usage.ru_utime + usage.ru_stime
    return Cost(seconds, cpu, usage.ru_maxrss / 1024)


def medians(costs: Sequence[Cost]) -> Cost:
    """The middle of each figure."""
    return Cost(*(statistics.median(getattr(cost, name) for cost in costs) for name in ("seconds", "cpu", "megabytes")))


def figures(cost: Cost, rows: int) -> dict[str, float]:
    """For people and comparison."""
    return {
        "seconds": round(cost.seconds, 2),
        "rows_per_s": round(rows / cost.seconds),
        "cpu_us_per_row": round(cost.cpu / rows * 1e6, 2),
        "megabytes": round(cost.megabytes),
    }


def repeated(times: int, run: Callable[[], Cost]) -> Cost:
    """Medians over *times* runs."""
    return medians([run() for _ in range(times)])
