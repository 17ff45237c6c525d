"""Secrets by reference only, and masked wherever text leaves the program."""

from __future__ import annotations

import base64
import html
import importlib
import json
import os
import re
import shlex
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, quote_plus

from changeover.errors import Mistake

MASK: Final = "••••••"

#: A shorter value would mask half of every log; lint has the word on such passwords.
SHORTEST_MASKED: Final = 4

#: A line of a longer secret (a private key) is masked by itself from this length on.
_SHORTEST_LINE: Final = 8

_LARGEST_FILE: Final = 64 * 1024
_SERVICE: Final = "changeover"


@dataclass(eq=False)
class SecretMissing(Mistake):
    """A reference leads to no value. The message never shows one."""

    reference: str  # empty when it is no reference: then it may be the secret itself
    why: str
    cure: str = ""

    def __str__(self) -> str:
        return f"secret {self.reference!r}: {self.why}" if self.reference else f"a secret: {self.why}"

    @property
    def hint(self) -> str:
        return self.cure


class Secrets:
    """Finds the values behind references, and masks every value it has ever found. Thread-safe.

    Values are read anew each time, so that a password changed during the night is found; the old one stays masked.
    """

    def __init__(self, base: Path, *, environment: Mapping[str, str] | None = None) -> None:
        """*base* is the folder that relative ``file:`` references refer to."""
        self._base = base
        self._environment = os.environ if environment is None else environment
        self._guard = threading.Lock()
        self._values: set[str] = set()
        self._forms: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None

    def resolve(self, reference: str) -> str:
        """The value behind ``env:NAME``, ``file:PATH`` or ``keyring:NAME``; masked from now on. Raises SecretMissing."""
        scheme, _, name = reference.partition(":")
        if scheme == "env" and name:
            value = self._from_environment(reference, name)
        elif scheme == "file" and name:
            value = self._from_file(reference, name)
        elif scheme == "keyring" and name:
            value = _from_keyring(reference, name)
        else:
            cure = "write env:NAME, file:PATH or keyring:NAME; a secret itself never stands in a file of the project"
            raise SecretMissing("", "what stands there is not a reference", cure)
        if not value:
            raise SecretMissing(reference, "the value is empty", "set it, or leave the reference out")
        self.remember(value)
        return value

    def remember(self, value: str) -> None:
        """Mask *value*, wherever it came from, in every form in which it may show up."""
        if value in self._values:
            return
        with self._guard:
            self._values = self._values | {value}
            self._forms = self._forms | frozenset(_forms(value))
            longest_first = sorted(self._forms, key=lambda form: (-len(form), form))
            if longest_first:
                self._pattern = re.compile("|".join(re.escape(form) for form in longest_first))

    def mask(self, text: str) -> str:
        """*text* with dots in place of every secret found so far."""
        pattern = self._pattern
        return text if pattern is None else pattern.sub(MASK, text)

    def _from_environment(self, reference: str, name: str) -> str:
        value = self._environment.get(name)
        if value is None:
            raise SecretMissing(reference, f"the environment variable {name} is not set", f"set it: export {name}=...")
        return value

    def _from_file(self, reference: str, name: str) -> str:
        path = self._base / Path(name).expanduser()
        try:
            if path.stat().st_size > _LARGEST_FILE:
                raise SecretMissing(reference, f"{path} is larger than 64 KiB", "name a file that holds the secret alone")
            return path.read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise SecretMissing(reference, f"{path}: {reason}", "write the secret into it, readable for you only") from error
        except UnicodeDecodeError:
            raise SecretMissing(reference, f"{path} is not text in UTF-8", "save it as UTF-8") from None


def _from_keyring(reference: str, name: str) -> str:
    """``keyring:NAME`` of the service *changeover*, or ``keyring:SERVICE/NAME``."""
    try:
        keyring = importlib.import_module("keyring")  # optional, and slow to import
        errors = importlib.import_module("keyring.errors")
    except ImportError:
        cure = "Install it (pip install keyring), or use env: or file:."
        raise SecretMissing(reference, "the package keyring is not installed", cure) from None
    service, _, user = name.rpartition("/")
    service = service or _SERVICE
    try:
        value: str | None = keyring.get_password(service, user)
    except errors.KeyringError as error:
        raise SecretMissing(reference, f"the keyring cannot be read: {error}", "Unlock it, or use env: or file:.") from error
    if value is None:
        cure = f"Put it in: keyring set {shlex.quote(service)} {shlex.quote(user)}"
        raise SecretMissing(reference, f"the keyring has no {user!r} of {service!r}", cure)
    return value


def _forms(value: str) -> Iterator[str]:
    """*value* and its lines, as they look in URLs, JSON, shells, headers, HTML and Python's own repr."""
    lines = [line.strip() for line in value.splitlines()]
    for part in {value, value.strip(), *(line for line in lines if len(line) >= _SHORTEST_LINE)}:
        if len(part) >= SHORTEST_MASKED:
            yield from _of_text(part)
            yield from _in_base64(part)


def _of_text(part: str) -> Iterator[str]:
    yield part
    for url in (quote(part, safe=""), quote(part), quote_plus(part)):
        yield from (url, re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), url), quote(url, safe=""))
    escaped = json.dumps(part)[1:-1]
    yield from (escaped, json.dumps(part, ensure_ascii=False)[1:-1], escaped.replace("/", "\\/"))
    yield json.dumps(escaped)[1:-1]  # JSON in JSON
    yield from (shlex.quote(part), part.replace("'", "'\"'\"'"), part.replace("'", "'\\''"))
    yield re.sub(r"([^\w@%+=:,./-])", r"\\\1", part)  # a shell's backslashes
    yield from (repr(part)[1:-1], html.escape(part), html.escape(part, quote=False))
    yield from (part.encode().hex(), part.encode().hex().upper())


def _in_base64(part: str) -> Iterator[str]:
    """Also inside of something longer, such as ``user:password``: it can stand there in three ways."""
    data = part.encode()
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + data + b"\0\0").decode()
        # the characters that depend on nothing but the secret; each holds six bits
        inside = coded[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]
        yield from (inside, inside.replace("+", "-").replace("/", "_"))
    padded = base64.b64encode(data).decode()
    yield from (padded, base64.urlsafe_b64encode(data).decode())
