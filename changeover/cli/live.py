"""Showing a run while it goes on: a live screen on a terminal, lines everywhere else. A reader, never the engine's thread."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from changeover.cli import render
from changeover.cli.failing import silence
from changeover.cli.lines import json_of, line_of
from changeover.cli.screen import screen
from changeover.cli.wording import Need, needs
from changeover.journal.errors import JournalUnavailable

if TYPE_CHECKING:
    from changeover.cli.session import Session
    from changeover.status.model import RunStatus

#: Four times a second.
TICK: Final = 0.25

#: Lines that the engine said last and that still stand on the screen.
_NOTES: Final = 3

#: Less than this many columns or lines is no screen.
_FEWEST_COLUMNS: Final = 20
_FEWEST_LINES: Final = 5


class View(Protocol):
    """A way of showing a run."""

    def show(self, status: RunStatus) -> None:
        """Show where it stands now."""
        ...

    def note(self, text: str) -> None:
        """Show a line about the engine itself. Called from any thread."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was."""
        ...


class LiveView:
    """The whole terminal, drawn anew at every tick; what was there before comes back at the end."""

    def __init__(self, *, alone: bool, driving: bool = False) -> None:
        from rich.live import Live  # noqa: PLC0415 - only needed on a terminal

        self._alone = alone
        self._driving = driving
        self._notes: list[str] = []
        self._console = render.console()
        self._live: Any = Live(
            console=self._console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )
        self._live.start()

    def show(self, status: RunStatus) -> None:
        from rich.console import Group  # noqa: PLC0415 - as above

        size = self._console.size
        seen = seen_by_its_engine(status) if self._driving else status
        lines = screen(seen, width=size.width, height=size.height, alone=self._alone, notes=tuple(self._notes[-_NOTES:]))
        self._live.update(Group(*lines), refresh=True)

    def note(self, text: str) -> None:
        self._notes.append(text)

    def close(self) -> None:
        self._live.stop()


def seen_by_its_engine(status: RunStatus) -> RunStatus:
    """*status* as it looks to the process that drives the run: the last engine is gone, but this one is about to begin."""
    return status if status.engine is None or status.engine.live else replace(status, engine=None)


class LineView:
    """A line for each event, and a paragraph whenever somebody is needed: for logs, pipes and small terminals."""

    def __init__(self, session: Session, run: str, *, as_json: bool, alone: bool, after: int = 0, driving: bool = False) -> None:
        self._session = session
        self._run = run
        self._json = as_json
        self._alone = alone
        self._seq = after
        self._driving = driving  # whether the engine lives in this process: then nobody has to be told that it ends
        self._needs: tuple[Need, ...] = ()
        self._reader = session.reader(run)
        self._guard = threading.Lock()

    def show(self, status: RunStatus) -> None:
        for event in self._session.journal.events(self._run, after=self._seq):
            self._seq = event.seq
            self._write(json_of(event) if self._json else line_of(event, self._reader.plan, self._reader.bundle))
        found = needs(seen_by_its_engine(status) if self._driving else status, alone=self._alone)
        if found != self._needs and not self._json:
            for need in found:
                if need not in self._needs:
                    self._write("\n".join(self._paragraph(need)))
        self._needs = found

    def note(self, text: str) -> None:
        with self._guard:
            sys.stderr.write(render.safe(text) + "\n")
            sys.stderr.flush()

    def close(self) -> None:
        """Nothing to restore."""

    def _paragraph(self, need: Need) -> Sequence[str]:
        words = [f"    {'type' if number == 0 else '  or'} {line}" for number, line in enumerate(need.commands)]
        return [f"  {'!' if not render.glyphs_work() else need.glyph} {render.safe(need.who)}: {render.safe(need.what)}", *words]

    def _write(self, line: str) -> None:
        if line:
            with self._guard:
                sys.stdout.write(line + "\n")
                sys.stdout.flush()


@dataclass(slots=True)
class Shown:
    """What came of showing a run."""

    status: RunStatus | None = None
    closed: bool = False  # the output went away
    complaints: list[str] = field(default_factory=list)


def follow(session: Session, run: str, view: View, stop: threading.Event) -> Shown:
    """Show *run* until it is over or *stop* is set. Raises BrokenPipeError when the reader of lines has gone."""
    reader = session.reader(run)
    shown = Shown()
    try:
        while True:
            last = stop.is_set()
            try:
                shown.status = reader.refresh()
                view.show(shown.status)
            except JournalUnavailable as error:
                if str(error) not in shown.complaints:
                    shown.complaints.append(str(error))
                    view.note(f"{error}; {error.hint}" if error.hint else str(error))
            if last or (shown.status is not None and shown.status.state.final):
                return shown
            stop.wait(TICK)
    finally:
        view.close()


def terminal_is_large_enough() -> bool:
    """Whether standard output is a terminal on which a screen can be drawn."""
    if not sys.stdout.isatty():
        return False
    size = render.console().size
    return size.width >= _FEWEST_COLUMNS and size.height >= _FEWEST_LINES


class Follower:
    """Follows in a thread of its own, so that whatever happens to the output, the engine goes on."""

    def __init__(self, open_view: Callable[[Session], View], open_session: Callable[[], Any], run: str) -> None:
        self._open_view = open_view
        self._open_session = open_session
        self._run = run
        self._stop = threading.Event()
        self._view: View | None = None
        self._early: list[str] = []
        self._guard = threading.Lock()
        self.failure: BaseException | None = None
        self.shown = Shown()
        self._thread = threading.Thread(target=self._work, name="view", daemon=True)

    def start(self) -> None:
        """Begin to show."""
        self._thread.start()

    def note(self, text: str) -> None:
        """Show a line about the engine; before the view is there and after it has gone, on standard error."""
        with self._guard:
            view = self._view
            if view is None:
                self._early.append(text)
                return
        view.note(text)

    def stop(self) -> None:
        """Show the last state and leave the terminal as it was."""
        self._stop.set()
        self._thread.join(10)
        with self._guard:
            early, self._early = self._early, []
        for line in early:
            sys.stderr.write(render.safe(line) + "\n")

    def _work(self) -> None:
        try:
            with self._open_session() as session:
                view = self._open_view(session)
                with self._guard:
                    self._view, early, self._early = view, self._early, []
                for line in early:
                    view.note(line)
                self.shown = follow(session, self._run, view, self._stop)
        except OSError:
            self.shown.closed = True  # the terminal or the pipe has gone; the run has not
            silence(sys.stdout)
        except BaseException as error:  # noqa: BLE001 - a fault of the display must not end a cutover; it is told at the end
            self.failure = error
        finally:
            with self._guard:
                self._view = None
