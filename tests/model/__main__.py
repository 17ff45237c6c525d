"""``python -m tests.model``: explore every suite and take every rule away, and say what was found. ``--big``: the soak's too."""

from __future__ import annotations

import sys
import time
from multiprocessing import Pool

from tests.model.explore import Report, explore
from tests.model.mutations import MUTATIONS
from tests.model.state import Suite
from tests.model.suites import BIG, SUITES


def main(*, big: bool) -> int:
    """Print a line for each suite and each rule; 1 when something is not as it should be."""
    began = time.perf_counter()
    suites: list[Suite] = [*SUITES, *(BIG if big else ())]
    reports: list[Report] = []
    with Pool(2, maxtasksperchild=1) as pool:
        for report in pool.imap(explore, suites):
            _say(str(report), *(f"    {line}" for line in report.trace))
            reports.append(report)
    states, transitions = sum(report.states for report in reports), sum(report.transitions for report in reports)
    _say(f"{len(reports)} suites: {states:,} states, {transitions:,} transitions, {time.perf_counter() - began:.0f} s", "")
    caught = 0
    for mutation in MUTATIONS:
        report = explore(mutation.suite())
        caught += report.violation.startswith(f"{mutation.breaks}:")
        _say(mutation.sentence, *(f"    {line}" for line in report.trace), f"  {report.violation or 'NOT CAUGHT'}", "")
    _say(f"{caught} of {len(MUTATIONS)} rules are missed when they are taken away")
    return int(caught < len(MUTATIONS) or any(report.violation for report in reports))


def _say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(big="--big" in sys.argv))
