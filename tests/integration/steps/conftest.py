"""Step kinds bound from YAML, in a context whose databases, hosts and services are real."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import changeover.steps  # noqa: F401 - registers the kinds
from changeover.contracts import StepKind, Value, registered_kinds
from changeover.engine.clock import SystemClock
from changeover.remote.hosts import Hosts
from changeover.runbook.references import ValueMissing
from changeover.runbook.systems import HostEntry, Systems
from changeover.runbook.values import materialise
from changeover.runbook.yaml_text import parse
from changeover.sandbox.servers import ssh
from changeover.testing import FakeContext


@dataclass(frozen=True, slots=True)
class GivenNames:
    values: Mapping[str, Value] = field(default_factory=dict)

    def lookup(self, path: tuple[str, ...]) -> Value:
        name = ".".join(path)
        if name not in self.values:
            raise ValueMissing(name)
        return self.values[name]


@pytest.fixture
def bound() -> Callable[..., Any]:
    """A step kind from its word and the YAML below it."""

    def bind(word: str, yaml: str, names: Mapping[str, Value] | None = None, **arguments: Value) -> StepKind:
        node, findings = parse(yaml, "runbook.yaml")
        assert not findings
        assert node is not None
        return materialise(registered_kinds()[word], node, arguments, GivenNames(names or {}))

    return bind


class SleepingContext(FakeContext):
    """Time really passes in it."""

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
        self.check_stopped()


@pytest.fixture
def context(tmp_path: Path) -> FakeContext:
    return SleepingContext(folder=tmp_path, clock=SystemClock())


@pytest.fixture(scope="session")
def housed_sshd(server_folder: Path, sshd: Any) -> Iterator[Any]:
    """A server with a home of its own, where hosts keep their jobs."""
    assert sshd, "skips, or fails, when there is none"
    home = server_folder / "steps-home"
    home.mkdir()
    server = ssh.start(server_folder / "steps-sshd", home=home)
    yield server
    ssh.stop(server.process, server.folder)


@pytest.fixture
def with_hosts(context: FakeContext, housed_sshd: Any) -> Iterator[FakeContext]:
    """A context with three hosts on one sshd, and one that is not there; every test is a run of its own."""
    context.run_id = f"run-{uuid.uuid4()}"
    sshd = housed_sshd
    good = HostEntry(sshd.address, sshd.port, sshd.user, str(sshd.key), str(sshd.known_hosts))
    gone = HostEntry("127.0.0.1", 1, sshd.user, str(sshd.key), str(sshd.known_hosts))
    systems = Systems(
        hosts={"app-1": good, "app-2": good, "app-3": good, "gone": gone}, groups={"apps": ("app-1", "app-2", "app-3")}
    )
    with Hosts(systems, base=context.folder, secret=context.secret) as hosts:
        context.host_names = {host.name: host for host in hosts.select(["apps", "gone"])}
        yield context


@dataclass
class Service:
    """A real HTTP service whose answers the test writes; it remembers what it was asked."""

    url: str = ""
    answers: dict[tuple[str, str], Callable[[BaseHTTPRequestHandler, bytes], None]] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    def answer(self, method: str, path: str, status: int, body: Any = b"", headers: Mapping[str, str] | None = None) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        told = {"Content-Type": "text/plain" if isinstance(body, bytes) else "application/json", **(headers or {})}

        def send(handler: BaseHTTPRequestHandler, _content: bytes) -> None:
            handler.send_response(status)
            for name, value in told.items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content)

        self.answers[method, path] = send


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            made.asked.append((self.command, self.path, dict(self.headers.items()), content))
            answer = made.answers.get((self.command, self.path))
            if answer is None:
                self.send_error(404)
            else:
                answer(self, content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        made.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield made
        server.shutdown()
