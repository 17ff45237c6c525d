"""What a copy may do now: what people have set, what its author allows, what the databases can bear. And what it tells."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from changeover.contracts import Context, Database, Value
from changeover.errors import ChangeoverError
from changeover.transfer.meter import Meter, Tail
from changeover.transfer.pace import Allowance
from changeover.transfer.throttle import Brake, Load, LoadProbe, Throttle

#: Seconds between two looks at what people have set, and between two reports of progress.
_LOOK_EVERY: Final = 0.2
_TELL_EVERY: Final = 1.0


@dataclass(slots=True)
class Gauge:
    """Reads a probe again and again in a thread of its own, so that a slow answer holds nobody up. Close it."""

    database: Database
    probe: LoadProbe
    _stop: threading.Event = field(default_factory=threading.Event, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _readings: list[float | str] = field(default_factory=list, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)

    def start(self) -> None:
        """Begin to read."""
        self._thread = threading.Thread(target=self._work, name=f"probe of {self.database.name}", daemon=True)
        self._thread.start()

    def new(self) -> list[float | str]:
        """The readings since the last call; a text says why there is none."""
        with self._lock:
            found, self._readings = self._readings, []
        return found

    def close(self) -> None:
        """Read no more; a reading in the air is not waited for longer than a moment."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(1.0)

    def _work(self) -> None:
        while not self._stop.is_set():
            reading = self._read()
            with self._lock:
                self._readings = [*self._readings[-9:], reading]
            self._stop.wait(self.probe.every.total_seconds())

    def _read(self) -> float | str:
        try:
            rows = self.database.rows(self.probe.sql)
        except ChangeoverError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - a probe must not end a migration
            return f"{type(error).__name__}: {error}"
        values: list[Any] = list(rows[0].values()) if rows else []
        return _number(values[-1] if values else None)


def _number(value: Any) -> float | str:
    try:
        number = float(value) if isinstance(value, int | float | str | Decimal) else math.nan
    except ValueError:
        number = math.nan
    return number if math.isfinite(number) else f"it answered {value!r}, which is no number"


@dataclass(slots=True)
class _Watched:
    """A probe with its readings and what they mean."""

    name: str  # of the database
    gauge: Gauge
    brake: Brake
    reading: float | None = None
    trouble: str = ""

    @property
    def words(self) -> str:
        probe, reading = self.brake.probe, f"{self.reading:,.10g}" if self.reading is not None else "not known"
        where = f"the load of {self.name} is {reading}"
        if self.brake.load is Load.STOPPED:
            return f"{where}, critical from {probe.critical:,.10g} on"
        return f"{where}, over {probe.most:,.10g}" if (self.reading or 0) > probe.most else f"{where}, at most {probe.most:,.10g}"


class Governor:
    """Says what a copy may do, and tells how it goes. Of the copy's own thread; close it."""

    def __init__(self, context: Context, throttle: Throttle, source: Database, target: Database) -> None:
        self._context = context
        self._throttle = throttle
        self.meter = Meter(context.clock)
        self.tail = Tail.known(context.clock, context.rehearsed())
        pairs = ((source, throttle.probe), (target, throttle.target_probe))
        self._watched = [
            _Watched(database.name, Gauge(database, probe), Brake(probe)) for database, probe in pairs if probe is not None
        ]
        self._looked: float | None = None
        self._told: float | None = None
        self._allowance = Allowance(rows_per_s=throttle.rows_per_s)
        self._set: dict[str, Value] = {}
        self._done, self._total, self._figures = 0, 0, dict[str, Value]()
        self._reason = ""
        self._said: set[str] = set()

    def start(self) -> None:
        """Begin to read the probes."""
        for watched in self._watched:
            watched.gauge.start()

    def close(self) -> None:
        """Read them no more."""
        for watched in self._watched:
            watched.gauge.close()

    @property
    def workers(self) -> int | None:
        """How many workers people want; None: as many as the runbook says."""
        wanted = self._set.get("workers")
        return wanted if isinstance(wanted, int) and not isinstance(wanted, bool) else None

    def allowed(self) -> Allowance:
        """What the copy may do now."""
        now = self._context.clock.monotonic()
        if self._looked is None or now - self._looked >= _LOOK_EVERY:
            self._looked = now
            self._set = dict(self._context.adjusted())
            for watched in self._watched:
                self._take_readings(watched)
            self._allowance, self._reason = self._settled()
            if self._told is not None and now - self._told >= _TELL_EVERY:
                self._tell(now)
        return self._allowance

    def say_once(self, line: str) -> None:
        """Say *line*, unless it has been said already."""
        if line not in self._said:
            self._said.add(line)
            self._context.say(line)

    def arrived(self, done: int, total: int, **figures: Value) -> None:
        """A chunk is committed: *done* of *total* rows have been read, with what else there is to tell."""
        self._done, self._total, self._figures = done, total, figures
        self._tell(self._context.clock.monotonic())

    def finished(self, rows: int, **figures: Value) -> None:
        """All is there: what it took after the rows is for the next run to know."""
        self.arrived(rows, rows, **figures, **self.tail.figures)

    def _take_readings(self, watched: _Watched) -> None:
        for reading in watched.gauge.new():
            if isinstance(reading, str):
                if reading != watched.trouble:
                    watched.trouble = reading
                    self._context.say(f"the load of {watched.name} is not known, and nothing changes: {reading}")
                continue
            watched.reading, watched.trouble = reading, ""
            if watched.brake.take(reading, self.meter.now):
                self._context.say(_said(watched))

    def _settled(self) -> tuple[Allowance, str]:
        """What is allowed, and why it is less than all."""
        if self._set.get("hold") is True:
            return Allowance(held=True), "held"
        stopped = [watched for watched in self._watched if watched.brake.load is Load.STOPPED]
        if stopped:
            return Allowance(held=True), f"stopped: {stopped[0].words}"
        limits: list[tuple[float, str]] = []
        wanted = self._set.get("rows_per_second")
        if isinstance(wanted, int | float) and not isinstance(wanted, bool):
            limits.append((float(wanted), f"at most {wanted:,.10g} rows/s"))
        elif self._throttle.rows_per_s is not None:
            limits.append((self._throttle.rows_per_s, f"at most {self._throttle.rows_per_s:,.10g} rows/s by its runbook"))
        for watched in self._watched:
            limit = watched.brake.limit
            if watched.brake.load is Load.SLOWED and limit is not None:
                limits.append((limit, f"slowed to {limit:,.0f} rows/s: {watched.words}"))
        if not limits:
            return Allowance(), ""
        limit, why = min(limits)
        return Allowance(rows_per_s=limit), why

    def _tell(self, now: float) -> None:
        self._told = now
        figures: dict[str, Value] = {"rate": round(self.meter.now, 1), "mean": round(self.meter.mean, 1), **self._figures}
        if self._reason:
            figures["because"] = self._reason
        left = self.tail.left
        if left is not None:
            figures["tail"] = round(left, 1)
        figures["tail_from"] = self.tail.since if self.tail.rehearsed else ""
        self._context.progress(self._done, self._total, "rows", **figures)


def _said(watched: _Watched) -> str:
    match watched.brake.load:
        case Load.STOPPED:
            return f"stopped between two blocks: {watched.words}"
        case Load.SLOWED:
            return f"slowed to {watched.brake.limit or 0:,.0f} rows/s: {watched.words}"
        case _:
            return f"as fast as allowed again: {watched.words}"
