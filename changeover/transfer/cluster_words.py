"""How a cluster is written in a runbook. Pure, and loads nothing."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from typing import Final

from changeover.errors import Mistake

#: How a cluster is written: dask://HOST:PORT, or dask+tls:// with the certificates of Dask's own configuration.
ADDRESS: Final = re.compile(r"dask(\+tls)?://(?P<where>[^\s/]+:\d+)/?")


@dataclass(eq=False)
class DaskMissing(Mistake):
    """A cluster is wanted, and Dask is not installed."""

    def __str__(self) -> str:
        return "`workers: dask://...` needs Dask, which is not installed here"

    @property
    def hint(self) -> str:
        return "install it beside changeover, and on every worker: pip install 'changeover[dask]'; or write `workers: auto`"


def is_cluster(workers: object) -> bool:
    """Whether `workers` means a cluster."""
    return isinstance(workers, str) and workers.startswith("dask")


def address_problem(workers: str) -> str:
    """What is wrong with a cluster's address; empty when it can be used."""
    known = "${" in workers or ADDRESS.fullmatch(workers)  # the run will know a `${...}`
    return "" if known else "`workers` names a cluster as `dask://HOST:PORT`, its scheduler"


def refuse_without_dask() -> None:
    """Raise DaskMissing when there is none; nothing is imported."""
    if importlib.util.find_spec("distributed") is None:
        raise DaskMissing
