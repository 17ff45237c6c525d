from __future__ import annotations

import hashlib
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from changeover.remote import file_hash
from changeover.remote.file_hash import digest_of


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were read through, one entry for each time."""
    found: list[Path] = []
    hashed = file_hash._hashed  # noqa: SLF001 - what is counted

    def counting(path: Path) -> str:
        found.append(path)
        threading.Event().wait(0.05)  # whoever comes second has to wait
        return hashed(path)

    monkeypatch.setattr(file_hash, "_hashed", counting)
    return found


def aged(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    os.utime(path, (time.time() - 10,) * 2)
    return path


def test_a_file_for_many_hosts_is_read_once(tmp_path: Path, read: list[Path]) -> None:
    path = aged(tmp_path / "release.tar", b"release")
    with ThreadPoolExecutor(20) as pool:
        digests = set(pool.map(digest_of, [path] * 20))
    assert digests == {hashlib.sha256(b"release").hexdigest()}
    assert read == [path]


def test_a_file_that_has_changed_is_read_again(tmp_path: Path, read: list[Path]) -> None:
    path = aged(tmp_path / "release.tar", b"old")
    assert digest_of(path) == hashlib.sha256(b"old").hexdigest()
    aged(path, b"new")  # as long, and with an old time as well
    assert digest_of(path) == hashlib.sha256(b"new").hexdigest()


def test_a_file_that_may_just_be_changing_is_read_each_time(tmp_path: Path, read: list[Path]) -> None:
    path = tmp_path / "release.tar"
    path.write_bytes(b"one")
    assert (digest_of(path), digest_of(path)) == (hashlib.sha256(b"one").hexdigest(),) * 2
    assert read == [path, path]
