"""What can go wrong with the journal, in words. Free of SQLAlchemy, so that anybody can catch it cheaply."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from importlib import metadata

from changeover.errors import ChangeoverError, Mistake, Setback
from changeover.journal.events import EventKind
from changeover.journal.records import Owner


@dataclass(eq=False)
class JournalUnavailable(Setback):
    """The journal cannot be read or written. Nothing new is started; what was committed stays."""

    where: str  # the file, or the address without the password
    why: str
    cure: str = ""

    def __str__(self) -> str:
        return f"the journal {self.where} cannot be used: {self.why}"

    @property
    def hint(self) -> str:
        return self.cure


@dataclass(eq=False)
class JournalAddressWrong(Mistake):
    """The journal's URL cannot be used."""

    why: str

    def __str__(self) -> str:
        return f"the journal's address {self.why}"

    @property
    def hint(self) -> str:
        return "write sqlite:////absolute/path/journal.db or postgresql://user@host/database into CHANGEOVER_JOURNAL"


@dataclass(eq=False)
class JournalMissing(Mistake):
    """There is no journal yet."""

    where: str

    def __str__(self) -> str:
        return f"there is no journal at {self.where}"

    @property
    def hint(self) -> str:
        return "start a run first, look in the right project folder, or set CHANGEOVER_JOURNAL"


@dataclass(eq=False)
class JournalEmpty(Setback):
    """There is a file where the journal should be, and nothing in it: no run has begun there, or all is lost."""

    where: str

    def __str__(self) -> str:
        return f"the journal {self.where} is an empty file"

    @property
    def hint(self) -> str:
        return (
            "a journal is never empty once a run has begun: bring it back from a copy; if there never was a run, delete it, "
            "and `changeover run` makes a new one"
        )


@dataclass(eq=False)
class JournalTooNew(Mistake):
    """The journal was written by a newer changeover."""

    where: str
    found: str
    known: str  # the newest schema that this program knows

    def __str__(self) -> str:
        return f"the journal {self.where} has schema {self.found}; this changeover {_program()} knows schemas up to {self.known}"

    @property
    def hint(self) -> str:
        return f"install the changeover that wrote it or a newer one (schema {self.found}); nothing was changed in it"


@dataclass(eq=False)
class JournalTooOld(Mistake):
    """The journal was written by an older changeover, and a reader does not migrate it."""

    where: str
    found: str
    known: str  # the schema that this program needs

    def __str__(self) -> str:
        return f"the journal {self.where} has schema {self.found}; this changeover {_program()} needs schema {self.known}"

    @property
    def hint(self) -> str:
        return "when no older engine is at work on it any more, the next `run` or `resume` migrates it"


@dataclass(eq=False)
class NoSuchRun(Mistake):
    """No run, or more than one, is meant by what was typed."""

    name: str
    near: tuple[str, ...]  # what may have been meant
    ambiguous: bool = False

    def __str__(self) -> str:
        if self.ambiguous:
            return f"{self.name!r} is the beginning of {', '.join(self.near)}"
        return "there is no run yet" if self.name == "latest" else f"there is no run {self.name!r}"

    @property
    def hint(self) -> str:
        if self.ambiguous:
            return "write more of its name"
        return f"did you mean {' or '.join(self.near)}?" if self.near else "start one with `changeover run`"


@dataclass(eq=False)
class RunExists(Mistake):
    """A run of this name has been created already."""

    run: str

    def __str__(self) -> str:
        return f"run {self.run} exists already"

    @property
    def hint(self) -> str:
        return f"go on with it by `changeover resume {self.run}`, or start another under a new name"


@dataclass(eq=False)
class RunOwned(Mistake):
    """Another engine owns the run, and is alive as far as anybody can tell."""

    run: str
    owner: Owner
    since: datetime
    seconds_left: float

    def __str__(self) -> str:
        return f"run {self.run} is owned by {self.owner} since {self.since:%Y-%m-%d %H:%M:%S} UTC"

    @property
    def hint(self) -> str:
        ends = f"in {self.seconds_left:.0f} s its lease ends unless it renews it" if self.seconds_left > 0 else "try again"
        takeover = f"`changeover takeover {self.run} --why ...`"
        return f"act on it with `hold`, `approve`, `abort` from here; if that engine is gone, {ends}, or take it over: {takeover}"


@dataclass(eq=False)
class LeaseLost(Setback):
    """Another engine took the run over: this one must stop at once, and has written nothing since."""

    run: str
    epoch: int
    by: Owner | None

    def __str__(self) -> str:
        by = f"was taken over by {self.by}" if self.by else "is no longer this engine's"
        return f"run {self.run} {by}; this engine stops"

    @property
    def hint(self) -> str:
        return f"follow it with `changeover watch {self.run}`"


@dataclass(eq=False)
class PassedTwice(ChangeoverError):
    """A step would have passed for a second time: the database refuses that, whatever the engine believes."""

    run: str
    steps: tuple[str, ...]

    def __str__(self) -> str:
        return f"run {self.run}: {', '.join(self.steps)} has passed already and cannot pass again"

    @property
    def hint(self) -> str:
        return "nothing was written. This is a bug of changeover: `resume` the run, and report it with its journal"


@dataclass(eq=False)
class NoSuchCommand(Mistake):
    """No command has this number."""

    number: int

    def __str__(self) -> str:
        return f"there is no command {self.number}"


@dataclass(eq=False)
class AnsweredAlready(Mistake):
    """A command is answered once."""

    number: int

    def __str__(self) -> str:
        return f"command {self.number} has been answered already"


@dataclass(eq=False)
class CapturedTooLarge(Setback):
    """A step captured more than the journal keeps."""

    step: str
    size: int  # bytes
    limit: int  # bytes

    def __str__(self) -> str:
        return f"step {self.step!r} captured {self.size:,} bytes; the journal keeps at most {self.limit:,} for a step"

    @property
    def hint(self) -> str:
        return "capture an id, a count or a file's path (`capture: {id: $.id}`) instead of the whole output"


@dataclass(eq=False)
class EventTooLarge(Setback):
    """An event cannot be cut to a size that the journal takes."""

    kind: EventKind
    step: str
    size: int

    def __str__(self) -> str:
        of = f" of step {self.step!r}" if self.step else ""
        return f"the event {self.kind}{of} has {self.size:,} bytes, too many for the journal"

    @property
    def hint(self) -> str:
        return "shorten the names it carries (people who may decide, what is suspended); texts are cut by themselves"


@dataclass(eq=False)
class CommandTooLarge(Mistake):
    """Somebody wrote more than fits."""

    size: int  # bytes
    limit: int  # bytes

    def __str__(self) -> str:
        return f"reason and evidence have {self.size:,} bytes; at most {self.limit:,} fit"

    @property
    def hint(self) -> str:
        return "put the evidence into a file or a ticket, and name it here"


def _program() -> str:
    try:
        return metadata.version("changeover")
    except metadata.PackageNotFoundError:
        return "of this checkout"
