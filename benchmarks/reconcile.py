"""How long it takes to verify every column of every row, beside the load, and to find 8 planted differences, beside reladiff.

One JSON line a figure; servers are started here. `python benchmarks/reconcile.py [ROWS]`: 18 columns, MariaDB to PostgreSQL.
"""  # noqa: INP001 - a script

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from changeover.engine.clock import SystemClock
from changeover.runbook.systems import DatabaseEntry
from changeover.sandbox.servers import mariadb, postgresql
from changeover.testing import FakeContext
from changeover.transfer.copying import Migration
from changeover.transfer.databases import OpenDatabase, open_database
from changeover.transfer.mapping import Mapped, TableMapping
from changeover.transfer.reconcile.between_chunks import CheapLook
from changeover.transfer.reconcile.drilling import compare
from changeover.transfer.reconcile.pairs import Pair, pair_of
from changeover.transfer.reconcile.words import TablePair

#: The first argument; left out: a million.
ROWS: Final = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
REPEAT: Final = 3

COLUMNS: Final = """id bigint not null primary key, external_ref varchar(20) not null, kind char(1) not null,
    first_name varchar(60), last_name varchar(60) not null, company varchar(120), email varchar(120), phone varchar(24),
    birth_date date, street varchar(120), city varchar(60), postcode varchar(10), credit_limit decimal(12,2) not null,
    is_vip smallint not null, status varchar(16) not null, notes text, created_at {moment}(6) not null,
    updated_at {moment}(6) not null"""
#: Made by the server itself, from its sequence engine.
FILL: Final = """insert into customers select seq, concat('MT', lpad(seq * 7919 % 10000000, 10, '0')), if(seq % 10, 'P', 'B'),
    elt(1 + seq % 5, 'László', 'Zsófia', null, 'Őrs', 'Tűnde'), concat(elt(1 + seq % 4, 'Nagy', 'Kovács', 'Tóth', 'Űrhegyi'),
    if(seq % 3, '', '-Kőszegi')), if(seq % 10, null, concat('Vállalkozás ', seq, ' Kft.')),
    if(seq % 5, concat('user', seq, '@example', seq % 50, '.hu'), null), concat('+36 20 ', lpad(seq * 31 % 10000000, 7, '0')),
    if(seq % 10, date_add('1940-01-01', interval (seq * 17 % 25000) day), null), concat('Fő utca ', seq % 300, '. ', seq % 9),
    elt(1 + seq % 3, 'Budapest', 'Győr', 'Székesfehérvár'), lpad(1000 + seq % 8999, 4, '0'), seq * 37 % 1000000 / 100,
    seq % 50 = 0, elt(1 + seq % 5, 'active', 'active', 'active', 'suspended', 'closed'),
    if(seq % 4, null, concat('Megjegyzés: ügyfél hívott\\n', repeat('x', seq % 120))),
    date_add('2005-01-01', interval (seq * 6007 % 600000000) second),
    date_add('2025-01-01', interval (seq * 3001 % 30000000) second)
    from seq_1_to_{rows}"""
PLANTED: Final = (
    "phone = 'x'",
    "first_name = case when first_name is null then 'x' end",
    "credit_limit = credit_limit + 1",
    "notes = 'z'",
    "email = 'other'",
    "updated_at = updated_at + interval '1 microsecond'",
    "postcode = '0'",
    "status = 'none'",
)


#: Columns that reladiff can compare: others hold NULLs, at which it fails. So many of the planted differences are in them.
WITHOUT_NULL: Final = (
    *("external_ref", "kind", "last_name", "street", "city", "postcode", "credit_limit", "is_vip", "status", "phone"),
)
SEEN_WITHOUT_NULL: Final = 4


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory(prefix="changeover-bench-") as folder:
        old = mariadb.start(Path(folder) / "mariadb", password="bench", fsync=True)  # noqa: S106 - of this run alone
        new = postgresql.start(Path(folder) / "postgresql", password="bench", fsync=True)  # noqa: S106
        try:
            legacy = opened("legacy", mariadb.create_database(old, "bench"))
            crm = opened("crm", postgresql.create_database(new, "bench"))
            measure(legacy, crm)
            legacy.close()
            crm.close()
        finally:
            mariadb.stop(old.process, old.folder)
            postgresql.stop(new.process, new.folder)


