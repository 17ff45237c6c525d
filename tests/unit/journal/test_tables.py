from __future__ import annotations

import subprocess
import sys

#: In a process of its own: in this one the tables are made already.
_PROGRAM = """
import time
from concurrent.futures import ThreadPoolExecutor
import sqlalchemy as sa
from changeover.journal import tables

index = sa.Index

def slow(*arguments, **named):
    time.sleep(0.1)
    return index(*arguments, **named)

sa.Index = slow
with ThreadPoolExecutor(4) as pool:
    list(pool.map(lambda _: tables.schema(), range(4)))
print(sorted(found.name for found in tables.EVENT.indexes).count("event_passed_once"))
"""


def test_threads_that_open_their_first_journals_at_once_make_each_index_once() -> None:
    assert subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True).stdout == "1\n"
