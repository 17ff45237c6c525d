"""A real Prefect server on a free port of 127.0.0.1, with everything it writes in a folder of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

#: Nobody is told about our tests, and nothing starts a server that we did not ask for.
_QUIET: Final = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_UI_ENABLED": "false",
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
}
#: Seconds that a server may take to start on a busy machine.
_STARTS_WITHIN: Final = 120.0


@dataclass
class PrefectServer:
    url: str  # of its API
    home: Path
    process: subprocess.Popen[bytes]

    @property
    def environment(self) -> dict[str, str]:
        """For a process that is to use this server."""
        return {**os.environ, **_QUIET, "PREFECT_API_URL": self.url, "PREFECT_HOME": str(self.home)}

    def ask(self, path: str, **body: Any) -> Any:
        answer = httpx.post(f"{self.url}{path}", json=body, timeout=20)
        answer.raise_for_status()
        return answer.json()

    def flow_runs(self, tag: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("/flow_runs/filter", flow_runs={"tags": {"all_": [tag]}})
        return found

    def task_runs(self, tag: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("/task_runs/filter", task_runs={"tags": {"all_": [tag]}})
        return found

    def freeze(self) -> None:
        """Let it take connections and answer nothing, as a server does that is far too slow."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.killpg(self.process.pid, signal.SIGCONT)

    def start_again(self) -> None:
        """At the same address, with what it had written."""
        self.process = _start(self.home, int(self.url.split(":")[2].split("/")[0])).process

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(timeout=10)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
        return port


def _start(home: Path, at: int | None = None) -> PrefectServer:
    port = at or _free_port()
    home.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, **_QUIET, "PREFECT_HOME": str(home)}
    environment.pop("PREFECT_API_URL", None)
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    server = PrefectServer(f"http://127.0.0.1:{port}/api", home, process)
    until = time.monotonic() + _STARTS_WITHIN
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(f"{server.url}/health", timeout=2).status_code == httpx.codes.OK:
                return server
        except httpx.HTTPError:
            time.sleep(0.2)
    server.kill()
    raise AssertionError((home / "server.log").read_text(encoding="utf-8")[-3000:])


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A server that all tests may use."""
    server = _start(tmp_path_factory.mktemp("prefect"))
    yield server
    server.kill()


@pytest.fixture
def mortal_server(tmp_path: Path) -> Iterator[PrefectServer]:
    """A server of its own, for a test that kills it."""
    server = _start(tmp_path / "prefect")
    yield server
    server.kill()
