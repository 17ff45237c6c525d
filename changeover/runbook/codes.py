"""Every code that lint can say: how bad it is and why it matters. Codes are stable; docs/findings/ has a page for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from changeover.runbook.findings import Finding, Severity
from changeover.runbook.position import Position


@dataclass(frozen=True, slots=True)
class Code:
    """One sort of finding."""

    slug: str
    why: str
    severity: Severity = Severity.ERROR
    blocks_run: bool = False  # a warning in lint that no run starts with all the same


CODES: Final[dict[str, Code]] = {}


def _error(slug: str, why: str) -> None:
    CODES[slug] = Code(slug, why)


def _warning(slug: str, why: str, *, blocks_run: bool = False) -> None:
    CODES[slug] = Code(slug, why, Severity.WARNING, blocks_run)


def finding(code: str, message: str, hint: str, at: Position, severity: Severity | None = None) -> Finding:
    """A finding of a registered code, as severe as that code is unless told otherwise. KeyError when nobody registered it."""
    known = CODES[code]
    return Finding(code, message, hint, at, severity or known.severity, known.blocks_run)


# files and YAML
_error(
    "file-missing", "a run takes everything it needs into its journal before it starts; what is missing then is missing at night"
)
_error("file-unreadable", "what cannot be read cannot be checked")
_error("file-too-large", "a runbook is read by people; limits keep a wrong file from eating the machine")
_error("not-utf8", "text in another encoding shows other characters than its author wrote")
_error("strange-character", "invisible characters make two names differ that look alike")
_error("yaml-syntax", "nothing after this place could be read")
_error("yaml-anchor", "a text that means what stands elsewhere cannot be read aloud on a bridge call")
_error("yaml-tag", "tags make a YAML reader build things; a runbook is text, numbers, lists and mappings")
_error("yaml-document", "one file is one runbook; a second document would be ignored silently")
_error("empty-file", "there is nothing to run")
_error("duplicate-key", "YAML readers keep one of the two silently, and not always the one you look at")
_error("unknown-key", "a key that nobody reads does nothing, silently, on the night")
_error("missing-key", "without it nobody knows what is meant")
_error("empty-value", "a key without a value is a thought that was not finished")
_error("wrong-type", "a value of another type would be guessed at; nothing is guessed on the night")
_error("invalid-value", "the value cannot be used as it stands")

# the shape of a runbook
_error("unknown-kind", "a step of a kind that nobody knows cannot be run")
_error("missing-kind", "a step has to say what it does")
_error("two-kinds", "one step does one thing, so that it can be retried and undone as one")
_error("bad-id", "ids are spoken on the bridge and typed in a hurry")
_error("duplicate-id", "a command such as `retry copy` must mean one step")
_error("unknown-environment", "which machines a run acts on is never guessed")
_warning("values-missing", "addresses and ports of this machine are not known, so a run would refuse to start", blocks_run=True)
_error("value-missing", "an empty place in a command or a URL is how the wrong thing gets deleted")
_error("unknown-timezone", "every wall-clock time of the runbook depends on it")

# structure
_error("empty-stage", "a stage without steps says that something happens which does not")
_warning("missing-owner", "at 3 a.m. somebody has to be asked, and everybody thinks that it is somebody else")
_error("missing-rollback", "whether there is a way back is decided now, not at 3 a.m.")
_warning("verify-without-check", "a green stage that checked nothing is believed")
_error("mandatory-and-optional", "nobody could say whether it may be skipped")
_error("timeout-too-short", "a step that goes well would be stopped and counted as failed")
_error("rollback-not-possible", "from the point of no return on rollback is not offered")
_warning("no-effect", "what has no effect makes people believe in something that does not happen")
_error("bad-capture", "the value would be missing when the rollback needs it")

# order
_error("unknown-stage", "a need that names nothing is no need, and the order would be another one")
_error("cycle", "each would wait for the other for ever")
_error("order-broken", "an order that is only usual is another one on the night that matters")
_warning("duplicate-step", "doing it twice is seldom what was meant; it is usually a copied line that was not changed")

# names
_error("unknown-database", "the step would fail when it starts")
_error("unknown-service", "the step would fail when it starts")
_error("unknown-channel", "a channel that is not closed takes orders into the old system")
_error("unknown-host", "a machine that is not there is a machine that is not changed")
_error("unknown-person", "nobody would be asked, and nobody could answer")
_error("unknown-step", "what refers to a step that is not there refers to nothing")
_error("unknown-function", "the step would fail when it starts")
_error("unknown-file", "the step would fail when it starts")
_error("unknown-value", "a name that stands for nothing would be found out in the middle of the night")
_error("unknown-input", "nobody can give a value that nobody is asked for")
_error("arguments-do-not-fit", "the function could not be called")
_error(
    "inputs-do-not-fit",
    "the included runbook would be refused at night, or run with something else than was meant",
)
_error("broken-include", "the included runbook would be refused in the middle of the night")

# hosts
_error("bad-range", "a range that is not understood stands for machines that nobody looks at")
_warning("inventory-not-understood", "what the other tool knows of a machine and we do not may be what makes it different")

# captured values
_error("never-captured", "whoever needs the value would not get it; a rollback without it refuses rather than guesses")
_error("captured-later", "the value may not be there yet when it is needed")
_error("rollback-needs-uncaptured", "a rollback without its value refuses rather than guesses")

# suspensions, the point of no return, people
_error("suspension-without-end", "what is switched off for a night stays off for weeks when nobody has to think of it")
_error("resume-not-after", "it could be switched on before it is switched off, and stay off")
_warning("resume-not-certain", "a step that may be skipped is no promise")
_warning("several-points-of-no-return", "people have to know the one moment from which there is no way back")
_warning("point-of-no-return-skippable", "whether there is still a way back would depend on a condition")
_error("no-way-forward", "when it fails there, nobody knows what to do, and there is no way back")
_error("self-approval", "a decision of whoever is asking for it is none")
_error("quorum-unreachable", "the run would hold there for ever")
_error("owner-absent", "the one who knows is on holiday: it has happened, three days before the night")
_warning("deputy-stands-in", "the deputy has to know that it is their night")
_error("roles-not-separate", "four eyes are two persons")

# times, inputs, conditions, secrets
_error("time-missing", "on the night on which the clocks go forward it never comes")
_error("time-twice", "on the night on which the clocks go back nobody knows which of the two is meant")
_error("times-reversed", "nothing fits into an interval that ends before it begins")
_warning("time-outside-window", "what waits for it would leave the window, or not wait at all")
_error("bad-input", "nobody could give it")
_error("bad-default", "a run that nobody gives the value to would start with one that is refused")
_error("bad-pattern", "nothing could match it")
_error("bad-condition", "whether the step runs would be a matter of luck")
_error("unreachable-step", "a step that never runs is one that somebody relies on in vain")
_error("secret-in-clear", "texts of a run go into the journal and the report, where everybody reads them")
