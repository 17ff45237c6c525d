"""One SSH connection: opened, its host key compared strictly, logged in. The only module that opens sockets to hosts.

Transport is used directly, because then every phase has its own deadline and its own verdict.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from functools import partial
from typing import Final

import paramiko
from paramiko.ssh_exception import IncompatiblePeer

from changeover.remote.cut import LOSSES, let_go
from changeover.remote.errors import HostBusy, HostSetback, HostVerdict
from changeover.remote.identity import offered_keys, tried_by
from changeover.remote.known_hosts import KnownKey, fingerprint, known_keys
from changeover.remote.login import Deadlines, Login

#: paramiko writes tracebacks to its log; ours goes nowhere unless somebody listens.
_LOG: Final = "changeover.remote.paramiko"
logging.getLogger(_LOG).addHandler(logging.NullHandler())
logging.getLogger(_LOG).propagate = False

_PREFERRED: Final = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")
_WEAK_DIGESTS: Final = {"hmac-md5", "hmac-md5-96", "hmac-sha1-96"}
_SIGNATURES: Final = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}  # what an RSA host key signs with today


def connect(login: Login, deadlines: Deadlines, through: paramiko.Transport | None = None) -> paramiko.Transport:
    """Connect (*through* the connection of a jump host, if there is one), compare the host key, log in.

    Raises:
        HostSetback: with the verdict on the host; nothing has been sent to it that acts.
    """
    known = _known(login)
    transport = _handshaken(login, deadlines, through, known)
    try:
        _compare(login, _shown_key(login, transport), known)
        _log_in(login, transport)
    except BaseException:
        let_go(transport)
        raise
    return transport


def host_key(login: Login, deadlines: Deadlines, through: paramiko.Transport | None = None) -> KnownKey:
    """The key that the host shows now, one of the sort that is known if there is one. Nobody logs in.

    Raises:
        HostSetback: with the verdict on the host.
    """
    transport = _handshaken(login, deadlines, through, _known(login))
    try:
        key = _shown_key(login, transport)
        return KnownKey(key.get_name(), key.asbytes())
    finally:
        let_go(transport)


def _handshaken(
    login: Login, deadlines: Deadlines, through: paramiko.Transport | None, known: tuple[KnownKey, ...]
) -> paramiko.Transport:
    sock = _dial(login, deadlines) if through is None else _dial_through(login, through, deadlines)
    try:
        transport = paramiko.Transport(sock)
        transport.set_log_channel(_LOG)
        _choose_algorithms(transport, known)
        transport.banner_timeout = deadlines.key_exchange
        transport.auth_timeout = deadlines.authenticate
    except BaseException:
        let_go(sock)
        raise
    try:
        _negotiate(login, transport, deadlines)
    except BaseException:
        let_go(transport)
        raise
    return transport


def _dial(login: Login, deadlines: Deadlines) -> socket.socket:
    try:
        sock = socket.create_connection((login.address, login.port), timeout=deadlines.connect)
    except TimeoutError:
        detail = f"{login.address}:{login.port} did not answer within {deadlines.connect:g} s"
        raise HostSetback(login.host, HostVerdict.TIME_OUT, detail, "Is it switched on, and is the way to it open?") from None
    except OSError as error:
        detail = f"cannot connect to {login.address}:{login.port}: {error.strerror or error}"
        advice = "Check the address and port in the systems file, and that its SSH server runs."
        raise HostSetback(login.host, HostVerdict.UNREACHABLE, detail, advice) from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _dial_through(login: Login, jump: paramiko.Transport, deadlines: Deadlines) -> paramiko.Channel:
    where = f"{login.address}:{login.port} through {login.jump.host if login.jump else 'its jump host'}"
    try:
        return jump.open_channel(
            "direct-tcpip", (login.address, login.port), ("127.0.0.1", 0), timeout=deadlines.connect + deadlines.channel
        )
    except paramiko.ChannelException as error:
        detail = f"cannot connect to {where}: {error.text or 'refused'}"
        advice = "Check its address and port as the jump host sees them, and that the jump host allows TCP forwarding."
        raise HostSetback(login.host, HostVerdict.UNREACHABLE, detail, advice) from error
    except LOSSES as error:
        detail = f"no way to {where}: {str(error) or 'the connection was cut'}"
        raise HostSetback(login.host, HostVerdict.UNREACHABLE, detail) from error


def _choose_algorithms(transport: paramiko.Transport, known: tuple[KnownKey, ...]) -> None:
    options = transport.get_security_options()
    options.ciphers = _PREFERRED
    options.digests = tuple(digest for digest in options.digests if digest not in _WEAK_DIGESTS)
    # A host has several keys: ask for one of the sort that we know.
    wanted = [name for key in known for name in _SIGNATURES.get(key.sort, (key.sort,)) if name in options.key_types]
    options.key_types = tuple(dict.fromkeys([*wanted, *options.key_types]))


def _negotiate(login: Login, transport: paramiko.Transport, deadlines: Deadlines) -> None:
    finished = threading.Event()
    transport.start_client(event=finished)
    if not finished.wait(deadlines.key_exchange):
        detail = f"the SSH handshake did not end within {deadlines.key_exchange:g} s"
        raise HostSetback(login.host, HostVerdict.TIME_OUT, detail, "It accepts connections but does not talk: is it overloaded?")
    if transport.is_active():
        return
    error = transport.get_exception()
    said = str(error or "connection closed")
    if isinstance(error, IncompatiblePeer) or "Indecipherable" in said or "Invalid SSH banner" in said:
        advice = "It is up, but too old or no SSH server: update it, or look after it by hand (`manual`)."
        raise HostSetback(login.host, HostVerdict.INCOMPATIBLE, f"cannot speak SSH with it: {said}", advice) from error
    if "banner" in said:
        detail = f"{login.address}:{login.port} closed the connection without a greeting"
        raise HostBusy(
            login.host, HostVerdict.UNREACHABLE, detail, "Its SSH server may be refusing new connections (MaxStartups)."
        ) from error
    raise HostSetback(login.host, HostVerdict.KEY_EXCHANGE, f"the SSH handshake broke off: {said}") from error


def _shown_key(login: Login, transport: paramiko.Transport) -> paramiko.PKey:
    try:
        return transport.get_remote_server_key()
    except LOSSES as error:
        detail = f"the connection was cut after the SSH handshake: {error}"
        raise HostSetback(login.host, HostVerdict.KEY_EXCHANGE, detail) from error


def _known(login: Login) -> tuple[KnownKey, ...]:
    try:
        lines = login.known_hosts.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return ()
    except OSError as error:
        detail = f"cannot read {login.known_hosts}: {error.strerror}"
        raise HostSetback(login.host, HostVerdict.HOST_KEY, detail, "Make it readable: without it no host is trusted.") from error
    return known_keys(lines, login.known_as)


def _compare(login: Login, key: paramiko.PKey, known: tuple[KnownKey, ...]) -> None:
    blob = key.asbytes()
    shown = f"{key.get_name()} {fingerprint(blob)}"
    name = login.known_as
    if any(entry.blob == blob and entry.revoked for entry in known):
        detail = f"its host key {shown} is marked as revoked in {login.known_hosts}"
        raise HostSetback(login.host, HostVerdict.HOST_KEY, detail, "Do not connect to it: somebody declared this key stolen.")
    trusted = [entry for entry in known if not entry.revoked]
    if any(entry.blob == blob for entry in trusted):
        return
    console = f"on its own console: ssh-keygen -lf /etc/ssh/ssh_host_{_sort(key.get_name())}_key.pub"
    if not trusted:
        detail = f"its host key is not known: {shown} is not in {login.known_hosts}; nothing was sent"
        advice = (
            f"Have the fingerprint checked {console}. When it is {fingerprint(blob)}, let the key be written down: "
            f"`changeover hosts trust FILE {login.host} --fingerprint {fingerprint(blob)}`"
        )
        raise HostSetback(login.host, HostVerdict.HOST_KEY, detail, advice)
    before = ", ".join(f"{entry.sort} {fingerprint(entry.blob)}" for entry in trusted)
    detail = f"its host key has changed: known is {before}, it shows {shown}; nothing was sent"
    advice = (
        f"Either the machine was installed anew, or somebody stands in between. Have the fingerprint checked {console}. Only "
        f"when it is {fingerprint(blob)}: ssh-keygen -R '{name}' -f {login.known_hosts}, then `changeover hosts trust FILE "
        f"{login.host} --fingerprint {fingerprint(blob)}`"
    )
    raise HostSetback(login.host, HostVerdict.HOST_KEY, detail, advice)


def _sort(name: str) -> str:
    return next((sort for sort in ("ed25519", "ecdsa", "rsa") if sort in name), "ed25519")


def _log_in(login: Login, transport: paramiko.Transport) -> None:
    refused = ""
    for key in offered_keys(login):
        refused = _let_in(login, transport, partial(transport.auth_publickey, login.user, key))
        if not refused:
            return
    if login.password and not login.private_key:
        refused = _let_in(login, transport, partial(transport.auth_password, login.user, login.password))
        if not refused:
            return
    raise _not_let_in(login, refused)


def _let_in(login: Login, transport: paramiko.Transport, offer: Callable[[], list[str]]) -> str:
    """Offer it; the words of the refusal, or nothing. Raises HostSetback when there was no answer at all."""
    try:
        missing = offer()
    except paramiko.AuthenticationException as error:
        if not transport.is_active():  # paramiko says so too when the connection is cut: then nobody has refused anything
            raise _broken_off(login, error) from error
        return str(error) or "refused"
    except LOSSES as error:
        raise _broken_off(login, error) from error
    _complete(login, missing)
    return ""


def _complete(login: Login, missing: list[str]) -> None:
    if missing:
        detail = f"{login.spoken}: the key was accepted, but it also asks for {', '.join(missing)}"
        raise HostSetback(login.host, HostVerdict.AUTH, detail, "Give this user a login that needs no second factor.")


def _not_let_in(login: Login, refused: str) -> HostSetback:
    tried = tried_by(login)
    if not tried:
        advice = "Write `key:`, `agent: true`, or `password:` (a reference) for it in the systems file; nothing is guessed."
        return HostSetback(login.host, HostVerdict.AUTH, f"no identity is configured for {login.spoken}", advice)
    if "imeout" in refused:
        return HostSetback(login.host, HostVerdict.TIME_OUT, f"{login.spoken} did not answer to {tried} in time")
    detail = f"{login.spoken} does not accept {tried}"
    return HostSetback(
        login.host, HostVerdict.AUTH, detail, "Is the public key in its authorized_keys, and is it the right user?"
    )


def _broken_off(login: Login, error: BaseException) -> HostSetback:
    detail = f"{login.spoken} broke off during login: {str(error) or type(error).__name__}"
    return HostSetback(login.host, HostVerdict.UNREACHABLE, detail)
