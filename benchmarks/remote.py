"""Work on many hosts side by side: ours, a bare paramiko loop, ssh by xargs, Ansible's raw; scp for files.

One JSON line for each measurement: wall and client CPU seconds and the peak memory of all the client's processes, medians of
a few runs; then the ratios. The hosts are real sshd on 127.0.0.2 and following, each with its own key.
`python benchmarks/remote.py [HOSTS [FILE_HOSTS [RUNS]]]`; ANSIBLE names the program, which is left out when there is none.
"""

# ruff: noqa: INP001, PLC0415 - a script, not a package; every contender imports only what it needs

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

_AT_ONCE: Final = 50
_COMMAND: Final = "cat /etc/os-release; uname -r"
_MEGABYTES: Final = 10
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one measurement."""

    wall: float
    cpu: float
    megabytes: float

    def told(self) -> dict[str, float]:
        """For the line."""
        return {"wall_s": round(self.wall, 2), "cpu_s": round(self.cpu, 2), "memory_mb": round(self.megabytes, 1)}


@contextmanager
def farm(folder: Path, size: int) -> Iterator[list[tuple[str, int]]]:
    """So many real servers with one key that opens all of them; where they listen."""
    from changeover.sandbox.servers import ssh

    public = ssh.make_key(folder / "id")

    def start(number: int) -> ssh.SshServer:
        home = folder / f"home-{number}"
        home.mkdir()
        lines = ["MaxStartups 500:30:1000"]
        return ssh.start(folder / f"server-{number}", address=f"127.0.0.{number + 2}", home=home, login=public, lines=lines)

    with ThreadPoolExecutor(8) as pool:
        servers = list(pool.map(start, range(size)))
        try:
            (folder / "known_hosts").write_text("".join(server.known_hosts.read_text() for server in servers), encoding="utf-8")
            _configure(folder, servers[0].user, [(server.address, server.port) for server in servers])
            yield [(server.address, server.port) for server in servers]
        finally:
            list(pool.map(lambda server: ssh.stop(server.process, server.folder), servers))


def _configure(folder: Path, user: str, places: Sequence[tuple[str, int]]) -> None:
    """What OpenSSH and Ansible read."""
    common = f"Host *\n  User {user}\n  IdentityFile {folder}/id\n  IdentitiesOnly yes\n  BatchMode yes\n  LogLevel ERROR\n"
    common += f"  UserKnownHostsFile {folder}/known_hosts\n  StrictHostKeyChecking yes\n"
    hosts = "".join(f"Host h{number}\n  HostName {place[0]}\n  Port {place[1]}\n" for number, place in enumerate(places))
    (folder / "ssh_config").write_text(hosts + common, encoding="utf-8")
    (folder / "ansible.cfg").touch()
    (folder / "inventory").write_text("".join(f"h{number}\n" for number in range(len(places))), encoding="utf-8")


def measured(command: Sequence[str], environment: dict[str, str] | None = None, stdin: str = "") -> tuple[Cost, str]:
    """Run a client to its end: its cost, with that of its children, and what it printed."""
    peak, ended = [0.0], threading.Event()
    began = time.perf_counter()
    process = subprocess.Popen(
        list(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **(environment or {})},
        start_new_session=True,
        text=True,
    )
    watcher = threading.Thread(target=_watch, args=(process.pid, peak, ended), daemon=True)
    watcher.start()
    assert process.stdin is not None  # noqa: S101 - asked for above
    assert process.stdout is not None  # noqa: S101 - asked for above
    process.stdin.write(stdin)
    process.stdin.close()
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - began
    ended.set()
    watcher.join()
    if process.returncode != 0:
        raise SystemExit(f"{command[0]} ended with {process.returncode}: {printed[-2000:]}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, max(peak[0], 0.0)), printed


def _watch(session: int, peak: list[float], ended: threading.Event) -> None:
    """The most memory that the processes of *session* had together, looked at a few times a second."""
    while not ended.wait(0.2):
        pages = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            pages += int(fields[21]) if int(fields[3]) == session else 0
        peak[0] = max(peak[0], pages * _PAGE / 1e6)


def tell(**figures: object) -> None:
    """Print one line."""
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()


def median(costs: Sequence[Cost]) -> Cost:
    """The median of each figure."""
    return Cost(*(statistics.median(getattr(cost, name) for cost in costs) for name in ("wall", "cpu", "megabytes")))


def ratio(what: str, ours: Cost, theirs: Cost) -> None:
    """Ours over theirs."""
    tell(ratio=what, wall=round(ours.wall / theirs.wall, 2), cpu=round(ours.cpu / theirs.cpu, 2))


# --- the contenders that are Python, each in a process of its own: `remote.py worker NAME FOLDER PLACES`


def ours(folder: Path, places: Sequence[tuple[str, int]]) -> None:
    """One command on cold hosts; a second one on their open connections."""
    from changeover.remote.fleet import on_each

    with _hosts(folder, places) as hosts:
        for phase in ("cold", "open"):
            wall, cpu = time.perf_counter(), time.process_time()
            outcomes = on_each(hosts.select(["all"]), lambda host: host.run(_COMMAND, timeout=60).exit, at_once=_AT_ONCE)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            failed = [outcome.detail for outcome in outcomes.values() if outcome.value != 0]
            if failed:
                raise SystemExit("\n".join(failed))
            tell(phase=phase, wall=wall, cpu=cpu)


def ours_files(folder: Path, places: Sequence[tuple[str, int]]) -> None:
    """A file on every host, verified there."""
    from changeover.remote.fleet import on_each

    name = f"payload-{os.getpid()}"
    with _hosts(folder, places) as hosts:
        outcomes = on_each(hosts.select(["all"]), lambda host: host.upload(folder / "payload", name).changed, at_once=_AT_ONCE)
    failed = [outcome.detail for outcome in outcomes.values() if not outcome.value]
    if failed:
        raise SystemExit("\n".join(failed))


def _hosts(folder: Path, places: Sequence[tuple[str, int]]):  # type: ignore[no-untyped-def]  # noqa: ANN202 - imported late
    from changeover.remote.hosts import Hosts
    from changeover.runbook.systems import HostEntry, Systems

    known = str(folder / "known_hosts")
    entries = {
        f"h{number}": HostEntry(address, port, "", str(folder / "id"), known) for number, (address, port) in enumerate(places)
    }
    return Hosts(Systems(hosts=entries, groups={"all": tuple(entries)}), base=folder, secret=str)


def bare(folder: Path, places: Sequence[tuple[str, int]]) -> None:
    """What anybody writes with paramiko, strict about host keys, with as many threads."""
    import paramiko

    def probe(place: tuple[str, int]) -> int:
        client = paramiko.SSHClient()
        client.load_host_keys(str(folder / "known_hosts"))
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        client.connect(
            place[0],
            place[1],
            key_filename=str(folder / "id"),
            allow_agent=False,
            look_for_keys=False,
            timeout=30,
            banner_timeout=60,
        )
        _, stdout, stderr = client.exec_command(_COMMAND)
        stdout.read()
        stderr.read()
        code: int = stdout.channel.recv_exit_status()
        client.close()
        return code

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        if any(pool.map(probe, places)):
            raise SystemExit("a command failed")


_WORKERS: Final[dict[str, Callable[[Path, Sequence[tuple[str, int]]], None]]] = {
    "ours": ours,
    "ours_files": ours_files,
    "bare": bare,
}


def worker(name: str, folder: Path, places: Sequence[tuple[str, int]]) -> tuple[Cost, list[dict[str, float]]]:
    """One of the Python contenders, and the lines it printed."""
    cost, printed = measured([sys.executable, __file__, "worker", name, str(folder), json.dumps(places)])
    return cost, [json.loads(line) for line in printed.splitlines()]


def by_ssh(folder: Path, size: int, *options: str) -> Cost:
    """OpenSSH's client, as many at once."""
    command = ["xargs", "-P", str(_AT_ONCE), "-I{}", "ssh", "-F", str(folder / "ssh_config"), *options, "{}", _COMMAND]
    return measured(command, stdin="".join(f"h{number}\n" for number in range(size)))[0]


