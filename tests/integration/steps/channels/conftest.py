"""Real servers in front of a shop, started as ordinary configurations in folders of their own on 127.0.0.1."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from changeover.runbook.channels import ChannelEntry
from changeover.sandbox import processes
from changeover.sandbox.processes import ProcessRecord
from changeover.sandbox.servers import haproxy
from changeover.sandbox.servers.haproxy import HaproxyServer
from changeover.testing import FakeContext
from tests.conftest import not_installed
from tests.customers import Customers, customers

PAGE = b"the shop"
SAYS = 'Back at 21:00; the CRM\'s "new" one'
_NUMBERS = itertools.count(1)


@dataclass
class Shop:
    """A shop that knows how many customers it is serving. ``/slow`` takes as long as the test says."""

    url: str = ""
    under_way: int = 0
    slow: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)


@pytest.fixture
def shop() -> Iterator[Shop]:
    made = Shop()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == "/under-way":
                self._send(json.dumps({"in_flight": made.under_way}).encode(), "application/json")
                return
            with made.lock:
                made.under_way += 1
            if self.path == "/slow":
                made.slow.wait(20)
            self._send(PAGE, "text/html")
            with made.lock:
                made.under_way -= 1

        def _send(self, content: bytes, sort: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", sort)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A balancer hangs up when it has seen enough; what customers see is judged by them."""

    with Server(("127.0.0.1", 0), Handler) as server:
        made.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield made
        made.slow.set()
        server.shutdown()


@pytest.fixture
def load() -> Callable[..., AbstractContextManager[Customers]]:
    """Eight customers of a door."""

    def come(url: str, says: str = "Back at 21:00") -> AbstractContextManager[Customers]:
        return customers(url, page=PAGE, maintenance=says.encode())

    return come


@pytest.fixture
def toggles() -> int:
    """How often a channel is closed and opened under load."""
    return int(os.environ.get("CHANGEOVER_TOGGLES", "4"))


def tell(what: str, toggles: int, asked: int, failed: int) -> None:
    """One line for `make bench-remote`."""
    print(json.dumps({"what": what, "closed_and_opened": toggles, "asked": asked, "failed": failed}))  # noqa: T201


@pytest.fixture
def balancer(server_folder: Path, shop: Shop) -> Iterator[HaproxyServer]:
    """A haproxy in front of the shop."""
    if haproxy.find() is None:
        not_installed("haproxy")
    server = haproxy.start(server_folder / f"haproxy-{next(_NUMBERS)}", {"web-shop": shop.url})
    yield server
    haproxy.stop(server.process, server.folder)


@pytest.fixture
def behind_haproxy(context: FakeContext, balancer: HaproxyServer) -> ChannelEntry:
    """The web shop as the systems file describes it."""
    entry = ChannelEntry(
        "haproxy",
        probe=f"{balancer.doors['web-shop']}/",
        socket=str(balancer.socket),
        map=str(balancer.map),
        says_map=str(balancer.says_map),
        backend="web-shop",
    )
    context.systems = {"channels": {"web-shop": entry}}
    return entry


@dataclass
class Nginx:
    url: str
    flag: Path


@pytest.fixture
def nginx(server_folder: Path, shop: Shop) -> Iterator[Nginx]:
    """An nginx in front of the shop that looks for a flag at every request."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    if program is None:
        not_installed("nginx")
    folder = server_folder / f"nginx-{next(_NUMBERS)}"
    folder.mkdir()
    folder.chmod(0o755)
    port = processes.free_port()
    flag = folder / "web-shop.closed"
    temporary = "".join(f" {sort}_temp_path {folder}/{sort};" for sort in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    user = "user root;" if os.geteuid() == 0 else ""  # it reads the flag as we do
    (folder / "nginx.conf").write_text(
        f"""daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1; {user}
events {{ worker_connections 1024; }}
http {{ access_log off;{temporary}
  server {{ listen 127.0.0.1:{port};
    error_page 503 @maintenance;
    location @maintenance {{ default_type text/html; add_header Retry-After 600 always; add_header Cache-Control no-store always;
      return 503 "<h1>Back at 21:00</h1>"; }}
    location / {{ if (-f {flag}) {{ return 503; }} proxy_pass {shop.url}; proxy_read_timeout 30s; }}
    location = /status {{ stub_status; }} }} }}
