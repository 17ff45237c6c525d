from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.remote.known_hosts import fingerprint, known_keys, spelled

BLOB = b"\x00\x00\x00\x0bssh-ed25519 some key"
KEY = base64.b64encode(BLOB).decode()


def found(lines: str, address: str = "db-1.example.com", port: int = 22) -> list[bytes]:
    return [key.blob for key in known_keys(lines.splitlines(), spelled(address, port))]


@pytest.mark.parametrize(
    "names",
    [
        "db-1.example.com",
        "other,db-1.example.com",
        "*.example.com",
        "db-?.example.com",
        "DB-1.EXAMPLE.COM",
        "*,!db-2.example.com",
    ],
)
def test_names_and_patterns_find_a_host(names: str) -> None:
    assert found(f"{names} ssh-ed25519 {KEY} a comment") == [BLOB]


@pytest.mark.parametrize(
    "names", ["db-2.example.com", "*,!db-1.example.com", "[db-1.example.com]:2222", "example.com", "db-1?example?com?"]
)
def test_other_names_do_not(names: str) -> None:
    assert found(f"{names} ssh-ed25519 {KEY}") == []


def test_another_port_is_another_host() -> None:
    assert found(f"[db-1]:2222 ssh-ed25519 {KEY}", "db-1", 2222) == [BLOB]
    assert found(f"db-1 ssh-ed25519 {KEY}", "db-1", 2222) == []
    assert (spelled("db-1", 22), spelled("db-1", 2222)) == ("db-1", "[db-1]:2222")


def test_hashed_names_are_understood() -> None:
    salt = b"0123456789abcdefghij"
    digest = hmac.new(salt, b"db-1", hashlib.sha1).digest()
    line = f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()} ssh-ed25519 {KEY}"
    assert found(line, "db-1") == [BLOB]
    assert found(line, "db-2") == []


def test_several_keys_of_one_host_are_all_known() -> None:
    assert len(found(f"db-1 ssh-ed25519 {KEY}\ndb-1 ssh-rsa {KEY}", "db-1")) == 2


def test_a_revoked_key_is_marked() -> None:
    (key,) = known_keys([f"@revoked db-1 ssh-ed25519 {KEY}"], "db-1")
    assert key.revoked


@pytest.mark.parametrize(
    "line",
    [
        "",
        "# db-1 ssh-ed25519 x",
        f"@cert-authority db-1 ssh-ed25519 {KEY}",
        "db-1 ssh-ed25519",
        "db-1 ssh-ed25519 !!!",
        "|1|x|y a b",
        f"|1|x a {KEY}",
    ],
)
def test_lines_that_trust_no_key_hold_none(line: str) -> None:
    assert found(line, "db-1") == []


@given(st.text())
def test_no_text_can_break_the_reader(text: str) -> None:
    assert isinstance(found(text, "db-1"), list)


def test_a_fingerprint_is_that_of_ssh_keygen() -> None:
    assert fingerprint(b"") == "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"
