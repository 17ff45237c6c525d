"""What four secondary indexes and a foreign key cost a load, in place and made after it: JSON lines, medians of three.

`python benchmarks/after_load.py [ROWS ...]` (300,000 unless told otherwise). MariaDB to PostgreSQL, changeover, 18 columns.
"""

# ruff: noqa: INP001, E402 - a script

from __future__ import annotations

import runpy
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "transfer"))

from measuring import Cost, figures, repeated

from changeover.sandbox.servers import mariadb, postgresql

MAIN: dict[str, Any] = runpy.run_path(str(HERE / "transfer" / "__main__.py"))
BURDEN = (
    "create table kinds (kind char(1) primary key)",
    "insert into kinds values ('B'), ('P')",
    "create index by_name on customers (last_name, first_name)",
    "create index by_email on customers (lower(email))",
    "create index by_phone on customers (phone)",
    "create index by_place on customers (city, postcode, street)",
    "alter table customers add constraint known_kind foreign key (kind) references kinds (kind)",
)


def measured(bench: Any) -> None:
    """The same load three ways."""
    legacy = bench.old.url("crm")
    costs: dict[str, Cost] = {"primary key alone": repeated(3, lambda: bench.ours(legacy))}
    for statement in BURDEN:
        bench.sql("crm", statement)
    for way in ("keep", "after_load"):
        costs[f"indexes: {way}"] = repeated(3, lambda way=way: bench.ours(legacy, indexes=way))  # type: ignore[misc]
    for name, cost in costs.items():
        MAIN["tell"](contender=name, rows=bench.count, **figures(cost, bench.count))
    kept, after = costs["indexes: keep"], costs["indexes: after_load"]
    ratios = {"seconds kept / after load": kept.seconds / after.seconds, "CPU kept / after load": kept.cpu / after.cpu}
    MAIN["tell"](rows=bench.count, ratios={name: round(value, 2) for name, value in ratios.items()})


def main() -> None:
    """Start the servers, measure, stop them."""
    with tempfile.TemporaryDirectory(prefix="changeover-bench-") as name:
        folder = Path(name)
        old = mariadb.start(folder / "mariadb", password=MAIN["SECRET"])
        new = postgresql.start(folder / "postgresql", password=MAIN["SECRET"])
        try:
            for count in [int(argument) for argument in sys.argv[1:]] or (300_000,):
                bench = MAIN["Bench"](folder, old, new, count)
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
