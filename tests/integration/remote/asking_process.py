"""Runs a detached command in a process that a test kills: ``asking_process.py FILE``, which is a trial's order as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from changeover.remote.detached import Detached
from changeover.remote.hosts import Hosts
from changeover.remote.job import JobName, Order
from changeover.runbook.systems import HostEntry, Systems

if __name__ == "__main__":
    asked = json.loads(Path(sys.argv[1]).read_text())
    with Hosts(Systems(hosts={"app-1": HostEntry(**asked["entry"])}), base=Path(), secret=str) as hosts:
        print("asking", flush=True)  # noqa: T201 - the test waits for it
        Detached(hosts.select(["app-1"])[0], JobName(asked["slot"], 1), Order(asked["command"]), lambda _piece: None).run()
