"""Two small CRMs, and services on a real port."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from changeover.runbook.systems import DatabaseEntry
from changeover.testing import FakeContext
from changeover.transfer.databases import OpenDatabase, open_database


@dataclass(frozen=True, slots=True)
class Pages:
    """What a service answers: path -> (status, body)."""

    url: str
    answers: dict[str, tuple[int, Any]]
    asked: list[Mapping[str, str]]  # the headers of each request


@pytest.fixture
def legacy(tmp_path: Path) -> Iterator[OpenDatabase]:
    yield from _database(tmp_path, "legacy")


@pytest.fixture
def crm(tmp_path: Path) -> Iterator[OpenDatabase]:
    yield from _database(tmp_path, "crm")


def _database(folder: Path, name: str) -> Iterator[OpenDatabase]:
    (folder / f"{name}.db").touch()
    database = open_database(name, DatabaseEntry(url=f"sqlite:///{name}.db"), "", base=folder)
    yield database
    database.close()


@pytest.fixture
def context(legacy: OpenDatabase, crm: OpenDatabase) -> FakeContext:
    return FakeContext(run_id="r1", databases={"legacy": legacy, "crm": crm})


@pytest.fixture
def pages() -> Iterator[Pages]:
    answers: dict[str, tuple[int, Any]] = {}
    asked: list[Mapping[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(dict(self.headers))
            status, body = answers.get(self.path, (404, "nothing here"))
            content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's word
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield Pages(f"http://127.0.0.1:{server.server_port}", answers, asked)
    server.shutdown()
    thread.join()
    server.server_close()
