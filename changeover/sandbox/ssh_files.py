"""File transfer for the SSH server of machines without one: relative paths start in the host's home."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import paramiko
from paramiko.common import o777

_OK = paramiko.sftp.SFTP_OK


class _Handle(paramiko.SFTPHandle):
    """An open file; the base class reads and writes through ``readfile`` and ``writefile``."""

    def __init__(self, file: Any, flags: int) -> None:
        super().__init__(flags)
        self.readfile = self.writefile = file

    def stat(self) -> paramiko.SFTPAttributes | int:
        return paramiko.SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))

    def chattr(self, attr: paramiko.SFTPAttributes) -> int:
        paramiko.SFTPServer.set_file_attr(self.readfile.name, attr)
        return _OK


class Files(paramiko.SFTPServerInterface):
    """SFTP over a folder of this machine."""

    def __init__(self, server: paramiko.ServerInterface, *args: object, home: Path, **kwargs: object) -> None:
        super().__init__(server, *args, **kwargs)
        self._home = home

    def _real(self, path: str) -> Path:
        return self._home / path

    def canonicalize(self, path: str) -> str:
        return os.path.normpath(self._real(path))

    def list_folder(self, path: str) -> list[paramiko.SFTPAttributes] | int:
        try:
            return [
                paramiko.SFTPAttributes.from_stat(entry.stat(follow_symlinks=False), entry.name)
                for entry in os.scandir(self._real(path))
            ]
        except OSError as error:
            return _code(error)

    def stat(self, path: str) -> paramiko.SFTPAttributes | int:
        return self._stat(path, follow=True)

    def lstat(self, path: str) -> paramiko.SFTPAttributes | int:
        return self._stat(path, follow=False)

    def _stat(self, path: str, *, follow: bool) -> paramiko.SFTPAttributes | int:
        try:
            return paramiko.SFTPAttributes.from_stat(self._real(path).stat(follow_symlinks=follow))
        except OSError as error:
            return _code(error)

    def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> paramiko.SFTPHandle | int:
        mode = attr.st_mode if attr.st_mode is not None else 0o666
        words = {os.O_RDONLY: "rb", os.O_WRONLY: "ab" if flags & os.O_APPEND else "wb"}.get(flags & os.O_ACCMODE, "r+b")
        try:
            number = os.open(self._real(path), flags, mode & o777)
            # Opened by number: Python's own mode must not truncate or create once more.
            file = os.fdopen(number, words)
        except OSError as error:
            return _code(error)
        return _Handle(file, flags)

    def remove(self, path: str) -> int:
        return _attempt(os.remove, self._real(path))

    def rename(self, oldpath: str, newpath: str) -> int:
        if self._real(newpath).exists():
            return paramiko.sftp.SFTP_FAILURE
        return _attempt(os.rename, self._real(oldpath), self._real(newpath))

    def posix_rename(self, oldpath: str, newpath: str) -> int:
        return _attempt(os.replace, self._real(oldpath), self._real(newpath))

    def mkdir(self, path: str, attr: paramiko.SFTPAttributes) -> int:
        done = _attempt(os.mkdir, self._real(path))
        if done == _OK:
            paramiko.SFTPServer.set_file_attr(str(self._real(path)), attr)
        return done

    def rmdir(self, path: str) -> int:
        return _attempt(os.rmdir, self._real(path))

    def chattr(self, path: str, attr: paramiko.SFTPAttributes) -> int:
        return _attempt(paramiko.SFTPServer.set_file_attr, str(self._real(path)), attr)

    def symlink(self, target_path: str, path: str) -> int:
        return _attempt(os.symlink, target_path, self._real(path))

    def readlink(self, path: str) -> str | int:
        try:
            return str(self._real(path).readlink())
        except OSError as error:
            return _code(error)


def _attempt(action: Any, *arguments: Any) -> int:
    try:
        action(*arguments)
    except OSError as error:
        return _code(error)
    return _OK


def _code(error: OSError) -> int:
    return paramiko.SFTPServer.convert_errno(error.errno or 0)
