"""What an OpenSSH configuration says of a host, asked of OpenSSH itself: ``ssh -G``, which knows Include, Match and all else.

Only what the configuration changes counts: OpenSSH's own defaults are none of ours.
"""

from __future__ import annotations

import getpass
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from changeover.errors import Mistake
from changeover.runbook.systems import HostEntry

_ANSWERS_WITHIN: Final = 10.0
#: Of the words that an answer consists of, those that are understood, and how they are called here.
_WORDS: Final = {
    "hostname": "address",
    "port": "port",
    "user": "user",
    "identityfile": "private_key",
    "certificatefile": "certificate",
    "userknownhostsfile": "known_hosts",
    "hostkeyalias": "key_alias",
    "proxyjump": "jump",
}
_PATHS: Final = {"private_key", "certificate", "known_hosts"}
_NOTHING: Final = "none"
_TOKEN: Final = re.compile(r"%(.)")

Answer = Mapping[str, tuple[str, ...]]


@dataclass(eq=False)
class SshConfigUnusable(Mistake):
    """An OpenSSH configuration that cannot be asked, or that wants what is not done here."""

    host: str
    why: str
    advice: str

    def __str__(self) -> str:
        return f"{self.host}: {self.why}"

    @property
    def hint(self) -> str:
        return self.advice


@dataclass(frozen=True, slots=True)
class Hop:
    """A host on the way, as ProxyJump names it."""

    host: str
    user: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True)
class Completed:
    """A host with what its OpenSSH configuration adds.

    Attributes:
        hops: the hosts on the way, the first one first; empty: as *entry* says.
    """

    entry: HostEntry
    hops: tuple[Hop, ...] = ()


@dataclass(slots=True)
class SshConfigs:
    """Asks ``ssh`` once for each host. Relative paths are relative to *base*."""

    base: Path
    _answers: dict[tuple[str, str], Answer] = field(default_factory=dict)
    _usual: dict[str, tuple[str, ...]] = field(default_factory=dict)  # what OpenSSH says without any configuration

    def completed(self, name: str, entry: HostEntry) -> Completed:
        """*entry* with whatever it leaves out and its configuration says. Raises SshConfigUnusable."""
        said = self._said(name, entry)
        if said.get("proxycommand", (_NOTHING,)) != (_NOTHING,) and "jump" not in entry.said:
            advice = "Write `jump:` for it in the inventory; a command in place of a connection is not supported."
            raise SshConfigUnusable(name, f"{entry.ssh_config} wants a ProxyCommand for {entry.address}", advice)
        source = entry.ssh_config
        words: dict[str, Any] = {}
        for theirs, ours in _WORDS.items():
            first = said.get(theirs, (_NOTHING,))[0]
            if ours in entry.said or first == _NOTHING or (ours == "address" and not _renames(name, entry, first)):
                continue
            words[ours] = int(first) if ours == "port" else first
        hops = _hops(words.pop("jump", ""))
        found = replace(entry, **words, said={**entry.said, **dict.fromkeys(words, source)})
        paths: dict[str, Any] = {word: _spelled_out(name, found, word, entry.address) for word in words if word in _PATHS}
        found = replace(found, **paths)
        if hops:
            found = replace(found, jump=",".join(hop.host for hop in hops), said={**found.said, "jump": source})
        return Completed(found, hops)

    def _said(self, name: str, entry: HostEntry) -> Answer:
        """What the configuration changes."""
        file = str(self.base / Path(entry.ssh_config).expanduser())
        key = file, entry.address
        if key not in self._answers:
            if not self._usual:
                self._usual.update(self._asked(name, _NOTHING, "any"))
            self._answers[key] = {
                word: values for word, values in self._asked(name, file, entry.address).items() if self._usual.get(word) != values
            }
        return self._answers[key]

    def _asked(self, name: str, file: str, address: str) -> Answer:
        try:
            ended = subprocess.run(
                ["ssh", "-G", "-F", file, "--", address],  # noqa: S607 - whose configuration it is, is the one on the search path
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_ANSWERS_WITHIN,
                check=False,
                cwd=self.base,
            )
        except FileNotFoundError:
            advice = "Install OpenSSH's client, or say in the inventory what the configuration says."
            raise SshConfigUnusable(name, "`ssh_config` is read by the program ssh, which is not installed", advice) from None
        except subprocess.TimeoutExpired:
            advice = "Does a `Match exec` in it wait for something?"
            raise SshConfigUnusable(name, f"`ssh -G -F {file}` did not end within {_ANSWERS_WITHIN:g} s", advice) from None
        if ended.returncode != 0:
            lines = ended.stderr.strip().splitlines() or [f"exit status {ended.returncode}"]
            raise SshConfigUnusable(name, f"ssh does not accept {file}: {lines[0]}", f"Try it: ssh -G -F {file} {address}")
        found: dict[str, tuple[str, ...]] = {}
        for line in ended.stdout.splitlines():
            word, _, value = line.partition(" ")
            found[word] = (*found.get(word, ()), value)
        return found


def _renames(name: str, entry: HostEntry, address: str) -> bool:
    """Whether it says another address of a host for which the inventory has only a name."""
    return entry.address == name and address != name.lower()  # OpenSSH makes names lower case


def _hops(written: str) -> tuple[Hop, ...]:
    return tuple(_hop(one) for one in written.split(",") if one)


def _hop(written: str) -> Hop:
    """``[user@]host[:port]``, also as an ``ssh://`` address, also of IPv6 in brackets."""
    user, _, where = written.removeprefix("ssh://").rstrip("/").rpartition("@")
    found = re.fullmatch(r"(?:\[(.+)\]|(.+?))(?::(\d+))?", where)
    assert found is not None  # noqa: S101 - ssh has accepted it
    return Hop(found[1] or found[2], user, int(found[3] or 0))


def _spelled_out(name: str, entry: HostEntry, word: str, original: str) -> str:
    """A path as OpenSSH would read it: the first of several, its tokens replaced."""
    path = str(getattr(entry, word))
    if word == "known_hosts":
        path = path.split(" ", maxsplit=1)[0]
    me = getpass.getuser()
    tokens = {"%": "%", "d": str(Path.home()), "h": entry.address, "n": original, "u": me, "r": entry.user or me}
    tokens["p"] = str(entry.port)
    if unknown := [token for token in _TOKEN.findall(path) if token not in tokens]:
        advice = f"Write `{'key' if word == 'private_key' else word}:` for it in the inventory."
        raise SshConfigUnusable(name, f"{entry.ssh_config} names {path}, and %{unknown[0]} is not understood here", advice)
    return _TOKEN.sub(lambda found: tokens[found[1]], path)
