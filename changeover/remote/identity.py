"""The keys that are offered to a host: only those that its systems file names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import paramiko
from paramiko.ssh_exception import PasswordRequiredException

from changeover.remote.errors import HostSetback, HostVerdict
from changeover.remote.login import Login

#: OpenSSH's own names for a person's keys, the strongest first.
_USUAL: Final = ("id_ed25519", "id_ecdsa", "id_rsa")
_CANNOT_USE: Final = (OSError, ValueError, paramiko.SSHException, paramiko.pkey.UnknownKeyType)


def offered_keys(login: Login) -> Iterator[paramiko.PKey]:
    """The keys to offer, one after another. Raises HostSetback when the named one cannot be used."""
    if login.private_key is not None:
        yield _named_key(login, login.private_key)
    if login.agent:
        agent = paramiko.Agent()
        try:
            yield from agent.get_keys()
        finally:
            agent.close()
    if login.look_for_keys:
        yield from _usual_keys()


def tried_by(login: Login) -> str:
    """What :func:`offered_keys` offers and the password, in words; empty when there is nothing to offer."""
    tried = [f"key {login.private_key}"] if login.private_key else []
    tried += ["the agent's keys"] if login.agent else []
    tried += ["the keys of ~/.ssh"] if login.look_for_keys else []
    tried += ["the password"] if login.password and not login.private_key else []
    return " nor ".join(tried)


def _named_key(login: Login, path: Path) -> paramiko.PKey:
    try:
        # A private key has a passphrase or is used alone: a password beside it is the passphrase.
        key = paramiko.PKey.from_path(path, login.password or None)
    except PasswordRequiredException as error:
        detail = f"the private key {path} needs a passphrase"
        advice = "Write `password:` (a reference) beside `key:`, or load it into the agent and write `agent: true`."
        raise HostSetback(login.host, HostVerdict.AUTH, detail, advice) from error
    except _CANNOT_USE as error:
        detail = f"cannot use the private key {path}: {getattr(error, 'strerror', None) or error}"
        raise HostSetback(login.host, HostVerdict.AUTH, detail, "Check `key:` of this host in the systems file.") from error
    if login.certificate is not None:
        _certify(login, key, login.certificate)
    return key


def _certify(login: Login, key: paramiko.PKey, certificate: Path) -> None:
    try:
        key.load_certificate(str(certificate))
    except _CANNOT_USE as error:
        detail = f"cannot use the certificate {certificate}: {getattr(error, 'strerror', None) or error}"
        advice = "Check `certificate:` of this host in the systems file; it belongs to the key beside it."
        raise HostSetback(login.host, HostVerdict.AUTH, detail, advice) from error


def _usual_keys() -> Iterator[paramiko.PKey]:
    for name in _USUAL:
        path = Path("~/.ssh").expanduser() / name
        try:
            yield paramiko.PKey.from_path(path)
        except _CANNOT_USE:  # not there, or with a passphrase: the agent's business
            continue
