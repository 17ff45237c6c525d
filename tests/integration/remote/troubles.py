"""What may happen to the way to a host, to the host and to us while a command runs there."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from paramiko.common import cMSG_CHANNEL_CLOSE

from changeover.contracts import Completed
from changeover.remote.detached import Detached
from changeover.remote.errors import HostSetback
from changeover.remote.job import JobName, Order
from changeover.remote.login import Deadlines
from changeover.sandbox.servers import ssh
from tests.integration.remote.conftest import Housed
from tests.integration.remote.proxy import Conversation, proxied

#: A host that stands still is noticed within a second or two.
QUICK: Final = Deadlines(connect=2, key_exchange=3, authenticate=3, channel=3, transfer=5, silence=0.5, sign_of_life=1, ending=1)


def ignore(_piece: str) -> None:
    pass


def moments(folder: Path) -> dict[str, Callable[[Conversation], bool]]:
    """When a connection is cut, by what the host has on its disk and by what has passed."""
    after: list[int] = []

    def once_more(conversation: Conversation) -> bool:
        if not (folder / "result").exists():
            return False
        after.append(conversation.down)
        return conversation.down > after[0]

    return {
        "connect": lambda _one: True,
        "greeting": lambda one: one.down > 0,
        "key exchange": lambda one: one.down > 500,
        "auth": lambda one: one.down > 1800,
        "exec": lambda one: one.up > 6000,
        "claim": lambda _one: (folder / "claim").exists(),
        "mid-output": lambda _one: (folder / "out").exists() and (folder / "out").stat().st_size > 0,
        "before the result": lambda _one: (folder / "result").exists(),
        "after it": once_more,
    }


@dataclass
class Trial:
    """One command on one host, and what counts it."""

    housed: Housed
    slot: str
    word: str
    chance: random.Random
    folder: Path  # for whatever the trouble needs

    @property
    def name(self) -> JobName:
        return JobName(self.slot, 1)

    @property
    def order(self) -> Order:
        return Order(f"echo {self.word} >> ledger; echo early; sleep 0.4; echo {self.word}")

    def ask(self, host: Any, hear: Callable[[str], None] = ignore) -> Completed:
        """Its result. What was never begun is asked for again: that is the promise of a setback."""
        trouble: object = None
        for _ in range(60):
            try:
                return Detached(host, self.name, self.order, hear).run()
            except HostSetback as error:
                assert self.housed.ledger(self.word) == 0, f"{self.word}: called not started, and it ran"
                trouble = error
                time.sleep(0.25)
        raise AssertionError(f"{self.word}: the host never answered again: {trouble}")


def cut(trial: Trial, moment: str, *, silently: bool) -> Completed:
    """The connection is cut, or nothing passes any more, at a moment of the conversation."""
    server = trial.housed.server
    when = moments(trial.housed.job(trial.name))[moment]
    with proxied(server.address, server.port, when, silently=silently) as proxy:
        completed = trial.ask(trial.housed.host(QUICK, port=proxy.port))
        assert proxy.happened == 1
    return completed


def cut_at_the_close(trial: Trial, *, silently: bool) -> Completed:
    """All has been said; the connection is cut when the channel is to be closed."""
    server, closing = trial.housed.server, threading.Event()
    with proxied(server.address, server.port, lambda _one: closing.is_set(), silently=silently) as proxy:
        host = trial.housed.host(QUICK, port=proxy.port)
        transport: Any = host._connected()  # noqa: SLF001 - its messages are what is listened to
        send = transport._send_user_message  # noqa: SLF001

        def listening(message: Any) -> None:
            if bytes(message.asbytes()[:1]) == cMSG_CHANNEL_CLOSE and not closing.is_set():
                closing.set()
                while not proxy.happened:
                    time.sleep(0.002)
            send(message)

        transport._send_user_message = listening  # noqa: SLF001
        completed = trial.ask(host)
        # on a machine that has no time for us, the connection that is listened to may be given up before that
        assert proxy.happened == 1 or not transport.is_active()
    return completed


def cut_at_random(trial: Trial) -> Completed:
    """The first conversation, or the first two, after any number of bytes."""
    server, way, limit = trial.housed.server, trial.chance.choice(["up", "down"]), trial.chance.randrange(12_000)

    def moment(one: Conversation) -> bool:
        passed: int = getattr(one, way)
        return passed > limit

    with proxied(server.address, server.port, moment, cuts=trial.chance.choice([1, 2])) as proxy:
        return trial.ask(trial.housed.host(QUICK, port=proxy.port))


def restarted_server(trial: Trial) -> Completed:
    """The SSH server and the session are killed, and it comes back a moment later."""
    server = ssh.start(trial.folder / "sshd", home=trial.housed.home)
    again: list[subprocess.Popen[bytes]] = []

    def restart(session: int) -> None:
        for pid in (server.process.pid, session):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while not again or again[-1].poll() is not None:  # the port is taken as long as the old one is not quite dead
            again.append(subprocess.Popen([ssh.find() or "", "-D", "-f", server.folder / "sshd_config"]))
            time.sleep(0.5)

    housed = Housed(server, trial.housed.home, trial.folder)
    try:
        host = housed.host(QUICK)
        timer = threading.Timer(trial.chance.uniform(0, 1), restart, (int(host.run("echo $PPID").stdout),))
        timer.start()
        completed = trial.ask(host)
        timer.join()
        return completed
    finally:
        for one in again:
            one.kill()
            one.wait()
        ssh.stop(server.process, server.folder)
        for hosts in housed.opened:
            hosts.close()


def killed_asker(trial: Trial) -> Completed:
    """Whoever has asked is killed with -9; somebody else asks."""
    server = trial.housed.server
    entry = {"address": server.address, "port": server.port, "user": server.user, "private_key": str(server.key)}
    entry["known_hosts"] = str(server.known_hosts)
    asked = trial.folder / "asked.json"
    asked.write_text(json.dumps({"entry": entry, "slot": trial.slot, "command": trial.order.command}))
    program = Path(__file__).with_name("asking_process.py")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen([sys.executable, program, asked], env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "asking\n"
        with suppress(subprocess.TimeoutExpired):
            process.wait(trial.chance.uniform(0, 1.5))
        process.kill()
    return trial.ask(trial.housed.host(QUICK))


def frozen_host(trial: Trial) -> Completed:
    """It takes what comes and answers nothing, and goes on after a while."""
    host = trial.housed.host(QUICK)
    session = int(host.run("echo $PPID").stdout)

    def tell(number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(session, number)

    begins, lasts = trial.chance.uniform(0, 0.5), trial.chance.uniform(2, 3)
    timers = [threading.Timer(begins, tell, (signal.SIGSTOP,)), threading.Timer(begins + lasts, tell, (signal.SIGCONT,))]
    for timer in timers:
        timer.start()
    try:
        return trial.ask(host)
    finally:
        for timer in timers:
            timer.join()


class Link:
    """A namespace with a real sshd behind a link that can be taken down. Needs root and `ip`."""

    def __init__(self, server: Any, folder: Path) -> None:
        self._name = f"co{os.getpid()}"
        self.address = "198.18.7.2"  # of a range that is for tests, and routed nowhere
        self._folder, self._server = folder, server
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def allowed() -> bool:
        """Whether this account may make one."""
        probe = ["ip", "netns", "add", f"probe{os.getpid()}"]
        with suppress(OSError):
            if os.geteuid() == 0 and subprocess.run(probe, check=False, capture_output=True).returncode == 0:
                _ip("netns", "del", probe[-1])
                return True
        return False

    def __enter__(self) -> Self:
        name, outer, inner = self._name, f"{self._name}o", f"{self._name}i"
        _ip("netns", "add", name)
        _ip("link", "add", outer, "type", "veth", "peer", "name", inner, "netns", name)
        _ip("address", "add", "198.18.7.1/30", "dev", outer)
        _ip("link", "set", outer, "up")
        for words in (
            ("address", "add", f"{self.address}/30", "dev", inner),
            ("link", "set", inner, "up"),
            ("link", "set", "lo", "up"),
        ):
            _ip("-n", name, *words)
        inside = ["ip", "netns", "exec", name, ssh.find() or "", "-D", "-e"]
        where = ["-o", f"ListenAddress={self.address}:{self._server.port}", "-f", self._server.folder / "sshd_config"]
        with (self._folder / "behind-the-link.log").open("wb") as log:
            self._process = subprocess.Popen([*inside, *where], stdout=log, stderr=log)
        return self

    @contextmanager
    def down(self, after: float, seconds: float) -> Iterator[None]:
        """Nothing passes for a while; one trial at a time."""

        def fall() -> None:
            time.sleep(after)
            _ip("link", "set", f"{self._name}o", "down")
            time.sleep(seconds)
            _ip("link", "set", f"{self._name}o", "up")

        with self._turn:
            falling = threading.Thread(target=fall)
            falling.start()
            try:
                yield
            finally:
                falling.join()

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        _ip("netns", "del", self._name)  # and both ends of the link with it


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def cut_off_host(trial: Trial, link: Link) -> Completed:
    """The link to it is down for a while, without anybody being told."""
    host = trial.housed.host(QUICK, address=link.address)
    with link.down(trial.chance.uniform(0, 0.8), trial.chance.uniform(1, 3)):
        return trial.ask(host)


def rebooted_host(trial: Trial) -> Completed:
    """Everything that runs for the job dies at once, its connection too, and the host has another boot id."""
    host = trial.housed.host(QUICK)
    session = int(host.run("echo $PPID").stdout)
    with ExitStack() as after:
        timer = threading.Timer(trial.chance.uniform(0, 0.8), _reboot, (trial, session))
        after.callback(timer.join)
        timer.start()
        return trial.ask(host)


def _reboot(trial: Trial, session: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(session, signal.SIGKILL)
    for _ in range(3):  # what was being started meanwhile dies too
        for pid in _of_the_job(trial.slot.encode()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    claim = trial.housed.job(trial.name) / "claim"
    if claim.exists():
        runner, start, boot, digest = claim.read_text().strip().split(".")
        claim.write_text(f"{runner}.{start}.{'0' * len(boot)}.{digest}\n")


def _of_the_job(slot: bytes) -> Iterator[int]:
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if slot in (folder / "cmdline").read_bytes() or slot in (folder / "environ").read_bytes():
                yield int(folder.name)
