"""A real haproxy in front of the company's public doors: who is let in stands in a map, for each door."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from changeover.sandbox import processes
from changeover.sandbox.processes import ProcessRecord
from changeover.sandbox.servers import place

_PLACES: Final = "/usr/sbin:/usr/local/sbin:/usr/bin"
_READY_WITHIN: Final = 15.0
_GLOBAL: Final = """\
global
  maxconn 2000
  stats socket {socket} mode 600 level admin
{state_file}defaults
  mode http
{load_state}  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout http-keep-alive 60s
  retries 2
  retry-on conn-failure empty-response
"""
#: A customer in so many of a hundred is let in; the others read why not.
_DOOR: Final = """\
frontend {name}
  bind 127.0.0.1:{port}
  http-request disable-l7-retry if METH_POST
  http-request set-var(txn.share) str({name}),map_str_int({map},100)
  http-request set-var(txn.bucket) rand(100)
  http-request return status 503 content-type "text/html; charset=utf-8" lf-string "<!doctype html><h1>%[str({name}),map({says},We are back soon.)]</h1>" hdr Retry-After 600 hdr Cache-Control no-store if {{ var(txn.bucket),sub(txn.share) -m int ge 0 }}
  default_backend {name}
backend {name}
  server app {target} check inter 1s
"""  # noqa: E501 - haproxy wants it on one line


@dataclass(frozen=True, slots=True)
class HaproxyServer:
    """A running haproxy. Stop it with :func:`stop`."""

    process: ProcessRecord
    folder: Path
    doors: Mapping[str, str]  # name -> public URL
    socket: Path
    map: Path
    says_map: Path


def find() -> Path | None:
    """The machine's haproxy."""
    program = shutil.which("haproxy", path=_PLACES)
    return Path(program) if program else None


def version() -> str:
    """Its version, such as 2.6.12."""
    program = find()
    if program is None:
        return ""
    ended = subprocess.run([program, "-v"], capture_output=True, text=True, timeout=10, check=False)
    words = ended.stdout.split()
    return words[2].partition("-")[0] if len(words) > 2 else ""  # noqa: PLR2004 - "HAProxy version 2.6.12-1 ..."


def start(
    folder: Path, targets: Mapping[str, str], *, ports: Mapping[str, int] | None = None, state_file: Path | None = None
) -> HaproxyServer:
    """Start a haproxy with a door to each of *targets* (name -> URL), on *ports* or on free ones.

    *state_file*: where it looks for how its servers were set when it was last told to keep that.
    Its files are kept when *folder* is there already: then it starts as it was. Raises DidNotStart, or LookupError when none
    is installed.
    """
    program = find()
    if program is None:
        raise LookupError("haproxy")
    real = _real(folder)
    paths = {"socket": real / "runtime.sock", "map": real / "channels.map", "says": real / "says.map"}
    for name, line in (("map", "{} 100\n"), ("says", "{} We are back soon.\n")):
        if not paths[name].exists():
            paths[name].write_text("".join(line.format(target) for target in targets), encoding="utf-8")
    chosen = {name: (ports or {}).get(name) or processes.free_port() for name in targets}
    state = {
        "state_file": f"  server-state-file {state_file}\n" if state_file else "",
        "load_state": "  load-server-state-from-file global\n" if state_file else "",
    }
    parts = [_GLOBAL.format(socket=paths["socket"], **state)]
    for name, url in targets.items():
        target = urlsplit(url).netloc
        parts.append(_DOOR.format(name=name, port=chosen[name], target=target, map=paths["map"], says=paths["says"]))
    configuration, log = real / "haproxy.cfg", real / "server.log"
    configuration.write_text("".join(parts), encoding="utf-8")
    process = processes.spawn("haproxy", [program, "-db", "-f", configuration], log=log, folder=real)
    processes.wait_until_ready(process, lambda: all(_listens(port) for port in chosen.values()), seconds=_READY_WITHIN, log=log)
    doors = {name: f"http://127.0.0.1:{port}" for name, port in chosen.items()}
    return HaproxyServer(process, folder, doors, paths["socket"], paths["map"], paths["says"])


def stop(process: ProcessRecord, folder: Path) -> None:
    """Stop it and remove its folder. Stopping again is harmless."""
    processes.end(process, first=signal.SIGTERM, seconds=5.0)
    place.remove(folder)


def _real(folder: Path) -> Path:
    """A short path for its socket: there is room for about a hundred characters. *folder* becomes a link to it."""
    if folder.is_symlink() and folder.exists():
        return folder.readlink()
    place.remove(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    real = Path(tempfile.mkdtemp(prefix="changeover-haproxy-", dir="/tmp"))
    folder.symlink_to(real)
    return real


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0):
            return True
    except OSError:
        return False
