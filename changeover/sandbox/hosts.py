"""Three application hosts: a home with releases each, reached over SSH."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from changeover.sandbox import processes
from changeover.sandbox.processes import DidNotStart, ProcessRecord
from changeover.sandbox.servers import place, ssh

HOSTS: Final = ("app-1", "app-2", "app-3")

#: What runs on every host before the night.
OLD_RELEASE: Final = "4.9.3"

#: Environment variable by which everything that runs in a sandbox is found again.
COOKIE: Final = "CHANGEOVER_SANDBOX"

_HEALTH: Final = """#!/bin/sh
# Says whether this release can serve: its settings name a CRM for both lines.
here=$(cd "$(dirname "$0")/.." && pwd -P) || exit 1
for line in fixed mobile; do
    grep -q "\\"$line\\": \\"" "$here/settings.json" && continue
    echo "release $(cat "$here/VERSION"): no CRM for $line lines" >&2
    exit 1
done
echo "release $(cat "$here/VERSION") is healthy"
"""
_READY_WITHIN: Final = 20.0


_JOBS: Final = ".changeover"


@dataclass(frozen=True, slots=True)
class Reached:
    """How the hosts are reached."""

    by: str  # "openssh" or "paramiko"
    user: str
    key: Path
    known_hosts: Path
    ports: Mapping[str, int]
    processes: tuple[ProcessRecord, ...]


def lay_out(folder: Path) -> dict[str, Path]:
    """Make every host's home with the old release in it, and return the homes."""
    homes: dict[str, Path] = {}
    for name in HOSTS:
        home = folder / "hosts" / name
        release = home / "releases" / OLD_RELEASE
        (release / "bin").mkdir(parents=True)
        (release / "VERSION").write_text(f"{OLD_RELEASE}\n", encoding="utf-8")
        (release / "settings.json").write_text(json.dumps({"fixed": "legacy-crm", "mobile": "crm"}) + "\n", encoding="utf-8")
        health = release / "bin" / "health"
        health.write_text(_HEALTH, encoding="utf-8")
        health.chmod(0o755)
        (home / "current").symlink_to(f"releases/{OLD_RELEASE}")
        homes[name] = home
    return homes


def start(folder: Path, homes: Mapping[str, Path], *, slow: Mapping[str, Path], installed: bool = True) -> Reached:
    """Serve the homes over SSH: by the machine's own sshd when it lets us in (and *installed*), else by a server of ours."""
    key = folder / "ssh" / "id_ed25519"
    key.parent.mkdir(mode=0o700)
    public = ssh.make_key(key)
    if installed and ssh.find() is not None:
        reached = _openssh(folder, homes, slow, key, public)
        if reached is not None:
            return reached
    return _paramiko(folder, homes, slow, key, public)


def fingerprint(home: Path) -> dict[str, str]:
    """What a host runs: where ``current`` leads, and a checksum of all files below the home.

    The record of detached jobs that is kept there does not count: it is about what was done, not what the host is.
    """
    current = home / "current"
    hashed = hashlib.sha256()
    for path in sorted(home.rglob("*")):
        if path.relative_to(home).parts[0] == _JOBS:
            continue
        what = str(path.readlink()) if path.is_symlink() else path.read_bytes().hex() if path.is_file() else "folder"
        hashed.update(f"{path.relative_to(home)}\0{what}\0".encode())
    return {"release": str(current.readlink()) if current.is_symlink() else "none", "files": hashed.hexdigest()[:16]}


def _openssh(folder: Path, homes: Mapping[str, Path], slow: Mapping[str, Path], key: Path, public: str) -> Reached | None:
    """None when the servers do not start or do not let us in (a locked account, no shell)."""
    started: list[ssh.SshServer] = []
    try:
        for name, home in homes.items():
            exported = {COOKIE: str(folder)}
            started.append(ssh.start(folder / "ssh" / name, home=home, login=public, slow=slow[name], exported=exported))
        let_in = all(_lets_us_in(server, key) for server in started)
    except (DidNotStart, OSError):
        let_in = False
    if not let_in:
        for server in started:
            ssh.stop(server.process, server.folder)
        return None
    known = folder / "ssh" / "known_hosts"
    known.write_text("".join(server.known_hosts.read_text(encoding="utf-8") for server in started), encoding="utf-8")
    ports = {name: server.port for name, server in zip(homes, started, strict=True)}
    return Reached("openssh", started[0].user, key, known, ports, tuple(server.process for server in started))


def _lets_us_in(server: ssh.SshServer, key: Path) -> bool:
    import paramiko  # noqa: PLC0415 - slow to import

    client = paramiko.SSHClient()
    client.load_host_keys(str(server.known_hosts))
    try:
        client.connect(
            server.address, server.port, server.user, key_filename=str(key), look_for_keys=False, allow_agent=False, timeout=10
        )
        _, stdout, _ = client.exec_command("echo in", timeout=10)
        return stdout.read() == b"in\n"
    except (paramiko.SSHException, OSError):
        return False
    finally:
        client.close()


def _paramiko(folder: Path, homes: Mapping[str, Path], slow: Mapping[str, Path], key: Path, public: str) -> Reached:
    own = folder / "ssh" / "own"
    place.remove(own)
    own.mkdir(mode=0o700)
    user = pwd.getpwuid(os.geteuid()).pw_name if _is_known() else "crm"
    known: dict[str, str] = {}
    entries = []
    for name, home in homes.items():
        known[name] = ssh.make_key(own / f"{name}.key")
        entries.append({"name": name, "home": str(home), "host_key": str(own / f"{name}.key"), "slow": str(slow[name])})
    environment = {COOKIE: str(folder), "PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
    configuration = {"login": public, "user": user, "environment": environment, "hosts": entries}
    (own / "server.json").write_text(json.dumps(configuration), encoding="utf-8")
    log, ports_file = own / "server.log", own / "server.ports"
    process = processes.spawn(
        "ssh-server",
        [sys.executable, "-m", "changeover.sandbox.ssh_server", own / "server.json"],
        log=log,
        folder=own,
        environment={**os.environ, COOKIE: str(folder)},
    )
    processes.wait_until_ready(process, ports_file.exists, seconds=_READY_WITHIN, log=log)
    ports: dict[str, int] = json.loads(ports_file.read_text(encoding="utf-8"))
    known_hosts = folder / "ssh" / "known_hosts"
    known_hosts.write_text(
        "".join(ssh.known_hosts_line("127.0.0.1", ports[name], line) for name, line in known.items()), encoding="utf-8"
    )
    return Reached("paramiko", user, key, known_hosts, ports, (process,))


def _is_known() -> bool:
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return True
