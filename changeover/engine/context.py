"""What a running step sees of the engine: :class:`changeover.contracts.Context`, for one attempt."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

from changeover.contracts import Clock, Database, Host, Mode, Result, StepKind, Value
from changeover.engine.control_file import Content, ControlFile
from changeover.engine.resources import Resources
from changeover.engine.stopping import StopSignal
from changeover.journal.events import Draft, EventKind
from changeover.journal.fold import StepRecord
from changeover.journal.records import RunRecord
from changeover.project import StateNotWritable

#: Seconds between two progress events of a step: more would only fill the journal.
PROGRESS_EVERY: Final = 2.0
#: Characters of a line that a step says: more belongs into the log file.
LINE_LIMIT: Final = 500
#: Lines that one attempt may say; what follows goes into the log file only.
LINES_LIMIT: Final = 500


class Surroundings(Protocol):
    """What an attempt asks the engine for. Called from the step's thread."""

    def note(self, draft: Draft) -> None:
        """Put *draft* into the journal, without waiting for it."""
        ...

    def since(self, step: str) -> float | None:
        """Seconds since *step* passed."""
        ...

    def parameters_of(self, step: str) -> StepKind:
        """The kind instance of another step."""
        ...

    def adjusted(self, step: str) -> StepRecord:
        """What the journal knows of *step*, and so what people have set for it."""
        ...

    def rehearsed(self, step: str) -> Mapping[str, Value]:
        """The figures of *step* in the latest rehearsal."""
        ...

    def include(self, file: str, inputs: Mapping[str, Value], context: AttemptContext) -> Result:
        """Run another runbook to its end."""
        ...


