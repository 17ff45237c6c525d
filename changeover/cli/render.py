"""Glyphs, words and colours that all screens share. Colours lie on a blue-orange axis, and never stand without glyph and word."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from changeover.contracts import Answer, Mode, RunState, StepState
from changeover.plan.saying import about

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

#: Rich styles. Blue is fine, orange wants a look, inverse orange wants somebody now.
FINE: Final = "bold bright_blue"
BUSY: Final = "bright_cyan"
DONE: Final = "blue"
CARE: Final = "dark_orange"
LOUD: Final = "bold dark_orange"
ALARM: Final = "bold black on dark_orange"
FAINT: Final = "bright_black"
PLAIN: Final = ""


@dataclass(frozen=True, slots=True)
class Sign:
    """How a state looks: a glyph, a plain letter for terminals without it, a word and a style."""

    glyph: str
    letter: str
    word: str
    style: str

    def text(self) -> str:
        """Glyph and word."""
        return f"{self.glyph if glyphs_work() else self.letter} {self.word}"

    @property
    def mark(self) -> str:
        """The glyph alone, where the word stands beside it in some other form."""
        return self.glyph if glyphs_work() else self.letter


RUN_SIGNS: Final[dict[RunState, Sign]] = {
    RunState.PLANNED: Sign("○", "o", "PLANNED", PLAIN),
    RunState.RUNNING: Sign("▶", ">", "RUNNING", FINE),
    RunState.STOPPING: Sign("◼", "#", "STOPPING", LOUD),
    RunState.ROLLING_BACK: Sign("◀", "<", "ROLLING BACK", LOUD),
    RunState.ABORTING: Sign("◼", "#", "ABORTING", ALARM),
    RunState.SUCCEEDED: Sign("✓", "+", "SUCCEEDED", FINE),
    RunState.ROLLED_BACK: Sign("↶", "<", "ROLLED BACK", LOUD),
    RunState.ABORTED: Sign("✗", "x", "ABORTED", ALARM),
}

HELD: Final = Sign("‖", "=", "HELD", ALARM)

STEP_SIGNS: Final[dict[StepState, Sign]] = {
    StepState.PENDING: Sign("·", ".", "pending", FAINT),
    StepState.RUNNING: Sign("▶", ">", "running", BUSY),
    StepState.PASSED: Sign("✓", "+", "passed", DONE),
    StepState.FAILED: Sign("✗", "x", "failed", ALARM),
    StepState.UNKNOWN: Sign("?", "?", "unknown", ALARM),
    StepState.ASKS_HUMAN: Sign("!", "!", "asks you", ALARM),
    StepState.RETRYING: Sign("↻", "~", "retrying", CARE),
    StepState.FAILED_DIRTY: Sign("✗", "x", "failed, left something", ALARM),
    StepState.SKIPPED: Sign("»", "-", "skipped", FAINT),
    StepState.WAIVED: Sign("≈", "%", "waived", CARE),
}

WAITING: Final = Sign("!", "!", "waits for people", ALARM)

MODE_STYLES: Final[dict[Mode, str]] = {
    Mode.DRY_RUN: "reverse",
    Mode.REHEARSE: "black on bright_cyan",
    Mode.LIVE_TEST: "black on bright_cyan",
    Mode.LIVE: ALARM,
}

VERDICT_SIGNS: Final[dict[Answer, Sign]] = {
    Answer.PASSED: Sign("✓", "+", "passed", DONE),
    Answer.FAILED: Sign("✗", "x", "failed", ALARM),
    Answer.NOT_VERIFIABLE: Sign("?", "?", "not verifiable", CARE),
}


def glyphs_work() -> bool:
    """Whether standard output can show them."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    try:
        "▶✓✗◼○·‖↶█░".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def console(*, error: bool = False) -> Console:
    """A Rich console with our habits: no highlighting of numbers, no emoji codes, no markup in values."""
    from rich.console import Console  # noqa: PLC0415 - Rich takes longer to load than `--help` may take

    class Ours(Console):
        def on_broken_pipe(self) -> None:
            """Let the caller decide: Rich would end the program, and with it the engine."""
            raise BrokenPipeError

    return Ours(stderr=error, highlight=False, emoji=False, markup=False, soft_wrap=False)


def mode_text(mode: Mode) -> str:
    """The mode, loud."""
    return mode.value.upper()


def duration(time: float | timedelta | None) -> str:
    """How long, as the language writes it: ``48s``, ``12m5s``, ``3h20m``; a dash for nothing."""
    if time is None:
        return "-"
    return about(time if isinstance(time, timedelta) else timedelta(seconds=time))


def clock(moment: datetime | None, zone: ZoneInfo, *, day: bool = False, seconds: bool = False) -> str:
    """A moment in the runbook's zone, on a screen whose header shows the offset."""
    if moment is None:
        return "-"
    return moment.astimezone(zone).strftime(("%a " if day else "") + ("%H:%M:%S" if seconds else "%H:%M"))


def separator() -> str:
    """What stands between two facts on a line."""
    return " · " if glyphs_work() else " - "


def cut(line: Text, width: int, *, pad: bool = False) -> None:
    """Cut *line* to *width* columns, visibly where the terminal can show it."""
    line.truncate(width, overflow="ellipsis" if glyphs_work() else "crop", pad=pad)


def bar(share: float | None, width: int) -> str:
    """A bar of *width* columns."""
    full, empty = ("█", "░") if glyphs_work() else ("#", ".")
    filled = 0 if share is None else min(max(int(share * width + 0.5), 0), width)
    if share is not None and filled == width and share < 1:
        filled -= 1  # full means done
    return full * filled + empty * (width - filled)


def styled(*pieces: tuple[str, str] | str) -> Text:
    """Text of (text, style) pieces; values are never read as markup."""
    from rich.text import Text  # noqa: PLC0415 - as above

    text = Text()
    for piece in pieces:
        text.append(*piece) if isinstance(piece, tuple) else text.append(piece)
    return text


def ticked(text: str, style: str = PLAIN) -> Text:
    """A sentence whose `names` in back quotes stand out instead."""
    pieces = safe(text).split("`")
    return styled(*((piece, style if number % 2 == 0 else f"bold {style}".strip()) for number, piece in enumerate(pieces)))


def safe(text: str) -> str:
    """*text* without control characters, so that no value moves the cursor or forges a line."""
    return "".join(
        character if character.isprintable() else " " if character in "\n\t\r" else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )
