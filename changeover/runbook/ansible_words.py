"""Which variable of Ansible is which key of ours, and which is none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from changeover.contracts import Value
from changeover.runbook.codes import finding
from changeover.runbook.findings import Finding
from changeover.runbook.position import Position
from changeover.runbook.tree import Node, Scalar, plain

_KEYS: Final[Mapping[str, str]] = {
    "ansible_host": "address",
    "ansible_ssh_host": "address",
    "ansible_port": "port",
    "ansible_ssh_port": "port",
    "ansible_user": "user",
    "ansible_ssh_user": "user",
    "ansible_ssh_private_key_file": "private_key",
    "ansible_private_key_file": "private_key",
    "ansible_become": "become",
    "ansible_become_user": "become_user",
}
_SECRETS: Final = re.compile(r"ansible_\w*(?:pass|password|passphrase)")
_WAYS: Final = ("ssh", "smart", "paramiko", "paramiko_ssh", "ansible.builtin.ssh", "ansible.builtin.paramiko_ssh")
_SUDO: Final = ("sudo", "ansible.builtin.sudo")
_ARGUMENTS: Final = ("ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args")
_JUMP: Final = re.compile(r"""["']?(?:-J\s*|-o\s*["']?ProxyJump[= ]["']?)([^\s"',]+)["']*""")
#: Variables that mean nothing to us and do no harm; they stay among the host's own.
_HARMLESS: Final = ("ansible_python_interpreter", "ansible_pipelining", "ansible_ssh_pipelining", "ansible_ssh_executable")
_TRUE: Final = ("true", "yes", "on", "1", "y", "t")
_FALSE: Final = ("false", "no", "off", "0", "n", "f", "")


class Told:
    """Turns variables into settings, and names what it cannot turn."""

    def __init__(self, findings: list[Finding], said: dict[tuple[Position, str], None]) -> None:
        self._findings = findings
        self._said = said  # a group's variable is met once for each of its hosts, and named once
        self._jumps: dict[int, tuple[str, Position, str]] = {}

    def settings(self, words: Mapping[str, Node]) -> tuple[dict[str, object], dict[str, Value]]:
        """The settings of a host, and the variables that are its own."""
        found: dict[str, object] = {}
        own: dict[str, Value] = {}
        for word, value in words.items():
            if not word.startswith("ansible_"):
                own[word] = plain(value)
                if isinstance(value, Scalar):
                    self._template(word, value)
            elif not isinstance(value, Scalar):
                own[word] = plain(value)
                self._name(word, value.at, "its value is no single one")
            elif not self._taken(word, value, found):
                own[word] = value.value
        return found, own

    def through(self, settings: dict[str, object], own: dict[str, Value], known: Mapping[str, str]) -> None:
        """Find the host behind a jump that is named by its address."""
        entry = self._jumps.get(id(settings))
        if entry is None:
            return
        target, at, word = entry
        address = target.rpartition("@")[2].partition(":")[0]
        names = [name for name, its in known.items() if address in (name, its)]
        if names:
            settings["jump"] = names[0]
        else:
            own[word] = target
            self._name(word, at, f"the jump host {address} is no host of this inventory")

    def _taken(self, word: str, value: Scalar, found: dict[str, object]) -> bool:
        """Whether *word* became a setting, or needs to become none."""
        text = str(value.value if isinstance(value.value, str) else value.text).strip()
        if _SECRETS.fullmatch(word):
            if "{{" in text:
                self._name(word, value.at, "secrets of a vault are not read")
            else:
                hint = "write `password:` with a reference below `defaults` or at the host of an inventory of ours"
                self._report("secret-in-clear", f"`{word}` stands here in clear", hint, value.at)
            return True
        if "{{" in text:
            self._template(word, value)
            return False
        if word in _KEYS:
            return self._key(word, text, value.at, found)
        if word == "ansible_connection" and text in _WAYS:
            return True
        if word == "ansible_become_method" and text in _SUDO:
            return True
        if word in _ARGUMENTS and (match := _JUMP.fullmatch(text)) is not None:
            self._jumps[id(found)] = (match[1], value.at, word)
            return True
        if word not in _HARMLESS:
            self._name(word, value.at, f"{text[:60]!r} means nothing to us")
        return False

    def _key(self, word: str, text: str, at: Position, found: dict[str, object]) -> bool:
        key, value = _KEYS[word], self._converted(_KEYS[word], text)
        if value is None:
            self._name(word, at, f"{text[:60]!r} is not what it has to be")
            return False
        found[key] = value
        return True

    @staticmethod
    def _converted(key: str, text: str) -> Any:
        if key == "port":
            return int(text) if text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) < 1 << 16 else None  # noqa: PLR2004 - digits of a port
        if key == "become":
            return True if text.lower() in _TRUE else False if text.lower() in _FALSE else None
        return text

    def _template(self, word: str, value: Scalar) -> None:
        if "{{" in value.text:
            self._name(word, value.at, "templates are not filled in")

    def _name(self, word: str, at: Position, why: str) -> None:
        hint = "write it in an inventory of ours if it matters; as a variable it is kept as it stands"
        self._report("inventory-not-understood", f"`{word}` is not understood: {why}", hint, at)

    def _report(self, code: str, message: str, hint: str, at: Position) -> None:
        if (at, message) not in self._said:
            self._said[at, message] = None
            self._findings.append(finding(code, message, hint, at))