def by_scp(folder: Path, size: int) -> Cost:
    """OpenSSH's file copy, as many at once; nothing is verified."""
    payload = str(folder / "payload")
    command = ["xargs", "-P", str(_AT_ONCE), "-I{}", "scp", "-q", "-F", str(folder / "ssh_config"), payload, "{}:payload"]
    return measured(command, stdin="".join(f"h{number}\n" for number in range(size)))[0]


def by_ansible(program: str, folder: Path) -> Cost:
    """Ansible's thinnest module: no Python on the hosts."""
    surroundings = {
        "ANSIBLE_SSH_ARGS": f"-F {folder}/ssh_config -o ControlMaster=no",
        "ANSIBLE_LOCAL_TEMP": str(folder / "ansible"),
        "ANSIBLE_HOME": str(folder / "ansible"),
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
    }
    command = [program, "all", "-i", str(folder / "inventory"), "-m", "raw", "-a", _COMMAND, "-f", str(_AT_ONCE)]
    return measured(command, surroundings)[0]


def cold_hosts(folder: Path, places: Sequence[tuple[str, int]], runs: int) -> None:
    """One probe on hosts nobody is connected to; a second one on open connections."""
    size = len(places)
    mine, second, theirs, plain = [], [], [], []
    for _ in range(runs):
        cost, phases = worker("ours", folder, places)
        again = phases[1]
        mine.append(Cost(cost.wall - again["wall"], cost.cpu - again["cpu"], cost.megabytes))
        second.append(Cost(again["wall"], again["cpu"], cost.megabytes))
        theirs.append(worker("bare", folder, places)[0])
        plain.append(by_ssh(folder, size))
    for name, costs in (("changeover", mine), ("bare paramiko", theirs), ("ssh by xargs", plain)):
        tell(what="a probe on cold hosts", hosts=size, by=name, **median(costs).told())
    ratio("a probe on cold hosts: changeover / bare paramiko", median(mine), median(theirs))
    ratio("a probe on cold hosts: changeover / ssh by xargs", median(mine), median(plain))
    _second(folder, size, median(second), runs)
    program = os.environ.get("ANSIBLE") or shutil.which("ansible")
    if program is None:
        tell(what="a probe on cold hosts", by="ansible raw", left_out="not installed: `make bench-remote` brings it")
        return
    cost = by_ansible(program, folder)
    tell(what="a probe on cold hosts", hosts=size, by="ansible raw", **cost.told())
    ratio("a probe on cold hosts: changeover / ansible raw", median(mine), cost)


