"""Work on hosts in batches: who failed is named, what was not begun is said, and every host has a verdict."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from changeover.contracts import Context, Host, Result, Value
from changeover.counting import counted
from changeover.errors import Setback, Unclear
from changeover.remote.errors import HostVerdict
from changeover.remote.fleet import AT_ONCE, Outcome, on_each
from changeover.remote.job import ROOM

_NAMED: Final = 5  # hosts named in a summary; the log has all
#: Characters of a host's output that the log gets, from its beginning and from its end.
LOGGED: Final = 2 * ROOM * 1024
_END: Final = 64 * 1024
_LONGEST_LINE: Final = 64 * 1024  # longer ones are cut in the log

Work = Callable[[Host], dict[str, Value]]


@dataclass(eq=False)
class HostsFailed(Setback):
    """It failed on more hosts than the author allows."""

    summary: str
    advice: str = ""

    def __str__(self) -> str:
        return self.summary

    @property
    def hint(self) -> str:
        return self.advice


@dataclass(eq=False)
class HostsUnclear(Unclear):
    """Of some hosts nobody can say whether it happened."""

    hosts: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.what}; on {', '.join(self.hosts)} it may have happened"


@dataclass(frozen=True, slots=True)
class Batches:
    """How many hosts at a time, and how many may fail."""

    sizes: tuple[int | str, ...] = ()  # numbers or percents; the last one repeats; empty: all at once
    max_failures: int = 0

    def split(self, hosts: Sequence[Host]) -> Iterator[Sequence[Host]]:
        """The hosts, batch by batch."""
        begin = 0
        for number in range(len(hosts)):
            if begin >= len(hosts):
                return
            size = _size(self.sizes[min(number, len(self.sizes) - 1)], len(hosts)) if self.sizes else len(hosts)
            yield hosts[begin : begin + size]
            begin += size


def batch_problems(sizes: Iterable[int | str], max_failures: int) -> Iterable[str]:
    """What is wrong with sizes of batches as written."""
    for size in sizes:
        text = str(size)
        number = text.removesuffix("%")
        if "${" not in text and not (number.isdecimal() and int(number) > 0 and not (text.endswith("%") and int(number) > 100)):  # noqa: PLR2004 - percent
            yield f"`batches` holds numbers of hosts or percents, such as [1, 10%, 100%]; {text!r} is neither"
    if str(max_failures).startswith("-"):
        yield "`max_failures` cannot be negative"


def _size(written: int | str, total: int) -> int:
    text = str(written)
    return max(1, ceil(total * int(text[:-1]) / 100)) if text.endswith("%") else int(text)


class Ear:
    """Hears what a command on a host writes, puts it into the log line by line, and passes a stop on to the host.

    Of very long outputs the log gets as much as a host keeps of a detached command: the beginning, and a little of the end.
    """

    def __init__(self, context: Context, host: str, turn: threading.Lock) -> None:
        self._context = context
        self._host = host
        self._turn = turn  # one lock for all hosts of a step: their lines must not run into each other
        self._open = ""
        self._room = LOGGED
        self._end = ""
        self._left_out = 0

    def __call__(self, piece: str) -> None:
        """Take *piece* in; empty ones only ask whether to go on. Raises Stopped."""
        self._context.check_stopped()
        *lines, self._open = (self._open + piece).split("\n")
        if len(self._open) > _LONGEST_LINE:
            lines, self._open = [*lines, self._open], ""
        self._write(lines)

    def close(self) -> None:
        """Log a last line that has no end, and the end of what was too long."""
        if self._open:
            self._write([self._open])
            self._open = ""
        if self._left_out:
            self._log(f"{self._host}: ... {self._left_out} characters left out ...\n")
        if self._end:
            self._log(self._end)
            self._end = ""

    def _write(self, lines: Sequence[str]) -> None:
        text = "".join(f"{self._host}: {line}\n" for line in lines)
        if self._room > 0 and text:
            self._room -= len(text)
            self._log(text)
        elif text:
            kept = self._end + text
            self._end = kept[-_END:]
            self._left_out += len(kept) - len(self._end)

    def _log(self, text: str) -> None:
        with self._turn:
            self._context.log(text)


def on_hosts(context: Context, names: Sequence[str], work: Work, *, batches: Batches, changes: bool) -> Result:
    """Do *work* on all hosts of *names* and say how it went on each.

    Raises:
        HostsFailed: more than ``max_failures`` failed; no batch was begun after that.
        HostsUnclear: it changes something, and of some hosts nobody can say.
    """
    hosts = context.hosts(names)
    outcomes: dict[str, Outcome[dict[str, Value]]] = {}
    for batch in batches.split(hosts):
        context.check_stopped()
        outcomes.update(on_each(batch, work, at_once=AT_ONCE))
        failed = [name for name, outcome in outcomes.items() if outcome.verdict is not HostVerdict.OK]
        context.progress(len(outcomes), len(hosts), "hosts", failed=len(failed))
        for host in batch:
            if outcomes[host.name].verdict is not HostVerdict.OK:
                context.log(f"{outcomes[host.name].detail}\n")
        if len(failed) > batches.max_failures:
            break
    for host in hosts:
        outcomes.setdefault(host.name, Outcome(HostVerdict.NOT_STARTED, f"{host.name}: not started, because others failed"))
    return _judged(outcomes, batches.max_failures, changes=changes)


def _judged(outcomes: dict[str, Outcome[dict[str, Value]]], max_failures: int, *, changes: bool) -> Result:
    summary = _summary(outcomes)
    unclear = tuple(name for name, outcome in outcomes.items() if outcome.unclear)
    if unclear and changes:
        raise HostsUnclear(summary, unclear)
    failed = [outcome for outcome in outcomes.values() if outcome.verdict is not HostVerdict.OK]
    if len(failed) > max_failures:
        raise HostsFailed(summary, next((outcome.hint for outcome in failed if outcome.hint), ""))
    hosts: dict[str, Value] = {name: _told(outcome) for name, outcome in outcomes.items()}
    return Result(summary, {"hosts": hosts})


def _told(outcome: Outcome[dict[str, Value]]) -> dict[str, Value]:
    if outcome.value is not None:
        return outcome.value
    return {"verdict": str(outcome.verdict), "detail": outcome.detail}


def _summary(outcomes: dict[str, Outcome[dict[str, Value]]]) -> str:
    good = sum(outcome.verdict is HostVerdict.OK for outcome in outcomes.values())
    failed = [outcome.detail for outcome in outcomes.values() if outcome.verdict not in {HostVerdict.OK, HostVerdict.NOT_STARTED}]
    idle = [name for name, outcome in outcomes.items() if outcome.verdict is HostVerdict.NOT_STARTED]
    parts = [f"{good} of {counted(len(outcomes), 'host')}", *failed[:_NAMED]]
    if len(failed) > _NAMED:
        parts.append(f"and {len(failed) - _NAMED} more failed")
    if idle:
        named = ", ".join(idle[:_NAMED]) + (" ..." if len(idle) > _NAMED else "")
        parts.append(f"not started: {named}")
    return "; ".join(parts)
