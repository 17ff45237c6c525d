"""An engine under strace: a system call on its journal kills it, or finds the disk full. Finds boundaries nobody marked."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any, Final

from changeover.cli.exit_codes import ExitCode
from changeover.journal.events import EventKind
from tests.chaos.children import CRASHED, Children
from tests.chaos.judging import ledger_of
from tests.chaos.templates import Copy, forgotten

_SECONDS: Final = 60.0
_WAITS: Final = "no step starts until"
_CALLS: Final = "pwrite64,write,fdatasync,fsync,ftruncate,unlink,unlinkat"


def trace(copy: Copy, children: Children, inject: str) -> dict[str, Any]:
    """Drive a run under strace with what *inject* says: ``pwrite64:signal=KILL:when=3``; and then once more without."""
    reading, writing = os.pipe()

    def engine() -> int:
        os.close(writing)
        os.read(reading, 1)  # until strace has attached
        return copy.engine()

    pid = children.fork(engine, copy.log)
    os.close(reading)
    log = copy.folder / "strace.log"
    tracer = _attached(copy, pid, inject, log)
    children.watch(tracer.pid)
    os.close(writing)
    complaints: list[str] = []
    full = "error=" in inject
    children.until(lambda: not children.alive(pid) or (full and _WAITS in copy.said()), _SECONDS)
    if full and children.alive(pid):
        complaints += _while_full(copy, children, "reports an error" if "sync" in inject else "is full")
    children.signal(tracer.pid, signal.SIGTERM)  # it lets go: the disk has space again
    if not children.wait(pid, seconds=_SECONDS):
        children.kill(pid)
        complaints.append(f"it does not end: {copy.said()[-2000:]}")
    children.kill(tracer.pid)
    tracer.returncode = children.status(tracer.pid)  # we have waited for it; nobody else may, its number is free
    hit = "INJECTED" in log.read_text(encoding="utf-8") or children.status(pid) == -signal.SIGKILL
    if children.status(pid) == CRASHED:
        complaints.append(f"it crashed: {copy.said()[-2000:]}")
    fine = {ExitCode.FINE, ExitCode.ROLLED_BACK}
    if children.status(pid) not in fine:
        heir = children.fork(copy.engine, copy.log)
        if not children.wait(heir, seconds=_SECONDS) or children.status(heir) not in fine:
            complaints.append(f"its heir ended with {children.status(heir)}: {copy.said()[-2000:]}")
    complaints += copy.judged()
    killed = ["strace"] if children.status(pid) == -signal.SIGKILL else []
    return {"kills": killed, "hit": hit, "code": children.status(pid), **forgotten(copy, complaints)}


def _attached(copy: Copy, pid: int, inject: str, log: Path) -> subprocess.Popen[bytes]:
    """strace, attached to *pid*, looking at nothing but the files of the journal."""
    strace = shutil.which("strace") or "strace"
    files = [f"{copy.folder / 'journal.db'}{tail}" for tail in ("", "-wal", "-shm", "-journal")]
    paths = [word for file in files for word in ("-P", file)]
    command = [strace, "-f", "-qq", "-o", str(log), "-p", str(pid), *paths, "-e", f"trace={_CALLS}", "-e", f"inject={inject}"]
    tracer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    status = Path(f"/proc/{pid}/status")
    assert Children.until(lambda: f"TracerPid:\t{tracer.pid}\n" in status.read_text(encoding="ascii"), 20)
    return tracer


def _while_full(copy: Copy, children: Children, why: str) -> list[str]:
    """While nothing can be written, nothing begins; what people read says where and why."""
    complaints: list[str] = []
    if f"the disk {why}" not in copy.said() or str(copy.folder / "journal.db") not in copy.said():
        complaints.append(f"the message does not name the file and the reason: {copy.said()[-500:]}")
    with copy.journal() as journal:
        intended = {event.step for event in journal.events(copy.run) if event.kind is EventKind.STEP_STARTED}
    children.until(lambda: False, 0.3)
    acted = {line.split()[0] for line in ledger_of(copy.folder)}
    if acted - intended:
        complaints.append(f"begun without an intent that is durable: {acted - intended}")
    return complaints