@dataclass(slots=True)
class AttemptContext:
    """The context of one attempt of one step. Thread-safe; useless once the attempt has ended."""

    run: RunRecord
    step: str
    attempt: int
    clock: Clock
    folder: Path
    resources: Resources
    surroundings: Surroundings
    stop: StopSignal
    zone: ZoneInfo
    shift: timedelta  # how far the window was moved for this run
    deadline: float | None = None  # monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _log: Path | None = None
    _closed: bool = False
    _log_lost: bool = False
    _lines: int = 0
    _progress: Mapping[str, Value] | None = None  # not in the journal yet
    _progressed: float | None = None
    _control: ControlFile | None = None
    _content: Content | None = None  # of the control file; on its way into the journal

    @property
    def run_id(self) -> str:
        return self.run.id

    @property
    def token(self) -> str:
        return f"{self.run.id}:{self.step}:{self.attempt}"

    @property
    def mode(self) -> Mode:
        return self.run.mode

    @property
    def environment(self) -> str:
        return self.run.environment

    @property
    def runner(self) -> str:
        return self.run.runner

    def say(self, line: str) -> None:
        text = self.resources.secrets.mask(line.strip())
        self.log(text + "\n")
        short = text if len(text) <= LINE_LIMIT else f"{text[: LINE_LIMIT - 1]}…"
        with self._lock:
            if self._closed or not short:
                return
            self._lines += 1
            if self._lines > LINES_LIMIT:
                return
            if self._lines == LINES_LIMIT:
                short = f"{short} (further lines stand in its log file only)"
        self.surroundings.note(Draft(EventKind.STEP_SAID, self.step, self.attempt, data={"line": short}))

    def log(self, text: str) -> None:
        masked = self.resources.secrets.mask(text)
        with self._lock:
            try:
                if self._log is None:
                    self._log = self.resources.project.log_file(self.run.id, self.step)
                with self._log.open("a", encoding="utf-8") as file:
                    file.write(masked)
            except (OSError, StateNotWritable) as error:  # a full disk: no step fails because of its log
                lost, self._log_lost = not self._log_lost and not self._closed, True
                why = str(error)
            else:
                return
        if lost:
            line = f"its log cannot be written, and what it says is lost: {why}"
            self.surroundings.note(Draft(EventKind.STEP_SAID, self.step, self.attempt, data={"line": line[:LINE_LIMIT]}))

    def progress(self, done: int, total: int | None, unit: str, **figures: Value) -> None:
        now = self.clock.monotonic()
        data: dict[str, Value] = {"done": done, "total": total, "unit": unit, "figures": dict(figures)}
        with self._lock:
            if self._closed:
                return
            if self._progressed is not None and now - self._progressed < PROGRESS_EVERY:
                self._progress = data
                return
            self._progressed, self._progress = now, None
        self.surroundings.note(self._progress_draft(data))

    def sleep(self, seconds: float) -> None:
        self.stop.sleep(seconds)

    def check_stopped(self) -> None:
        self.stop.check()

    def on_stop(self, action: Callable[[], None]) -> None:
        self.stop.on_request(action)

    def remaining(self) -> float | None:
        return None if self.deadline is None else max(0.0, self.deadline - self.clock.monotonic())

    def at(self, local: datetime) -> datetime:
        return local.replace(tzinfo=self.zone).astimezone(UTC) + self.shift

    def since(self, step: str) -> float | None:
        return self.surroundings.since(step)

    def database(self, name: str) -> Database:
        return self.resources.database(name)

    def system(self, sort: str, name: str) -> Any:
        return self.resources.system(sort, name)

    def hosts(self, names: Sequence[str]) -> tuple[Host, ...]:
        return self.resources.hosts(names)

    def secret(self, reference: str) -> str:
        return self.resources.secrets.resolve(reference)

    def function(self, reference: str) -> Callable[..., Any]:
        return self.resources.function(reference)

    def include(self, file: str, inputs: Mapping[str, Value]) -> Result:
        return self.surroundings.include(file, inputs, self)

    def parameters_of(self, step: str) -> StepKind:
        return self.surroundings.parameters_of(step)

    def rehearsed(self) -> Mapping[str, Value]:
        return self.surroundings.rehearsed(self.step)

    @property
    def control_file(self) -> Path:
        return self.resources.project.control_file(self.run.id, self.step)

    def adjusted(self) -> Mapping[str, Value]:
        record = self.surroundings.adjusted(self.step)
        known = {name: entry.value for name, entry in record.adjusted.items()}
        with self._lock:
            if self._closed:
                return known
            content = self._look_at_control_file(record)
            self._content = content or self._content
            if self._content is not None and self._content.digest == record.control:
                self._content = None
            elif self._content is not None:
                known |= self._content.changes
        if content is not None:
            self._take_in(content)
        return known

    def _take_in(self, content: Content) -> None:
        data: dict[str, Value] = {
            "changes": content.changes,
            "why": self.resources.secrets.mask(content.why),
            "by": content.by,
            "content": content.digest,
        }
        self.surroundings.note(Draft(EventKind.STEP_ADJUSTED, self.step, self.attempt, data=data))

    def _look_at_control_file(self, record: StepRecord) -> Content | None:
        if self._control is None:
            try:
                self._control = ControlFile(self.control_file, self.clock, self._warn)
            except StateNotWritable:  # a full disk: commands still arrive
                return None
        return self._control.look(record.control)

    def _warn(self, text: str) -> None:
        line = self.resources.secrets.mask(text)[:LINE_LIMIT]
        self.surroundings.note(Draft(EventKind.STEP_SAID, self.step, self.attempt, data={"line": line}))

    def close(self) -> Draft | None:
        """Say no more: the attempt has ended. Its last progress, when that is not in the journal yet."""
        with self._lock:
            self._closed = True
            data, self._progress = self._progress, None
        return None if data is None else self._progress_draft(data)

    def _progress_draft(self, data: Mapping[str, Value]) -> Draft:
        return Draft(EventKind.STEP_PROGRESSED, self.step, self.attempt, data=data)


def later(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """Call *call* on the event loop from a step's thread; nothing when the loop has ended."""
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:  # the engine has ended; the step's thread has not noticed yet
        return
