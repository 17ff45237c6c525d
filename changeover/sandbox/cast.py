"""Scripted people: what they would type, a moment after they are asked. They use the program's own commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from changeover.journal.events import Event, EventKind
from changeover.sandbox.faults import Fault

#: Seconds that a person thinks before typing.
MOMENT: Final = 0.8


@dataclass(frozen=True, slots=True)
class Act:
    """A command line that a person types; ``{run}`` is the run's id, and left out where only one can be meant."""

    who: str
    words: tuple[str, ...]


def _task(step: str, who: str, evidence: str) -> Act:
    return Act(who, ("done", "{run}", step, "--evidence", evidence, "--who", who))


def _approval(step: str, who: str, why: str, *more: str) -> Act:
    return Act(who, ("approve", "{run}", step, "--why", why, *more, "--who", who))


#: What is answered to the questions of runbooks/telecom-crm.yaml.
_ANSWERS: Final[Mapping[str, tuple[Act, ...]]] = {
    "tell-the-shops": (_task("tell-the-shops", "judit", "Kata took the call at 19:31"),),
    "confirm-hosts": (_approval("confirm-hosts", "marton", "three hosts, all of the sandbox", "--type", "sandbox"),),
    "sample-lists": (_task("sample-lists", "ilona", "14 sheets"),),
    "acceptance": (_task("acceptance", "ilona", "protocol 2027/031, no deviation"),),
    "go": (
        _approval("go", "dora", "counts and sums agree"),
        _approval("go", "agnes", "the desktop shows what it should"),
    ),
    "hand-over": (_task("hand-over", "peter", "Bence has the watch"),),
}

#: What the engineer on call does when a step has failed because of a fault.
_REPAIRS: Final[Mapping[tuple[Fault, str], tuple[Act, ...]]] = {
    (Fault.CHANNEL, "open-web-shop"): (
        Act("judit", ("sandbox", "mend")),
        Act("judit", ("retry", "{run}", "open-web-shop", "--why", "the load balancer was restarted", "--who", "judit")),
    ),
}


def reactions(event: Event, fault: Fault | None) -> tuple[Act, ...]:
    """What people do when they see *event*."""
    if event.kind is EventKind.DECISION_ASKED:
        return _ANSWERS.get(event.step, ())
    if event.kind is EventKind.STEP_FAILED and fault is not None:
        return _REPAIRS.get((fault, event.step), ())
    return ()


def command_line(act: Act, run: str) -> list[str]:
    """The words of the command about *run*; nobody types the name of a run when it is empty."""
    return [word.replace("{run}", run) for word in act.words if run or word != "{run}"]
