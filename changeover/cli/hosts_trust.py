"""``hosts trust``: shows the fingerprint of each key that is not known, and writes it down only on a person's word."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import typer

from changeover.cli import render
from changeover.cli.exit_codes import ExitCode
from changeover.errors import Mistake
from changeover.remote.errors import HostSetback
from changeover.remote.hosts import Hosts
from changeover.remote.known_hosts import KnownKey, fingerprint
from changeover.remote.trusting import Trust, same_fingerprint, standing, write_down
from changeover.secrets import Secrets

if TYPE_CHECKING:
    from changeover.cli.hosts_source import Source
    from changeover.remote.login import Login

_FILES: Final = {"ssh-ed25519": "ed25519", "ssh-rsa": "rsa"}


@dataclass(eq=False)
class NobodyToAsk(Mistake):
    """A key is trusted on a person's word only, and there is nobody."""

    host: str

    def __str__(self) -> str:
        return f"the key of {self.host} is not known, and there is no terminal to ask on"

    @property
    def hint(self) -> str:
        return f"say what you expect: --fingerprint {self.host}=SHA256:..."


@dataclass(eq=False)
class WhichHost(Mistake):
    """A fingerprint without a host, and there are several."""

    written: str
    hosts: tuple[str, ...]

    def __str__(self) -> str:
        return f"--fingerprint {self.written} does not say whose it is"

    @property
    def hint(self) -> str:
        return f"write HOST=SHA256:..., with one of {', '.join(self.hosts[:6])}"


def trust_all(source: Source, fingerprints: list[str]) -> int:
    """Go through the hosts, those behind others last; exit code 2 when one of them is not trusted in the end."""
    expected = _expected(source, fingerprints)
    names = sorted(source.names, key=lambda name: _hops(source, name))
    with Hosts(source.systems, base=source.root, secret=Secrets(source.root).resolve) as hosts:
        good = [_trusted(hosts, name, expected.get(name, "")) for name in names]
    return ExitCode.FINE if good and all(good) else ExitCode.MISTAKE


def _expected(source: Source, written: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in written:
        name, equals, value = text.partition("=")
        if equals and name in source.names:
            found[name] = value
        elif len(source.names) == 1:
            found[source.names[0]] = text
        else:
            raise WhichHost(text, source.names)
    return found


def _hops(source: Source, name: str) -> int:
    hops, entry = 0, source.systems.hosts[name]
    while entry.jump and hops < len(source.systems.hosts):
        hops, entry = hops + 1, source.systems.hosts[entry.jump]
    return hops


def _trusted(hosts: Hosts, name: str, expected: str) -> bool:
    login = hosts.login(name)
    try:
        key = hosts.host_key(name)
        found = standing(login, key)
    except HostSetback as setback:
        _say(name, str(setback).removeprefix(f"{name}: "), setback.hint)
        return False
    shown = f"{key.sort} {fingerprint(key.blob)}"
    if expected and not same_fingerprint(expected, key):
        _say(name, f"it shows {shown}, which is not what you expect", "Somebody may stand in between. Nothing was written.")
        return False
    match found:
        case Trust.KNOWN:
            _say(name, f"{shown} is known already", good=True)
            return True
        case Trust.REVOKED:
            _say(name, f"{shown} is marked as revoked in {login.known_hosts}", "Do not connect: somebody declared it stolen.")
            return False
        case Trust.CHANGED:
            _say(name, f"its key has changed: it shows {shown}", _after_a_change(name, login, key))
            return False
    return _asked(name, login, key, confirmed=bool(expected))


def _asked(name: str, login: Login, key: KnownKey, *, confirmed: bool) -> bool:
    shown = f"{key.sort} {fingerprint(key.blob)}"
    if not confirmed:
        if not sys.stdin.isatty():
            raise NobodyToAsk(name)
        _say(name, f"{login.address}:{login.port} shows {shown}", f"On its own console: {_on_console(key)}")
        if not typer.confirm("Is it the same there?", default=False):
            _say(name, "not trusted; nothing was written")
            return False
    write_down(login, key)
    _say(name, f"{shown} stands in {login.known_hosts}", good=True)
    return True


def _after_a_change(name: str, login: Login, key: KnownKey) -> str:
    spelling = login.known_as
    return (
        "Either the machine was installed anew, or somebody stands in between. Compare on its own console: "
        f"{_on_console(key)}. Only when it is the same: ssh-keygen -R '{spelling}' -f {login.known_hosts}, "
        f"then `hosts trust` again for {name}."
    )


def _on_console(key: KnownKey) -> str:
    return f"ssh-keygen -lf /etc/ssh/ssh_host_{_FILES.get(key.sort, 'ecdsa')}_key.pub"


def _say(name: str, text: str, hint: str = "", *, good: bool = False) -> None:
    screen = render.console()
    screen.print(
        render.styled((render.safe(f"{name}: "), render.FINE if good else render.LOUD), render.safe(text)), soft_wrap=True
    )
    if hint:
        screen.print(render.styled(("  help: ", render.FAINT), render.safe(hint)), soft_wrap=True)
