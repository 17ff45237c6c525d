"""What the sandbox is like at a moment: every table, host, channel and suspension. Equal fingerprints: as before."""

from __future__ import annotations

import hashlib
import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import sqlalchemy

from changeover.sandbox import hosts
from changeover.sandbox.services.company import FRONT_ENDS
from changeover.sandbox.state import State

#: Tables in which the migration itself keeps its books are no part of the company.
BOOKS: Final = "changeover_"

_ASK_WITHIN: Final = 10.0


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that can be compared."""

    sort: str  # table, host, channel, suspension, cloud
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it was."""

    sort: str
    name: str
    before: str
    after: str


def take(state: State) -> tuple[Fact, ...]:
    """The fingerprint of a running sandbox, in an order that never changes."""
    return (*_tables(state), *_hosts(state), *_channels(state), *_suspensions(state), *_cloud(state))


def differences(before: tuple[Fact, ...], after: tuple[Fact, ...]) -> tuple[Difference, ...]:
    """What differs, in the order of the first."""
    old = {(fact.sort, fact.name): fact.value for fact in before}
    new = {(fact.sort, fact.name): fact.value for fact in after}
    return tuple(
        Difference(sort, name, old.get((sort, name), "was not there"), new.get((sort, name), "is gone"))
        for sort, name in dict.fromkeys((*old, *new))
        if old.get((sort, name)) != new.get((sort, name))
    )


def _tables(state: State) -> Iterator[Fact]:
    for database, url in sorted(state.databases.items()):
        engine = sqlalchemy.create_engine(url)
        try:
            with engine.connect() as connection:
                for table in sorted(sqlalchemy.inspect(connection).get_table_names()):
                    if not table.startswith(BOOKS):
                        rows, checksum = _checksum(connection, table)
                        yield Fact("table", f"{database}.{table}", f"{rows} rows, {checksum}")
        finally:
            engine.dispose()


def _checksum(connection: sqlalchemy.Connection, table: str) -> tuple[int, str]:
    """Number of rows and a checksum of all their columns that no order of rows changes."""
    quoted = connection.dialect.identifier_preparer.quote(table)
    rows = int(connection.exec_driver_sql(f"select count(*) from {quoted}").scalar_one())  # noqa: S608 - reflected and quoted
    if connection.dialect.name == "postgresql":
        parts = "sum(('x' || substr(md5(t::text), 1, 15))::bit(60)::bigint)"
        found = connection.exec_driver_sql(f"select coalesce({parts}, 0) from {quoted} t").scalar_one()  # noqa: S608
        return rows, _short(str(found))
    if connection.dialect.name in {"mysql", "mariadb"}:
        return rows, _short(str(connection.exec_driver_sql(f"checksum table {quoted} extended").one()[1]))
    total = 0
    for row in connection.exec_driver_sql(f"select * from {quoted}"):  # noqa: S608
        total += int.from_bytes(hashlib.md5(repr(tuple(row)).encode(), usedforsecurity=False).digest()[:8])
    return rows, _short(str(total))


def _hosts(state: State) -> Iterator[Fact]:
    for name, home in state.homes.items():
        found = hosts.fingerprint(Path(home))
        yield Fact("host", f"{name} release", found["release"])
        yield Fact("host", f"{name} files", found["files"])


def _channels(state: State) -> Iterator[Fact]:
    for name, _, _ in FRONT_ENDS:
        own = _ask(f"{state.addresses[f'{name}-staff']}/door")["state"]
        balancer = state.folder / "haproxy" / "channels.map"
        lines = balancer.read_text(encoding="utf-8").splitlines() if balancer.exists() else []
        yield Fact("channel", name, ", ".join([own, *(line for line in lines if line.startswith(f"{name} "))]))


def _suspensions(state: State) -> Iterator[Fact]:
    silences = _ask(f"{state.addresses['alerts']}/silences")["silences"]
    yield Fact("suspension", "silenced alerts", str(len(silences)))
    for job in _ask(f"{state.addresses['jobs']}/jobs")["jobs"]:
        yield Fact("suspension", f"job {job['name']}", job["state"])


def _cloud(state: State) -> Iterator[Fact]:
    segments = _ask(f"{state.addresses['cloud-crm']}/segments")["segments"]
    yield Fact("cloud", "segments", _short(json.dumps(segments, sort_keys=True)) if segments else "none")


def _ask(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=_ASK_WITHIN) as answer:  # noqa: S310 - our own service on loopback
        content = json.load(answer)
    return content if isinstance(content, dict) else {}


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
