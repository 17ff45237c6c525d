"""Reads OpenSSH's known_hosts strictly. A key that is not in it is refused; nothing here ever writes it.

Read without paramiko, whose reader stops at ``@cert-authority`` lines and knows no patterns and no ``@revoked``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A host key somebody wrote down."""

    sort: str  # such as ssh-ed25519
    blob: bytes  # the public key as it goes over the wire
    revoked: bool = False


def fingerprint(blob: bytes) -> str:
    """The fingerprint of a public key as ``ssh-keygen -l`` shows it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def spelled(address: str, port: int) -> str:
    """How known_hosts spells a host: bare on port 22, ``[address]:port`` on any other."""
    return address if port == 22 else f"[{address}]:{port}"  # noqa: PLR2004 - SSH's own port


def known_keys(lines: Iterable[str], name: str) -> tuple[KnownKey, ...]:
    """The keys that *lines* hold for a host of this *name*, revoked ones included. Lines that make no sense hold none."""
    return tuple(key for line in lines if (key := _key(line.strip(), name.lower())) is not None)


def _key(line: str, name: str) -> KnownKey | None:
    fields = line.split()
    marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
    if len(fields) < 3 or line.startswith("#") or marker not in {"", "@revoked"}:  # noqa: PLR2004 - names, sort, key
        return None  # host certificates (@cert-authority) prove nothing to us yet: their hosts are unknown
    names, sort, encoded = fields[:3]
    if not _matches(names.split(","), name):
        return None
    try:
        return KnownKey(sort, base64.b64decode(encoded, validate=True), revoked=bool(marker))
    except binascii.Error:
        return None


def _matches(patterns: Iterable[str], name: str) -> bool:
    found = False
    for pattern in patterns:
        if pattern.startswith("!") and _like(pattern[1:], name):
            return False
        found = found or _like(pattern, name)
    return found


def _like(pattern: str, name: str) -> bool:
    if pattern.startswith("|1|"):
        return _hashed(pattern, name)
    expression = "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern.lower())
    return re.fullmatch(expression, name) is not None


def _hashed(pattern: str, name: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in pattern.split("|")[2:4])
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)
