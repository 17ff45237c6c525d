"""Copies of one table, side by side on servers of our own: JSON lines, medians of three, ratios of one run.

`python benchmarks/transfer [ROWS ...]` (300,000 and 1,000,000 unless told otherwise). MariaDB to PostgreSQL: changeover, with
three changes too, and after a kill -9 in the middle; pgloader (Debian's); the floors: reading the table to nowhere, and COPY
of a file that the server reads itself. PostgreSQL to PostgreSQL: changeover and two psql with a pipe of binary COPY between
them. SQLite to PostgreSQL. Every server syncs to the disk, every table keeps its primary key.
"""

# ruff: noqa: INP001, E402 - a script

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parents[1]))

import psycopg
import pymysql
from customers import definition, rows, write
from measuring import Cost, Servers, cost_of, figures, repeated

from changeover.sandbox.servers import mariadb, postgresql
from changeover.sandbox.servers.mariadb import MariadbServer
from changeover.sandbox.servers.postgresql import PostgresqlServer

REPEATS: Final = 3
ROWS: Final = (300_000, 1_000_000)
OURS: Final = [sys.executable, str(HERE / "ours.py")]
#: A password for servers that live as long as the benchmark, on 127.0.0.1.
SECRET: Final = "bench"


def tell(**line: object) -> None:
    """Print one line."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


@dataclass
class Bench:
    """Two servers, a folder, and the table in every form."""

    folder: Path
    old: MariadbServer
    new: PostgresqlServer
    count: int
    numbers: int = field(default=0)

    @property
    def servers(self) -> Servers:
        """Whose CPU counts."""
        return Servers((self.old.process.pid, self.new.process.pid))

    @property
    def file(self) -> Path:
        """The table as text that COPY reads."""
        return Path("/tmp") / f"changeover-bench-{os.getpid()}.tsv"  # noqa: S108 - the server has to reach it

    def url(self, database: str) -> str:
        """Of PostgreSQL, for libpq."""
        return self.new.url(database).replace("postgresql+psycopg", "postgresql")

    def fill(self) -> None:
        """The same customers in MariaDB, PostgreSQL and SQLite."""
        write(self.file, self.count)
        self.file.chmod(0o644)
        mariadb.drop_database(self.old, "crm")
        mariadb.create_database(self.old, "crm")
        with (
            pymysql.connect(
                host="127.0.0.1",
                port=self.old.port,
                user="root",
                password=SECRET,
                database="crm",
                local_infile=True,
                charset="utf8mb4",
            ) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(definition("mysql"))
            cursor.execute(f"load data local infile '{self.file}' into table customers character set utf8mb4")
            cursor.execute("analyze table customers")
            connection.commit()
        for name in ("old", "crm"):
            postgresql.drop_database(self.new, name)
            postgresql.create_database(self.new, name)
            self.sql(name, definition("postgresql"))
        self.sql("old", f"copy customers from '{self.file}'")
        self.sql("old", "vacuum analyze customers")
        path = self.folder / "old.db"
        path.unlink(missing_ok=True)
        with sqlite3.connect(path) as database:
            database.execute(definition("sqlite"))
            database.executemany(f"insert into customers values ({', '.join('?' * 18)})", rows(self.count))  # noqa: S608 - marks

    def sql(self, database: str, statement: str) -> Any:
        """Run a statement; its only value if it has one."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchone() if cursor.description else None

    def measure(self, command: list[str], *, stdin: str = "", writes: bool = True) -> Cost:
        """Run *command* into an empty table, and see that everything arrived."""
        if writes:
            self.empty()
        cost = cost_of(command, self.servers, self.folder / "log", stdin=stdin)
        if writes and (found := self.sql("crm", "select count(*) from customers")[0]) != self.count:
            raise SystemExit(f"{command[0]} copied {found} of {self.count} rows")
        return cost

    def empty(self) -> None:
        """Every run begins with the same target."""
        self.sql("crm", "truncate customers")
        self.sql("crm", "checkpoint")

    def job(self, source: str, **more: object) -> str:
        """A migration of ours, each with a name of its own."""
        self.numbers += 1
        return json.dumps({"source": source, "target": self.new.url("crm"), "name": f"bench/{self.numbers}", **more})

    def ours(self, source: str, **more: object) -> Cost:
        """A migration in a process of its own."""
        return self.measure(OURS, stdin=self.job(source, **more))

    def start(self) -> Cost:
        """What a migration of nothing costs: the interpreter, the libraries, two connections, the checkpoint's tables."""
        self.sql("old", "create table if not exists nothing (like customers including all)")
        self.empty()
        job = self.job(self.new.url("old"), source_table="nothing")
        return cost_of(OURS, self.servers, self.folder / "log", stdin=job)

    def resumed(self) -> Cost:
        """Killed in the middle, then run again: both together."""
        self.empty()
        job = json.loads(self.job(self.old.url("crm")))
        killed = [sys.executable, str(HERE / "ours.py")]
        half = json.dumps({**job, "die_at": self.count // 2})
        first = cost_of(
            ["/bin/sh", "-c", f"{killed[0]} {killed[1]}; [ $? = 137 ]"], self.servers, self.folder / "log", stdin=half
        )
        second = cost_of(killed, self.servers, self.folder / "log", stdin=json.dumps(job))
        if self.sql("crm", "select count(*) from customers")[0] != self.count:
            raise SystemExit("rows are missing after a kill")
        return Cost(first.seconds + second.seconds, first.cpu + second.cpu, max(first.megabytes, second.megabytes))

    def pgloader(self) -> Cost:
        """Debian's pgloader, told what it needs to load this table at all."""
        script = self.folder / "pgloader.load"
        script.write_text(
            f"load database from mysql://root:{SECRET}@127.0.0.1:{self.old.port}/crm into {self.url('crm')}\n"
            "with data only, create no tables, include no drop, truncate, no foreign keys, batch rows = 25000\n"
            "alter schema 'crm' rename to 'public';\n",
            encoding="utf-8",
        )
        return self.measure(["pgloader", "--quiet", "--client-min-messages", "error", str(script)])

    def read(self) -> Cost:
        """The table through MariaDB's own client, to nowhere."""
        client = f"mariadb --no-defaults -h127.0.0.1 -P{self.old.port} -uroot -p{SECRET} --quick -N -B crm"
        everything = "select * from customers"
        return self.measure(["/bin/sh", "-c", f"{client} -e '{everything}' >/dev/null"], writes=False)

    def floor(self) -> Cost:
        """PostgreSQL reads a file by itself."""
        return self.measure(["psql", "-q", "-d", self.url("crm"), "-c", f"copy customers from '{self.file}'"])

    def piped(self) -> Cost:
        """Two psql and a pipe of binary COPY, in one transaction without a checkpoint."""
        out = f"psql -q -d {self.url('old')} -c 'copy customers to stdout (format binary)'"
        into = f"psql -q -d {self.url('crm')} -c 'copy customers from stdin (format binary)'"
        return self.measure(["/bin/sh", "-c", f"{out} | {into}"])


def measured(bench: Bench) -> None:
    """Everything, for one number of rows."""
    legacy, count = bench.old.url("crm"), bench.count
    contenders: dict[str, Callable[[], Cost]] = {
        "read to nowhere": bench.read,
        "COPY of a file": bench.floor,
        "changeover: start alone": bench.start,
        "changeover": lambda: bench.ours(legacy),
        "changeover, 3 changes": lambda: bench.ours(legacy, changes=True),
        "changeover, killed at half and resumed": bench.resumed,
        **({"pgloader": bench.pgloader} if shutil.which("pgloader") else {}),
        "PG -> PG: piped binary COPY": bench.piped,
        "PG -> PG: changeover": lambda: bench.ours(bench.new.url("old")),
        "SQLite -> PG: changeover": lambda: bench.ours(f"sqlite:///{bench.folder / 'old.db'}"),
    }
    costs = {}
    for name, run in contenders.items():
        costs[name] = repeated(REPEATS, run)
        tell(contender=name, rows=count, **figures(costs[name], count))
    ours = costs["changeover"]
    floors = costs["read to nowhere"].cpu + costs["COPY of a file"].cpu
    ratios = {
        "cpu / (read floor + COPY floor)": round(ours.cpu / floors, 2),
        "the same without our start": round((ours.cpu - costs["changeover: start alone"].cpu) / floors, 2),
    }
    # whoever copies has MariaDB read the rows and PostgreSQL store them: on so many processors it cannot take less than this
    least = max(costs["COPY of a file"].seconds, floors / (os.cpu_count() or 1))
    ratios["rate / the most that servers on these processors could bear"] = round(least / ours.seconds, 2)
    if "pgloader" in costs:
        ratios["that most / pgloader"] = round(costs["pgloader"].seconds / least, 2)
        ratios["rate / pgloader"] = round(costs["pgloader"].seconds / ours.seconds, 2)
        ratios["rate with 3 changes / pgloader"] = round(costs["pgloader"].seconds / costs["changeover, 3 changes"].seconds, 2)
    ratios["PG -> PG: rate / piped binary COPY"] = round(
        costs["PG -> PG: piped binary COPY"].seconds / costs["PG -> PG: changeover"].seconds, 2
    )
    tell(rows=count, ratios=ratios)


def main() -> None:
    """Start the servers, measure, stop them."""
    counts = [int(argument) for argument in sys.argv[1:]] or ROWS
    if shutil.which("pgloader") is None:
        tell(missing="pgloader", cure="apt-get install pgloader")
    with tempfile.TemporaryDirectory(prefix="changeover-bench-") as name:
        folder = Path(name)
        old = mariadb.start(folder / "mariadb", password=SECRET)
        new = postgresql.start(folder / "postgresql", password=SECRET)
        try:
            for count in counts:
                bench = Bench(folder, old, new, count)
                try:
                    bench.fill()
                    measured(bench)
                finally:
                    bench.file.unlink(missing_ok=True)
        finally:
            mariadb.stop(old.process, old.folder)
            postgresql.stop(new.process, new.folder)


if __name__ == "__main__":
    main()
