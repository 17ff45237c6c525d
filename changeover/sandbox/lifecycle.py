"""Starting and stopping the sandbox: everything on 127.0.0.1, below one folder, and nothing left behind."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from changeover.errors import Mistake
from changeover.sandbox import databases, faults, hosts, leftovers, population, processes, state, values
from changeover.sandbox.databases import Built, Choice
from changeover.sandbox.faults import Fault
from changeover.sandbox.population import Population
from changeover.sandbox.processes import DidNotStart
from changeover.sandbox.servers import haproxy, place
from changeover.sandbox.state import Part, State

#: As many as a demonstration takes.
CUSTOMERS: Final = 20_000
FEWEST, MOST = 50, 1_000_000

#: The door that stands behind a load balancer where there is one, and the balancer.
DOOR: Final = "web-shop"
BALANCER: Final = "haproxy"

_COMPANY_WITHIN: Final = 30.0
_LOCK_WITHIN: Final = 60.0


@dataclass(eq=False)
class AlreadyRunning(Mistake):
    """There is a sandbox already, and it is another one than was asked for."""

    customers: int
    fault: str

    def __str__(self) -> str:
        fault = f" and the fault {self.fault!r}" if self.fault else ""
        return f"a sandbox with {self.customers:,} customers{fault} is running here already"

    @property
    def hint(self) -> str:
        return "stop it first: `changeover sandbox stop`"


@dataclass(eq=False)
class NotRunning(Mistake):
    """There is no sandbox to ask."""

    def __str__(self) -> str:
        return "no sandbox is running here"

    @property
    def hint(self) -> str:
        return "start one: `changeover sandbox start`"


@dataclass(eq=False)
class Busy(Mistake):
    """Another process is starting or stopping the sandbox of this project."""

    def __str__(self) -> str:
        return f"another process has been starting or stopping the sandbox for more than {_LOCK_WITHIN:g} s"

    @property
    def hint(self) -> str:
        return "wait for it, or end it and type `changeover sandbox stop`"


def start(
    folder: Path,
    *,
    customers: int = CUSTOMERS,
    fault: Fault | None = None,
    choice: Choice | None = None,
    say: Callable[[str], None],
) -> State:
    """Start a sandbox in *folder* and return what it is. One that runs as asked is left alone.

    Raises AlreadyRunning (another one), DidNotStart, Busy; after any error nothing is left behind.
    """
    with _lock(folder):
        known = state.read(folder)
        if known is not None and known.running:
            if (known.customers, known.fault) == (customers, fault or ""):
                return known
            raise AlreadyRunning(known.customers, known.fault)
        _stop(folder)
        folder.mkdir(mode=0o700, parents=True)
        try:
            return _start(State(folder.resolve(), customers, fault or ""), choice or Choice(), say)
        except BaseException as error:
            if isinstance(error, DidNotStart):
                error.log = _kept(error.log, folder.parent / "sandbox-failed.log")
            _stop(folder)
            raise


def stop(folder: Path) -> bool:
    """Stop whatever runs below *folder* and remove it. False when there was nothing."""
    with _lock(folder):
        return _stop(folder)


def running(folder: Path) -> State:
    """The sandbox that runs below *folder*. Raises NotRunning."""
    known = state.read(folder)
    if known is None or not known.running:
        raise NotRunning
    return known


def _start(begun: State, choice: Choice, say: Callable[[str], None]) -> State:
    state.write(begun)
    folder = begun.folder
    for name in ("faults", "secrets"):
        (folder / name).mkdir(mode=0o700)
    with ThreadPoolExecutor(max_workers=3) as pool:
        fixed = pool.submit(population.fixed_line, begun.customers)
        legacy = pool.submit(_legacy, folder, fixed, choice)
        new = pool.submit(_new, folder, begun.customers, choice)
        homes = hosts.lay_out(folder)
        slow = {name: faults.slow_file(folder, name) for name in hosts.HOSTS}
        reached = hosts.start(folder, homes, slow=slow, installed=choice.installed)
        built = (legacy.result(), new.result())
    for database in built:
        say(f"{database.part.name}: {database.part}")
    say(f"hosts: {', '.join(homes)} by {Part('hosts', reached.by)}")
    begun = replace(
        begun,
        parts=(*(database.part for database in built), Part("hosts", reached.by)),
        processes=(*(database.process for database in built if database.process is not None), *reached.processes),
        databases={database.part.name: database.url for database in built},
        homes={name: str(home) for name, home in homes.items()},
    )
    state.write(begun)
    begun = _open_company(begun, fixed.result())
    begun = _open_door(begun, installed=choice.installed)
    say(f"{DOOR}: {begun.part(DOOR)}")
    if begun.fault:
        faults.cause(Fault(begun.fault), begun)
    values.write(begun, reached)
    begun = replace(begun, ready=True)
    state.write(begun)
    say(f"services: {', '.join(begun.addresses)}")
    return begun


def _kept(log: Path, kept: Path) -> Path:
    """What a server said last, where it is still there when its folder is gone."""
    try:
        shutil.copyfile(log, kept)
    except OSError:
        return log
    return kept


def _legacy(folder: Path, people: Future[Population], choice: Choice) -> Built:
    return databases.build_legacy(folder, people.result, password=_password(folder, "legacy-crm"), choice=choice)


def _new(folder: Path, customers: int, choice: Choice) -> Built:
    people = lambda: databases.mobile_people(customers)  # noqa: E731 - made while the server starts
    return databases.build_new(folder, people, password=_password(folder, "crm"), choice=choice)


def _password(folder: Path, name: str) -> str:
    password = secrets.token_urlsafe(18)
    place.write_private(folder / "secrets" / name, password, None)
    return password


def _open_company(begun: State, people: Population) -> State:
    """Start the services; their addresses come in a file once they listen."""
    folder = begun.folder
    (folder / "cloud-crm.json").write_text(json.dumps(population.in_the_cloud(people)), encoding="utf-8")
    place.write_private(
        folder / "company.json", json.dumps({"databases": dict(begun.databases), "homes": dict(begun.homes)}), None
    )
    log, addresses = folder / "company.log", folder / "addresses.json"
    process = processes.spawn(
        "company",
        [sys.executable, "-m", "changeover.sandbox.services.company", folder],
        log=log,
        folder=folder,
        environment={**os.environ, hosts.COOKIE: str(folder)},
    )
    begun = replace(begun, processes=(*begun.processes, process))
    state.write(begun)
    processes.wait_until_ready(process, addresses.exists, seconds=_COMPANY_WITHIN, log=log)
    return replace(begun, addresses=json.loads(addresses.read_text(encoding="utf-8")))


def _open_door(begun: State, *, installed: bool) -> State:
    """Put the web shop behind haproxy where there is one; else it keeps the door of its own."""
    if not installed or haproxy.find() is None:
        why = "haproxy is not installed" if installed else ""
        return replace(begun, parts=(*begun.parts, Part(DOOR, "front-end", why=why)))
    server = haproxy.start(begun.folder / BALANCER, {DOOR: begun.addresses[DOOR]})
    begun = replace(
        begun,
        parts=(*begun.parts, Part(DOOR, BALANCER, haproxy.version())),
        processes=(*begun.processes, server.process),
        addresses={**begun.addresses, **server.doors},
    )
    state.write(begun)
    return begun


def _stop(folder: Path) -> bool:
    """Services first, then hosts, then databases; then whatever else is found of it; then the folder."""
    if not folder.exists():
        return False
    known = state.read(folder)
    for process in reversed(known.processes if known is not None else ()):
        processes.end(process, first=leftovers.polite_signal(process.name), seconds=15.0)
    leftovers.end_all(folder.resolve())
    for name in ("mariadb", "postgresql", BALANCER):
        place.remove(folder / name)
    shutil.rmtree(folder)
    return True


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """One process at a time starts or stops the sandbox of a project."""
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    deadline = time.monotonic() + _LOCK_WITHIN
    number = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY)  # the folder itself: no lock file stays behind
    try:
        while True:
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Busy from None
                time.sleep(processes.LOOK_EVERY)
        yield
    finally:
        os.close(number)