""",
        encoding="utf-8",
    )
    log = folder / "out.log"
    process = processes.spawn("nginx", [program, "-c", folder / "nginx.conf", "-e", folder / "error.log"], log=log, folder=folder)
    processes.wait_until_ready(process, lambda: listens(port), seconds=15, log=log)
    yield Nginx(f"http://127.0.0.1:{port}", flag)
    processes.end(process, seconds=5)


def listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


@dataclass
class CallCentre:
    """A kamailio in front of agents who answer every call."""

    port: int
    agents: int
    folder: Path
    socket: Path
    file: Path
    processes: list[ProcessRecord] = field(default_factory=list)
    begun: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        log = self.folder / "kamailio.log"
        words = f"/usr/sbin/kamailio -DD -E -f {self.folder}/kamailio.cfg -P {self.folder}/pid -Y {self.folder} -m 32 -M 4"
        process = processes.spawn("kamailio", words.split(), log=log, folder=self.folder)
        processes.wait_until_ready(process, self._answers, seconds=20, log=log)
        self.processes.append(process)

    def restart(self) -> None:
        processes.end(self.processes.pop(), seconds=10)
        self.start()

    def _answers(self) -> bool:
        if not self.socket.exists():
            return False
        ended = subprocess.run(
            ["kamcmd", "-s", f"unix:{self.socket}", "core.uptime"], capture_output=True, timeout=5, check=False
        )
        return ended.returncode == 0

    def calls(self, scenario: Path, number: int, *, rate: int = 25, options: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        """Begin so many calls; the exit status is 0 when each of them went as the scenario says."""
        words = ["sipp", f"127.0.0.1:{self.port}", "-sf", str(scenario), "-i", "127.0.0.1", "-m", str(number), "-r", str(rate)]
        log = (self.folder / f"calls-{next(_NUMBERS)}.log").open("wb")
        environment = {**os.environ, "TERM": "dumb"}
        with log:
            begun = subprocess.Popen(
                [*words, *options, "-nostdin", "-timeout", "60s", "-timeout_error", "-deadcall_wait", "0"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=environment,
            )
        self.begun.append(begun)
        return begun


_AGENTS = """<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="agents who answer every call">
  <recv request="INVITE"/>
  <send retrans="500"><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:];tag=[pid]a[call_number]
[last_Call-ID:]
[last_CSeq:]
[last_Record-Route:]
Contact: <sip:[local_ip]:[local_port]>
Content-Length: 0

]]></send>
  <recv request="ACK"/>
  <recv request="BYE"/>
  <send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
</scenario>
"""
_KAMAILIO = """#!KAMAILIO
debug=1
log_stderror=yes
children=2
listen=udp:127.0.0.1:{port}
auto_aliases=no
{modules}
modparam("ctl", "binrpc", "unix:{folder}/control.sock")
modparam("htable", "htable", "channels=>size=4;")
modparam("dialog", "dlg_flag", 4)
event_route[htable:mod-init] {{
  $sht(channels=>call-centre) = 100;
include_file "{folder}/channels.cfg"
}}
request_route {{
  if (is_method("INVITE|OPTIONS") && !has_totag() && $RANDOM mod 100 >= $sht(channels=>call-centre)) {{
    append_to_reply("Retry-After: 600\\r\\n");
    sl_send_reply("503", "Closed for the night");
    exit;
  }}
  if (is_method("OPTIONS")) {{ sl_send_reply("200", "OK"); exit; }}
  if (has_totag()) {{ loose_route(); t_relay(); exit; }}
  if (is_method("INVITE")) {{ dlg_manage(); record_route(); }}
  $du = "sip:127.0.0.1:{agents}";
  t_relay();
}}
"""


@pytest.fixture
def call_centre(server_folder: Path) -> Iterator[CallCentre]:
    if not Path("/usr/sbin/kamailio").exists() or shutil.which("sipp") is None:
        not_installed("kamailio or sip-tester")
    folder = server_folder / f"kamailio-{next(_NUMBERS)}"
    folder.mkdir()
    port, agents = _free_udp_port(), _free_udp_port()
    (folder / "channels.cfg").write_text("", encoding="utf-8")
    names = ("tm", "sl", "rr", "pv", "textops", "siputils", "htable", "cfgutils", "dialog", "ctl", "maxfwd")
    modules = "".join(f'loadmodule "{name}.so"\n' for name in names)
    text = _KAMAILIO.format(port=port, folder=folder, agents=agents, modules=modules)
    (folder / "kamailio.cfg").write_text(text, encoding="utf-8")
    made = CallCentre(port, agents, folder, folder / "control.sock", folder / "channels.cfg")
    log = folder / "agents.log"
    (folder / "agents.xml").write_text(_AGENTS, encoding="utf-8")
    words = ["sipp", "-sf", "agents.xml", "-i", "127.0.0.1", "-p", str(agents), "-nostdin"]
    desk = processes.spawn("agents", words, log=log, folder=folder, environment={**os.environ, "TERM": "dumb"})
    try:
        made.start()
        yield made
    finally:
        for calls in made.begun:
            calls.kill()
            calls.wait()
        for process in (*made.processes, desk):
            processes.end(process, seconds=5)


def _free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def soon() -> Callable[[Callable[[], Any]], None]:
    """Waits until something is so."""

    def wait(so: Callable[[], Any]) -> None:
        until = time.monotonic() + 20
        while not so():
            assert time.monotonic() < until, "it did not become so"
            time.sleep(0.02)

    return wait
