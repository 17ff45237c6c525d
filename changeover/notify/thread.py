"""What happened, as sentences in the run's thread: coalesced, in order, with the mode on every message."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

from changeover.contracts import Mode
from changeover.journal.events import Event, EventKind
from changeover.notify.blocks import TEXT_LIMIT, bold, code, cut, escape, mention, paragraph, plain
from changeover.notify.outlet import Post

#: What a thread is not told: the card shows it.
SILENT: Final = frozenset({EventKind.STEP_PROGRESSED, EventKind.RUN_PLANNED})

#: What is told at once, with everything that was still waiting before it.
URGENT: Final = frozenset(
    {
        EventKind.RUN_STARTED,
        EventKind.RUN_TAKEN_OVER,
        EventKind.RUN_HELD,
        EventKind.RUN_RELEASED,
        EventKind.ROLLBACK_REQUESTED,
        EventKind.ROLLBACK_STARTED,
        EventKind.ABORT_REQUESTED,
        EventKind.RUN_SUCCEEDED,
        EventKind.RUN_ROLLED_BACK,
        EventKind.RUN_ABORTED,
        EventKind.STEP_FAILED,
        EventKind.STEP_UNKNOWN,
        EventKind.STEP_ASKED,
        EventKind.STEP_DIRTY,
        EventKind.DECISION_ASKED,
        EventKind.DECISION_GIVEN,
        EventKind.DECISION_LAPSED,
    }
)


#: What carries the head of the journal's chain, so that a copy of it stands where nobody of the run can change it.
ANCHORED: Final = frozenset(
    {
        EventKind.RUN_STARTED,
        EventKind.DECISION_ASKED,
        EventKind.DECISION_GIVEN,
        EventKind.RUN_SUCCEEDED,
        EventKind.RUN_ROLLED_BACK,
        EventKind.RUN_ABORTED,
    }
)
#: Hexadecimal digits of a head in a message.
_DIGITS: Final = 16


@dataclass(frozen=True, slots=True)
class Teller:
    """How events become messages."""

    run: str
    mode: Mode
    zone: ZoneInfo
    sentence: Callable[[Event], str]
    members: Callable[[Event], Sequence[str]]  # the chat ids of the people it calls
    announces: Callable[[Event], bool]  # whether the whole channel should read it

    def messages(self, events: Sequence[Event]) -> Iterator[tuple[Post, int]]:
        """Everything *events* have to tell, in order; each message with the sequence number up to which it tells."""
        for group in self._groups(events):
            yield self._message(group), group[-1].seq

    def _groups(self, events: Sequence[Event]) -> Iterator[list[Event]]:
        group: list[Event] = []
        size = 0
        for event in (event for event in events if told(event)):
            length = len(self._line(event)) + 1
            alone = self.announces(event)
            if group and (alone or size + length > TEXT_LIMIT):
                yield group
                group, size = [], 0
            group.append(event)
            size += length
            if alone:
                yield group
                group, size = [], 0
        if group:
            yield group

    def _message(self, events: Sequence[Event]) -> Post:
        head = f"{mode_word(self.mode)} · {self.run}"
        pieces = [bold(head)]
        for event in events:
            pieces += [plain("\n"), *_ticked(self._line(event))]
            for member in self.members(event):
                pieces += [plain(" "), mention(member)]
        lines = [head, *(self._line(event) for event in events)]
        mark: Mapping[str, str | int] = {"run": self.run, "first": events[0].seq, "last": events[-1].seq}
        broadcast = len(events) == 1 and self.announces(events[0])
        return Post(escape("\n".join(lines)), [paragraph(*pieces)], mark, broadcast)

    def _line(self, event: Event) -> str:
        anchor = f" (journal row {event.seq}, head `{event.hash[:_DIGITS]}`)" if event.kind in ANCHORED and event.hash else ""
        return cut(f"{event.at.astimezone(self.zone):%H:%M:%S} {self.sentence(event)}", TEXT_LIMIT // 2 - len(anchor)) + anchor


def _ticked(line: str) -> Iterator[dict[str, Any]]:
    """Names in back quotes as code; everything else literal."""
    for number, piece in enumerate(line.split("`")):
        if piece:
            yield code(piece) if number % 2 else plain(piece)


def told(event: Event) -> bool:
    """Whether the thread hears of it."""
    if event.kind is EventKind.COMMAND_ANSWERED:
        return not event.data.get("accepted")  # what an accepted command led to is told by itself
    return event.kind not in SILENT


def mode_word(mode: Mode) -> str:
    """The mode as it stands on every message."""
    return mode.value.upper()