def measure(legacy: OpenDatabase, crm: OpenDatabase) -> None:
    """Load, verify, plant, find."""
    legacy.execute(f"create table customers ({COLUMNS.format(moment='datetime')}) character set utf8mb4")
    with legacy.engine.begin() as connection:
        connection.exec_driver_sql(FILL.format(rows=ROWS).replace("%", "%%"))
    loads = [load(legacy, crm, number, look=False) for number in range(REPEAT)]
    watched = [load(legacy, crm, 100 + number, look=True) for number in range(REPEAT)]
    say("load", loads)
    say("load, chunks compared meanwhile", watched, cost=round(statistics.median(watched) / statistics.median(loads) - 1, 3))
    with crm.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("vacuum analyze customers")
    pair = pair_of(TablePair("customers"), legacy, crm)
    verified = [timed(lambda: expect(pair, 0)) for _ in range(REPEAT)]
    ratio = statistics.median(verified) / statistics.median(loads)
    say("verify every column of every row", verified, of_load=round(ratio, 2))
    for number, change in enumerate(PLANTED, start=1):
        crm.execute(f"update customers set {change} where id = {number * ROWS // 9}")  # noqa: S608 - of this file
    found = [timed(lambda: expect(pair, len(PLANTED))) for _ in range(REPEAT)]
    say("find 8 differences, all 18 columns", found)
    same = pair_of(TablePair("customers", only=("id", *WITHOUT_NULL)), legacy, crm)
    alike = [timed(lambda: expect(same, SEEN_WITHOUT_NULL)) for _ in range(REPEAT)]
    say("find the 4 of them that are in reladiff's 10 columns", alike)
    other = [reladiff(legacy, crm) for _ in range(REPEAT)]
    if None not in other:
        times = [seconds for seconds in other if seconds is not None]
        say(
            "reladiff, its 10 columns without NULL",
            times,
            we_are_faster=round(statistics.median(times) / statistics.median(alike), 2),
            with_all_columns=round(statistics.median(times) / statistics.median(found), 2),
        )


def load(legacy: OpenDatabase, crm: OpenDatabase, number: int, *, look: bool) -> float:
    """Seconds of one migration into an empty table."""
    crm.execute("drop table if exists customers")
    crm.execute(f"create table customers ({COLUMNS.format(moment='timestamp')})")
    clock = SystemClock()
    onlooker = CheapLook(clock) if look else None
    mapped = Mapped((TableMapping(source="customers"),))
    return timed(lambda: Migration(f"bench/{number}", mapped, legacy, crm, FakeContext(clock=clock), onlooker).run())


def expect(pair: Pair, differences: int) -> None:
    """Compare, and see that all and only the planted differences are found."""
    compared = compare(pair, lambda *_: None)
    if len(compared.differences) != differences or compared.source_rows != ROWS:
        sys.exit(f"{len(compared.differences)} differences in {compared.source_rows} rows, expected {differences} in {ROWS}")


def reladiff(legacy: OpenDatabase, crm: OpenDatabase) -> float | None:
    """Seconds that reladiff takes with the columns that are never NULL: with others it fails. None when it is not installed."""
    beside_python = str(Path(sys.executable).parent)
    program = shutil.which("reladiff", path=os.pathsep.join([beside_python, os.environ.get("PATH", os.defpath)]))
    if program is None:
        say("reladiff", [], why="not installed; `make bench-transfer` puts it into a folder of its own")
        return None
    urls = [address(legacy, "mysql"), address(crm, "postgresql")]
    options = [part for name in WITHOUT_NULL for part in ("-c", name)]
    command = [program, urls[0], "customers", urls[1], "customers", "-k", "id", *options, "-j", "2", "--stats"]
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800)
    seconds = time.monotonic() - started
    if done.returncode != 0:
        say("reladiff", [], why=done.stderr.strip()[-300:])
        return None
    return seconds


def address(database: OpenDatabase, scheme: str) -> str:
    """The URL in another tool's words."""
    url = database.engine.url
    return f"{scheme}://{url.username}:{url.password}@{url.host}:{url.port}/{url.database}"


def opened(name: str, url: str) -> OpenDatabase:
    """A database by its URL with password."""
    parsed = sa.make_url(url)
    return open_database(name, DatabaseEntry(url=parsed.set(password=None).render_as_string()), str(parsed.password or ""))


def timed(act: Callable[[], Any]) -> float:
    """Seconds."""
    started = time.monotonic()
    act()
    return time.monotonic() - started


def say(what: str, seconds: list[float], **more: object) -> None:
    """One JSON line."""
    told: dict[str, object] = {"bench": "reconcile", "what": what, "rows": ROWS}
    if seconds:
        told |= {"median_s": round(statistics.median(seconds), 2), "all_s": [round(each, 2) for each in seconds]}
    sys.stdout.write(json.dumps({**told, **more}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
