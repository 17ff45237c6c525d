"""Where a server keeps its data: a folder that the account it runs as can reach."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from changeover.sandbox.processes import Account


def prepare(folder: Path, account: Account | None, *, name: str) -> Path:
    """Make *folder* for a server and return the real one.

    Under another account the folders above may be closed to it, so the real one is then in the machine's temporary
    folder, and *folder* a link to it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove(folder)
    if account is None:
        folder.mkdir(mode=0o700)
        return folder
    real = Path(tempfile.mkdtemp(prefix=f"changeover-{name}-", dir="/tmp"))
    folder.symlink_to(real)
    os.chown(real, account.uid, account.gid)
    return real


def remove(folder: Path) -> None:
    """Remove a server's folder, and the real one behind the link."""
    if folder.is_symlink():
        real = folder.readlink()
        folder.unlink()
        shutil.rmtree(real, ignore_errors=True)
    elif folder.exists():
        shutil.rmtree(folder)


def write_private(path: Path, text: str, account: Account | None) -> None:
    """Write a file that only its owner can read."""
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    if account is not None:
        os.chown(path, account.uid, account.gid)


def make_folder(path: Path, account: Account | None) -> None:
    """Make a folder that only its owner can enter."""
    path.mkdir(mode=0o700)
    if account is not None:
        os.chown(path, account.uid, account.gid)
