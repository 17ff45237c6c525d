"""What can go wrong in the sandbox, for real: nothing in the engine knows of it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import sqlalchemy

from changeover.errors import Mistake
from changeover.sandbox import loading, new_crm
from changeover.sandbox.services.company import CHAT_DOWN, STUCK_DOOR
from changeover.sandbox.state import State

#: Seconds that the slow host takes before each command.
SLOW_BY: Final = 3

_LEFT_OVER: Final = "releases/5.0.0"


class Fault(StrEnum):
    """A night that goes wrong in one way."""

    DEPLOY = "deploy"
    MIGRATION = "migration"
    SMOKE = "smoke"
    CHANNEL = "channel"
    SLOW_HOST = "slow-host"
    CHAT = "chat"

    @property
    def story(self) -> str:
        """What happens, in words."""
        return _TITLES[self]


_TITLES: Final = {
    Fault.DEPLOY: "the deployment fails on app-2, one host of three: the run rolls back",
    Fault.MIGRATION: "the target's disk is full half-way: the copy dies, is tried again, and goes on from there",
    Fault.SMOKE: "the smoke test cannot see the customers that moved: the run rolls back",
    Fault.CHANNEL: "the web shop does not reopen until its load balancer is mended",
    Fault.SLOW_HOST: f"app-3 takes {SLOW_BY} s longer for everything: the run is late, and succeeds",
    Fault.CHAT: "the chat is down: nobody is told, and the run does not care",
}


@dataclass(eq=False)
class NeedsPostgresql(Mistake):
    """This fault lives in the target database, and SQLite has no such."""

    fault: Fault

    def __str__(self) -> str:
        return f"fault {self.fault} needs PostgreSQL as the new CRM, and there is none here"

    @property
    def hint(self) -> str:
        return "install postgresql (or the extra `changeover[sandbox]`), or choose another fault"


def slow_file(folder: Path, host: str) -> Path:
    """While this file exists, *host* is slow."""
    return folder / "faults" / f"slow-{host}"


def cause(fault: Fault, state: State) -> None:
    """Let it go wrong from now on."""
    (state.folder / "faults").mkdir(exist_ok=True)
    match fault:
        case Fault.DEPLOY:
            # An earlier try left a file where the release's folder should go.
            (Path(state.homes["app-2"]) / _LEFT_OVER).write_text("scp: connection lost\n", encoding="utf-8")
        case Fault.MIGRATION:
            if not state.databases["crm"].startswith("postgresql"):
                raise NeedsPostgresql(fault)
            middle = _middle_service(state)
            _on(state, lambda engine: _full_once(engine, middle))
        case Fault.SMOKE:
            _on(state, new_crm.forget_fixed_lines)
        case Fault.CHANNEL:
            (state.folder / STUCK_DOOR).touch()
            _behind_the_balancer(state, "maint")
        case Fault.SLOW_HOST:
            slow_file(state.folder, "app-3").write_text(f"{SLOW_BY}\n", encoding="utf-8")
        case Fault.CHAT:
            (state.folder / CHAT_DOWN).touch()


def mend(fault: Fault, state: State) -> None:
    """Do what the engineer on call would do."""
    match fault:
        case Fault.DEPLOY:
            left_over = Path(state.homes["app-2"]) / _LEFT_OVER
            if left_over.is_file():
                left_over.unlink()
        case Fault.MIGRATION:
            _on(state, _full_no_more)
        case Fault.SMOKE:
            _on(state, new_crm.remember_fixed_lines)
        case Fault.CHANNEL:
            (state.folder / STUCK_DOOR).unlink(missing_ok=True)
            _behind_the_balancer(state, "ready")
        case Fault.SLOW_HOST:
            slow_file(state.folder, "app-3").unlink(missing_ok=True)
        case Fault.CHAT:
            (state.folder / CHAT_DOWN).unlink(missing_ok=True)


def _behind_the_balancer(state: State, word: str) -> None:
    """Where the web shop stands behind haproxy: somebody took its server out, or put it back."""
    runtime = state.folder / "haproxy" / "runtime.sock"
    if not runtime.exists():
        return
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(5)
        line.connect(str(runtime.resolve()))
        line.sendall(f"set server web-shop/app state {word}\n".encode())
        line.shutdown(socket.SHUT_WR)
        line.recv(1024)


def _full_once(engine: sqlalchemy.Engine, service: int) -> None:
    """There is no room for this service, once: a sequence forgets nothing in a rollback."""
    loading.run_statements(
        engine,
        (
            "create sequence full_disks",
            """create function fill_the_disk() returns trigger language plpgsql as $$
            begin
                if nextval('full_disks') = 1 then
                    raise exception 'could not extend file: No space left on device' using errcode = 'disk_full';
                end if;
                return new;
            end $$""",
            f"""create trigger full_disk before insert on services for each row when (new.id = {service})
            execute function fill_the_disk()""",
        ),
    )


def _full_no_more(engine: sqlalchemy.Engine) -> None:
    loading.run_statements(
        engine,
        (
            "drop trigger if exists full_disk on services",
            "drop function if exists fill_the_disk()",
            "drop sequence if exists full_disks",
        ),
    )


def _middle_service(state: State) -> int:
    """The service in the middle of those that will move."""
    moving = """select s.id from services s join customers c on c.id = s.customer_id where c.status <> 'test' order by s.id"""
    engine = sqlalchemy.create_engine(state.databases["legacy-crm"])
    try:
        with engine.connect() as connection:
            numbers = connection.execute(sqlalchemy.text(moving)).scalars().all()
    finally:
        engine.dispose()
    return int(numbers[len(numbers) // 2])


def _on(state: State, action: Callable[[sqlalchemy.Engine], None]) -> None:
    engine = sqlalchemy.create_engine(state.databases["crm"])
    try:
        action(engine)
    finally:
        engine.dispose()
