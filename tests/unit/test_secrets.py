from __future__ import annotations

import base64
import html
import json
import re
import shlex
import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.errors import Mistake
from changeover.secrets import MASK, SecretMissing, Secrets

#: With everything that some encoding changes.
AWKWARD = """p/ä+ss'w"o\\rd <&>%$ x"""


def secrets(base: Path = Path(), **environment: str) -> Secrets:
    return Secrets(base, environment=environment)


def test_a_value_comes_from_the_environment() -> None:
    assert secrets(CRM="geheim").resolve("env:CRM") == "geheim"


def test_a_value_comes_from_a_file_beside_the_runbook_without_its_last_newline(tmp_path: Path) -> None:
    (tmp_path / "crm.password").write_text("two words\n")
    assert secrets(tmp_path).resolve("file:crm.password") == "two words"
    assert secrets(Path("/nowhere")).resolve(f"file:{tmp_path / 'crm.password'}") == "two words"


def test_a_changed_file_is_read_anew_and_both_values_stay_masked(tmp_path: Path) -> None:
    file = tmp_path / "crm.password"
    known = secrets(tmp_path)
    for value in ("before-midnight", "after-midnight"):
        file.write_text(value)
        assert known.resolve("file:crm.password") == value
    assert known.mask("before-midnight after-midnight") == f"{MASK} {MASK}"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("env:NOT_SET", "the environment variable NOT_SET is not set"),
        ("env:EMPTY", "the value is empty"),
        ("file:missing", "no such file or directory"),
        ("file:.", "is a directory"),
        ("file:large", "larger than 64 KiB"),
        ("file:binary", "not text in UTF-8"),
    ],
)
def test_a_reference_that_leads_nowhere_says_why_and_what_to_do(reference: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "large").write_text("x" * 70_000)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SecretMissing, match=message) as missing:
        secrets(tmp_path, EMPTY="").resolve(reference)
    assert reference in str(missing.value)
    assert missing.value.hint


@pytest.mark.parametrize("secret", ["hunter2-itself", "vault:crm", "env:", "", ":x", "hunter2:itself"])
def test_a_secret_written_where_a_reference_belongs_is_not_repeated(secret: str) -> None:
    with pytest.raises(Mistake) as refused:
        secrets().resolve(secret)
    assert "hunter2" not in str(refused.value) + refused.value.hint
    assert "env:NAME" in refused.value.hint


def test_without_the_keyring_package_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(SecretMissing, match="the package keyring is not installed") as missing:
        secrets().resolve("keyring:crm")
    assert "pip install keyring" in missing.value.hint


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], str]:
    """A keyring package with two entries; ``locked`` is locked."""
    kept = {("changeover", "crm"): "from-the-ring", ("billing", "reader"): "of-another-service"}
    errors = types.ModuleType("keyring.errors")
    package = types.ModuleType("keyring")

    class KeyringError(Exception):
        pass

    def get_password(service: str, user: str) -> str | None:
        if user == "locked":
            raise KeyringError("it is locked")
        return kept.get((service, user))

    errors.KeyringError = KeyringError  # type: ignore[attr-defined]  # made here
    package.get_password = get_password  # type: ignore[attr-defined]  # made here
    monkeypatch.setitem(sys.modules, "keyring", package)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    return kept


@pytest.mark.usefixtures("keyring")
def test_a_value_comes_from_the_keyring() -> None:
    assert secrets().resolve("keyring:crm") == "from-the-ring"
    assert secrets().resolve("keyring:billing/reader") == "of-another-service"


@pytest.mark.usefixtures("keyring")
@pytest.mark.parametrize(("reference", "message"), [("keyring:locked", "it is locked"), ("keyring:nobody", "has no 'nobody'")])
def test_a_keyring_that_does_not_answer_says_so(reference: str, message: str) -> None:
    with pytest.raises(SecretMissing, match=message):
        secrets().resolve(reference)


ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": lambda s: s,
    "url": lambda s: quote(s, safe=""),
    "url path": quote,
    "form": quote_plus,
    "query": lambda s: urlencode({"password": s}),
    "lower-case url": lambda s: re.sub("%..", lambda found: found[0].lower(), quote(s, safe="")),
    "url twice": lambda s: quote(quote(s, safe=""), safe=""),
    "json": json.dumps,
    "json as utf-8": lambda s: json.dumps(s, ensure_ascii=False),
    "json in json": lambda s: json.dumps(json.dumps({"p": s})),
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "base64 for urls": lambda s: base64.urlsafe_b64encode(s.encode()).decode(),
    "basic auth": lambda s: "Basic " + base64.b64encode(f"crm:{s}".encode()).decode(),
    "basic auth of u": lambda s: "Basic " + base64.b64encode(f"u:{s}".encode()).decode(),
    "base64 in the middle": lambda s: base64.b64encode(f"abcd{s}tail".encode()).decode(),
    "shell": shlex.quote,
    "shell, other way": lambda s: "'" + s.replace("'", "'\\''") + "'",
    "repr": repr,
    "html": html.escape,
    "hex": lambda s: s.encode().hex(),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("secret", [AWKWARD, "plain-old-password", "пароль-1234", "a'b\"c d", "x" * 40, "S3cr3t/+=="])
def test_a_secret_is_masked_in_whatever_form_it_shows_up(secret: str, encoding: str) -> None:
    known = secrets(S=secret)
    known.resolve("env:S")
    coded = ENCODINGS[encoding](secret)
    masked = known.mask(f"password={coded};")
    assert MASK in masked
    # what is left is what stands around the secret, and base64's characters that hold bits of both
    around = f"password={ENCODINGS[encoding]('')};"
    assert len(masked.replace(MASK, "")) <= len(around) + 4


@given(st.text(st.characters(codec="utf-8"), min_size=4, max_size=30).filter(lambda text: text.strip() and MASK[0] not in text))
def test_no_value_survives_in_any_line(secret: str) -> None:
    known = secrets()
    known.remember(secret)
    assert secret not in known.mask(f"before {secret} after {secret}")


def test_the_longest_secret_is_masked_first() -> None:
    known = secrets(A="pass", B="password-of-billing")
    known.resolve("env:A")
    known.resolve("env:B")
    assert known.mask("password-of-billing pass") == f"{MASK} {MASK}"


def test_each_line_of_a_private_key_is_masked(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA7\nabc\nq83yD0Gm2ZxQ==\n-----END KEY-----\n")
    known = secrets(tmp_path)
    known.resolve("file:key")
    assert known.mask("line: MIIEpAIBAAKCAQEA7") == f"line: {MASK}"
    assert known.mask("alphabet: abc") == "alphabet: abc"


def test_a_value_of_three_characters_is_not_masked_because_it_would_mask_everything() -> None:
    known = secrets(S="abc")
    known.resolve("env:S")
    assert known.mask("abcdef") == "abcdef"


def test_without_secrets_nothing_changes() -> None:
    assert secrets().mask("orders frozen: 14,203") == "orders frozen: 14,203"


def test_many_threads_resolve_and_mask_at_once() -> None:
    known = Secrets(Path(), environment={f"S{number}": f"secret-number-{number}" for number in range(40)})
    leaks: list[str] = []

    def work(number: int) -> None:
        value = known.resolve(f"env:S{number}")
        if value in known.mask(f"<{value}>"):
            leaks.append(value)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    everything = " ".join(f"secret-number-{number}" for number in range(40))
    assert leaks == []
    assert known.mask(everything) == " ".join([MASK] * 40)
