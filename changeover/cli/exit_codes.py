"""How the program ends. docs/exit-codes.md is written from this file; a test keeps the two the same."""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class ExitCode(IntEnum):
    """A number that scripts may rely on, and what it means."""

    meaning: str

    def __new__(cls, number: int, meaning: str) -> Self:
        """Let the meaning travel with the number."""
        code = int.__new__(cls, number)
        code._value_ = number
        code.meaning = meaning
        return code

    FINE = 0, "The run succeeded; lint or plan found no error; the command was accepted."
    BUG = 1, "A bug in changeover. The message names a file that holds what a developer needs."
    MISTAKE = 2, "A wrong command line, a runbook with errors, invalid input, a command that was refused. Nothing was started."
    HELD = (
        3,
        (
            "The run is not over: it is held, it waits for people and was told not to wait (`--no-wait`), "
            "or a step failed and nobody has decided yet."
        ),
    )
    ROLLED_BACK = 4, "Everything that had started was rolled back."
    ROLLBACK_FAILED = 5, "A step of the rollback failed; people have to decide what becomes of it."
    ABORTED = 6, "Somebody aborted the run; nothing was undone."
    OWNERSHIP_LOST = 7, "Another engine took the run over; this one stopped at once."
    OWNED = 8, "Refused: another engine owns the run."
    JOURNAL_UNAVAILABLE = 9, "The journal cannot be read or written; nothing new was started. The message names path and cure."
    FAILED = (
        10,
        "`migrate` or `reconcile` without a runbook: rows are missing, differ, or would be refused. The message says which.",
    )
    INTERRUPTED = 130, "Ctrl-C or SIGTERM. The run can be resumed: `changeover resume RUN`."
    OUTPUT_CLOSED = 141, "Whoever read the output went away, as in `changeover events RUN | head`. No run ends for this reason."


def as_markdown() -> str:
    """The page docs/exit-codes.md."""
    rows = "\n".join(f"| {code.value} | {code.name.lower().replace('_', ' ')} | {code.meaning} |" for code in ExitCode)
    return (
        "# Exit codes\n\n"
        "Every command ends with one of these. Scripts may rely on the numbers; they do not change.\n\n"
        f"| code | name | meaning |\n| ---: | --- | --- |\n{rows}\n"
    )
