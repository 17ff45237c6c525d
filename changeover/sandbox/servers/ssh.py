"""A real OpenSSH server with keys of its own, for the account that starts it."""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import signal
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from changeover.sandbox import processes
from changeover.sandbox.processes import ProcessRecord
from changeover.sandbox.servers import place

_READY_WITHIN: Final = 15.0
_PLACES: Final = "/usr/sbin:/usr/local/sbin:/usr/bin"
_SFTP: Final = ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/lib/ssh/sftp-server")
_PRIVILEGE_SEPARATION: Final = Path("/run/sshd")


@dataclass(frozen=True, slots=True)
class SshServer:
    """A running server. Stop it with :func:`stop`."""

    process: ProcessRecord
    address: str
    port: int
    user: str
    key: Path  # the private key that may log in
    known_hosts: Path
    folder: Path

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.folder / "server.log"


def find() -> Path | None:
    """The machine's sshd, if this account can log in through one: it needs a shell."""
    program = shutil.which("sshd", path=_PLACES)
    if program is None:
        return None
    try:
        shell = Path(pwd.getpwuid(os.geteuid()).pw_shell or "/bin/sh")
    except KeyError:
        return None
    return Path(program) if shell.exists() and shell.name not in {"nologin", "false"} else None


def make_key(path: Path, *, comment: str = "changeover") -> str:
    """Make an Ed25519 key in OpenSSH's form, readable by its owner alone, and return the public half as one line."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - slow, and only needed here
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    ).decode()
    place.write_private(path, private, None)
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    path.with_name(f"{path.name}.pub").write_text(f"{public} {comment}\n", encoding="utf-8")
    return public


def known_hosts_line(address: str, port: int, public: str) -> str:
    """How a client writes down the key of a server."""
    return f"[{address}]:{port} {public}\n" if port != 22 else f"{address} {public}\n"  # noqa: PLR2004 - SSH's own port


def start(
    folder: Path,
    *,
    address: str = "127.0.0.1",
    home: Path | None = None,
    login: str = "",
    slow: Path | None = None,
    exported: Mapping[str, str] | None = None,
    port: int = 0,
    lines: Sequence[str] = (),
) -> SshServer:
    """Start a server that lets one key in.

    *home*: commands and transfers start there, as if it were the account's home on a machine of its own.
    *login*: the public key that may log in; left out, a new one is made in *folder*.
    *slow*: while this file exists, every command first waits as many seconds as stand in it (needs *home*).
    *exported*: environment variables of every command (needs *home*).
    *port*: where it listens; left out, a free one.
    *lines*: further lines of its configuration; they come first, and so they win.
    Raises DidNotStart, or LookupError when none is installed.
    """
    program = find()
    if program is None:
        raise LookupError("sshd")
    place.remove(folder)
    folder.mkdir(mode=0o700, parents=True)
    public = login or make_key(folder / "id_ed25519")
    host_key = make_key(folder / "host_ed25519")
    place.write_private(folder / "authorized_keys", f"{public}\n", None)
    port = port or processes.free_port()
    (folder / "known_hosts").write_text(known_hosts_line(address, port, host_key), encoding="utf-8")
    session = _session(home, slow, exported or {}) if home else ""
    configuration = folder / "sshd_config"
    configuration.write_text("\n".join([*lines, _configuration(folder, address, port, session)]), encoding="utf-8")
    if os.geteuid() == 0:
        _PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)  # sshd will not start as root without it
    log = folder / "server.log"
    process = processes.spawn("sshd", [program, "-D", "-e", "-f", configuration], log=log, folder=folder)
    processes.wait_until_ready(process, lambda: _greets(address, port), seconds=_READY_WITHIN, log=log)
    user = pwd.getpwuid(os.geteuid()).pw_name
    return SshServer(process, address, port, user, folder / "id_ed25519", folder / "known_hosts", folder)


def stop(process: ProcessRecord, folder: Path) -> None:
    """Stop a server, its open connections and what runs in them, and remove its folder. Stopping again is harmless."""
    processes.end(process, first=signal.SIGTERM, seconds=5.0)
    place.remove(folder)


def _configuration(folder: Path, address: str, port: int, session: str) -> str:
    lines = [
        f"ListenAddress {address}:{port}",
        f"HostKey {_quoted(folder / 'host_ed25519')}",
        f"AuthorizedKeysFile {_quoted(folder / 'authorized_keys')}",
        "PidFile none",
        "PermitRootLogin prohibit-password",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "UsePAM no",
        "StrictModes no",  # folders above may belong to others
        "MaxStartups 100:30:200",
        "MaxSessions 100",
        "UseDNS no",
        "PrintMotd no",
        "LogLevel ERROR",
        "Subsystem sftp internal-sftp",
        # As deep as this, bash does not read the account's .bashrc, which may take half a second for each command.
        "SetEnv SHLVL=2",
    ]
    if session:
        wrapper = folder / "session"
        wrapper.write_text(session, encoding="utf-8")
        lines.append(f"ForceCommand /bin/sh {shlex.quote(str(wrapper))}")
    return "\n".join([*lines, ""])


def _session(home: Path, slow: Path | None, exported: Mapping[str, str]) -> str:
    """What runs for every session: the command as it was sent, in the machine's own home."""
    sftp = next((path for path in _SFTP if Path(path).exists()), _SFTP[0])
    variables = {"HOME": str(home), **exported}
    return "\n".join(
        [
            *(f"{name}={shlex.quote(value)}; export {name}" for name, value in variables.items()),
            'cd "$HOME" || exit 255',
            *([f'[ -f {shlex.quote(str(slow))} ] && sleep "$(cat {shlex.quote(str(slow))})"'] if slow else []),
            'case "$SSH_ORIGINAL_COMMAND" in',
            f"internal-sftp*|*/sftp-server*) exec {sftp} ;;",
            "'') exec /bin/sh ;;",
            '*) exec /bin/sh -c "$SSH_ORIGINAL_COMMAND" ;;',
            "esac",
            "",
        ]
    )


def _quoted(path: Path) -> str:
    return f'"{path}"'


def _greets(address: str, port: int) -> bool:
    """Whether it introduces itself as an SSH server."""
    try:
        with socket.create_connection((address, port), timeout=1.0) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
