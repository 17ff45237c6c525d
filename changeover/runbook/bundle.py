"""All that a run is made of: the runbook with its people and systems, and the texts they were loaded from.

The texts go into the journal, so that a run can be resumed and rolled back from the journal alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from changeover.contracts import Value
from changeover.runbook.findings import Finding
from changeover.runbook.model import Runbook
from changeover.runbook.people import People
from changeover.runbook.systems import Systems
from changeover.runbook.traces import Traces


@dataclass(frozen=True, slots=True)
class Bundle:
    """A loaded runbook with everything it refers to."""

    runbook: Runbook
    people: People
    systems: Systems
    environment: str
    sources: Mapping[str, str] = field(default_factory=dict)  # path relative to the project -> text; the runbook first
    values: Mapping[str, str] = field(default_factory=dict)  # ${values.NAME} of the systems file
    included: Mapping[str, Included] = field(default_factory=dict, compare=False, repr=False)  # by file; for lint
    traces: Traces = field(default_factory=Traces, compare=False, repr=False)  # for lint

    @property
    def digest(self) -> str:
        """SHA-256 of the sources: an approval is bound to it, and a resumed run compares it."""
        return digest_of(self.sources)


def digest_of(sources: Mapping[str, str]) -> str:
    """SHA-256 of *sources*, whatever their order."""
    hashed = hashlib.sha256()
    for path, text in sorted(sources.items()):
        hashed.update(f"{path}\0{len(text)}\0{text}".encode())
    return hashed.hexdigest()


@dataclass(frozen=True, slots=True)
class Included:
    """Another runbook, loaded as its own run would load it."""

    bundle: Bundle | None  # None: it could not be built
    findings: tuple[Finding, ...] = ()  # of loading it, and it alone
    circle: tuple[str, ...] = ()  # the files, each including the next, by which it comes back to one that is under way


@dataclass(frozen=True, slots=True)
class Start:
    """What is said at the start of a run."""

    environment: str
    inputs: Mapping[str, Value] = field(default_factory=dict)
