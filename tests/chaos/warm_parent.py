"""A process that has everything imported, and forks what dies: see passage.py, races.py, frozen.py, traced.py, crowds.py.

A child is a real process that dies by SIGKILL; forking it from here saves the seconds of importing everything anew.
Orders come in as JSON lines, what became of each goes out as one. The argument is a folder.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.chaos import crowds, frozen, races, traced
from tests.chaos.children import Children
from tests.chaos.nights import BY_NAME
from tests.chaos.passage import Order, Passage
from tests.chaos.templates import Copy, Templates


def carry_out(copy: Copy, children: Children, what: str, order: dict[str, Any]) -> dict[str, Any]:
    """What became of one order."""
    match what:
        case "passage":
            return Passage(copy, children, Order(**order)).told()
        case "race":
            return races.race(copy, children)
        case "freeze":
            return frozen.freeze(copy, children, **order)
        case "trace":
            return traced.trace(copy, children, **order)
        case "crowd":
            return crowds.crowd(copy, children, **order)
        case "readers":
            return crowds.readers(copy, children, **order)
        case _:
            raise AssertionError(what)


def warm(templates: Templates, children: Children) -> None:
    """Import what an engine imports when it needs it: every child would do that again."""
    copy = templates.copy(BY_NAME["forward"])

    def work() -> int:
        code = copy.engine()
        (copy.folder / "modules").write_text("\n".join(sys.modules), encoding="utf-8")
        return code

    assert children.wait(children.fork(work, copy.log), seconds=60)
    for name in (copy.folder / "modules").read_text(encoding="utf-8").split():
        if name.startswith(("changeover.", "sqlalchemy.")):
            __import__(name)


def main() -> None:
    """Take orders from standard input."""
    templates, children = Templates(Path(sys.argv[1])), Children()
    warm(templates, children)
    for line in sys.stdin:
        order = json.loads(line)
        what, night = order.pop("what", "passage"), order.pop("night")
        told = carry_out(templates.copy(BY_NAME[night]), children, what, order)
        sys.stdout.write(json.dumps({"what": what, "night": night, "seed": 0, **order, **told}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
