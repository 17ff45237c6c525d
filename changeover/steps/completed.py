"""What a command that ended tells: whether its exit status is the right one, and its last word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from changeover.contracts import Completed
from changeover.errors import Setback

_SHOWN: Final = 300


@dataclass(eq=False)
class CommandFailed(Setback):
    """A command ended with another exit status than its author expects."""

    where: str
    exit: int
    expected: int
    last: str  # the last lines it wrote

    def __str__(self) -> str:
        said = f": {self.last}" if self.last else ", without a word"
        return f"{self.where} ended with exit status {self.exit} instead of {self.expected}{said}"

    @property
    def hint(self) -> str:
        return "The step's log has all that it wrote."


def require_exit(where: str, completed: Completed, expected: int) -> None:
    """Raise CommandFailed unless *completed* ended as *expected*."""
    if completed.exit != expected:
        raise CommandFailed(where, completed.exit, expected, last_lines(completed))


def last_lines(completed: Completed) -> str:
    """The end of what it wrote on standard error, or else on standard output, on one line."""
    text = completed.stderr.strip() or completed.stdout.strip()
    line = " / ".join(part.strip() for part in text.splitlines()[-3:] if part.strip())
    return line if len(line) <= _SHOWN else f"…{line[-_SHOWN:]}"


def ended(completed: Completed) -> str:
    """One line for people: the exit status, and the last line of output if there is one."""
    lines = completed.stdout.strip().splitlines()
    last = lines[-1].strip()[:_SHOWN] if lines else ""
    return f"exit {completed.exit}: {last}" if last else f"exit {completed.exit}"


def stdout_of(completed: Completed) -> str:
    """Its standard output without newlines at the end, as the shell's own `$(...)` gives it."""
    return completed.stdout.rstrip("\n")
