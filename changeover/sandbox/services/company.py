"""All services of the company in one process: ``python -m changeover.sandbox.services.company FOLDER``.

It reads ``company.json`` in FOLDER, writes its addresses to ``addresses.json`` once everything listens, and ends on
SIGTERM or when its folder is gone.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import sqlalchemy

from changeover.sandbox.services import web
from changeover.sandbox.services.alerts import Alerts
from changeover.sandbox.services.chat import Chat
from changeover.sandbox.services.cloud_crm import CloudCrm
from changeover.sandbox.services.front_end import Company, FrontEnd
from changeover.sandbox.services.jobs import Jobs

#: Front ends: name, title, the host that each runs on.
FRONT_ENDS: Final = (
    ("web-shop", "Web shop", "app-1"),
    ("app-api", "App API", "app-2"),
    ("agents", "Agents' desktop", "app-3"),
)

#: Files whose existence is a fault, below the sandbox's folder.
STUCK_DOOR: Final = "faults/channel"
CHAT_DOWN: Final = "faults/chat"

_LOOK_EVERY: Final = 2.0


@dataclass(frozen=True, slots=True)
class _Door:
    """One of a front end's two doors, as a service."""

    answer: Callable[[web.Request], web.Reply]


def main(arguments: list[str]) -> int:
    """Serve until told to end."""
    folder = Path(arguments[0])
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    configuration = json.loads((folder / "company.json").read_text(encoding="utf-8"))
    engines = {
        name: sqlalchemy.create_engine(url, pool_size=2, pool_recycle=60) for name, url in configuration["databases"].items()
    }
    servers = _open(folder, configuration, engines)
    addresses = {name: web.address(server) for name, server in servers.items()}
    unfinished = folder / "addresses.part"
    unfinished.write_text(json.dumps(addresses), encoding="utf-8")
    unfinished.rename(folder / "addresses.json")
    while not stop.wait(_LOOK_EVERY) and (folder / "company.json").exists():
        pass
    for server in servers.values():
        server.server_close()
    for engine in engines.values():
        engine.dispose()
    return 0


def _open(folder: Path, configuration: dict[str, Any], engines: dict[str, sqlalchemy.Engine]) -> dict[str, ThreadingHTTPServer]:
    told = json.loads((folder / "cloud-crm.json").read_text(encoding="utf-8"))
    servers = {
        "alerts": web.serve(Alerts()),
        "jobs": web.serve(Jobs()),
        "cloud-crm": web.serve(CloudCrm(told, seconds=time.monotonic)),
        "chat": web.serve(Chat(folder / "chat.jsonl", down=folder / CHAT_DOWN)),
    }
    for name, title, host in FRONT_ENDS:
        # Only the web shop's load balancer is the one that can get stuck.
        stuck = folder / STUCK_DOOR if name == "web-shop" else folder / "faults/none"
        front = FrontEnd(name, title, Company(engines, Path(configuration["homes"][host]), stuck, time.monotonic))
        servers[name] = web.serve(_Door(front.public))
        servers[f"{name}-staff"] = web.serve(_Door(front.staff))
    return servers


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