def _second(folder: Path, size: int, mine: Cost, runs: int) -> None:
    control = ("-o", "ControlMaster=auto", "-o", "ControlPersist=120", "-o", f"ControlPath={folder}/c-%C")
    by_ssh(folder, size, *control)
    masters = median([by_ssh(folder, size, *control) for _ in range(runs)])
    leave = ["xargs", "-P", "8", "-I{}", "ssh", "-F", str(folder / "ssh_config"), "-O", "exit", *control, "{}"]
    measured(leave, stdin="".join(f"h{number}\n" for number in range(size)))
    tell(what="a second command on open connections", hosts=size, by="changeover", **mine.told())
    tell(what="a second command on open connections", hosts=size, by="ssh ControlMaster", **masters.told())
    ratio("a second command: changeover / ssh ControlMaster", mine, masters)


def files(folder: Path, places: Sequence[tuple[str, int]], runs: int) -> None:
    """A file on many hosts."""
    (folder / "payload").write_bytes(os.urandom(_MEGABYTES * 1_000_000))
    mine, theirs = [], []
    for _ in range(runs):
        mine.append(worker("ours_files", folder, places)[0])
        theirs.append(by_scp(folder, len(places)))
        for home in folder.glob("home-*"):
            for copy in home.glob("payload*"):
                copy.unlink()
    tell(what=f"{_MEGABYTES} MB, verified", hosts=len(places), by="changeover", **median(mine).told())
    tell(what=f"{_MEGABYTES} MB, not verified", hosts=len(places), by="scp", **median(theirs).told())
    ratio("a file: changeover / scp", median(mine), median(theirs))


def main() -> None:
    """Measure."""
    if sys.argv[1:2] == ["worker"]:
        _WORKERS[sys.argv[2]](Path(sys.argv[3]), [(address, port) for address, port in json.loads(sys.argv[4])])
        return
    size, file_hosts, runs = [*map(int, sys.argv[1:4]), *(200, 50, 3)[len(sys.argv[1:4]) :]]
    with tempfile.TemporaryDirectory(prefix="changeover-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with farm(folder, size) as places:
            cold_hosts(folder, places, runs)
            files(folder, places[:file_hosts], runs)


if __name__ == "__main__":
    main()
