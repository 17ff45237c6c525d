"""Where a detached step stands on all its hosts together, from what each of them says about its attempts. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from changeover.contracts import Found
from changeover.counting import counted
from changeover.remote.job import JobState, Stage

_NAMED: Final = 5  # hosts named in a summary


class Standing(StrEnum):
    """Where the step stands on one host."""

    DONE = "done"
    FAILED = "failed"  # it ran there, and said no
    ENDED = "ended"  # by its time-out, or by somebody
    NEVER = "never started"  # and no longer can
    RUNNING = "still running"
    LOST = "lost"
    OTHER = "another command"  # under the same name: the runbook was changed meanwhile
    SILENT = "no answer"


@dataclass(frozen=True, slots=True)
class HostStanding:
    """Where the step stands on one host, and by which attempt."""

    standing: Standing
    attempt: int = 0
    exit: int | None = None
    detail: str = ""
    before: bool = False  # an earlier attempt began there


@dataclass(frozen=True, slots=True)
class Aim:
    """What counts as done."""

    digest: str
    exit: int = 0


def standing_of(state: JobState, aim: Aim) -> HostStanding:
    """Where one attempt stands, by what its host says."""
    match state.stage:
        case Stage.FENCED | Stage.ABSENT:
            return HostStanding(Standing.NEVER, state.attempt)
        case Stage.RUNNING:
            return HostStanding(Standing.RUNNING, state.attempt)
        case Stage.LOST:
            return HostStanding(Standing.LOST, state.attempt, detail=state.word)
        case Stage.DONE if state.digest != aim.digest:
            return HostStanding(Standing.OTHER, state.attempt, state.exit)
        case Stage.DONE if state.exit == aim.exit:
            return HostStanding(Standing.DONE, state.attempt, state.exit)
        case Stage.DONE if state.word:
            return HostStanding(Standing.ENDED, state.attempt, state.exit, state.word)
        case _:
            return HostStanding(Standing.FAILED, state.attempt, state.exit)


def kept(histories: Mapping[str, Sequence[JobState]], aim: Aim) -> dict[str, HostStanding]:
    """The hosts that need not do it again: done in the round that earlier attempts have left unfinished.

    A round in which every host was done is over: whoever asks for another attempt then, wants all of it again.
    """
    found: dict[str, HostStanding] = {}
    for number in range(max(map(len, histories.values()), default=0)):
        for host, states in histories.items():
            if number < len(states) and (one := standing_of(states[number], aim)).standing is Standing.DONE:
                found[host] = one
        if len(found) == len(histories):
            found = {}
    return found


def now(histories: Mapping[str, Sequence[JobState]], aim: Aim) -> dict[str, HostStanding]:
    """Where the last attempt stands on every host, with what earlier ones have done for it; an empty history is silence."""
    before = kept({host: states[:-1] for host, states in histories.items()}, aim)
    return {host: before.get(host) or _last(states, aim) for host, states in histories.items()}


def _last(states: Sequence[JobState], aim: Aim) -> HostStanding:
    if not states:
        return HostStanding(Standing.SILENT)
    last = standing_of(states[-1], aim)
    if last.standing is not Standing.NEVER:
        return last
    # An attempt waits for an earlier one that is still at work instead of starting its own.
    earlier = [standing_of(state, aim) for state in states[:-1]]
    begun = any(one.standing is not Standing.NEVER for one in earlier)
    return next((one for one in reversed(earlier) if one.standing is Standing.RUNNING), replace(last, before=begun))


@dataclass(frozen=True, slots=True)
class Together:
    """What a probe says."""

    found: Found
    summary: str
    resumable: bool = False


def together(standings: Mapping[str, HostStanding], max_failures: int = 0) -> Together:
    """What all hosts together mean. Whatever is not known of one of them is not known of all."""
    by: dict[Standing, list[str]] = {}
    for host, one in standings.items():
        by.setdefault(one.standing, []).append(host)
    summary = "; ".join(_told(standing, by[standing], standings) for standing in Standing if standing in by)
    if Standing.RUNNING in by:
        return Together(Found.IN_PROGRESS, summary)
    if by.keys() & {Standing.LOST, Standing.OTHER, Standing.SILENT}:
        return Together(Found.CANNOT_TELL, summary)
    if by.keys() <= {Standing.NEVER} and not any(one.before for one in standings.values()):
        return Together(Found.CLEAN, summary)
    failed = len(by.get(Standing.FAILED, ())) + len(by.get(Standing.ENDED, ()))
    if Standing.NEVER in by or failed > max_failures:
        return Together(Found.PARTIAL, summary, resumable=not failed)
    return Together(Found.DONE, summary)


def _told(standing: Standing, hosts: Sequence[str], standings: Mapping[str, HostStanding]) -> str:
    if standing is Standing.DONE:
        return f"done on {len(hosts)} of {counted(len(standings), 'host')}"
    named = ", ".join(_named(host, standings[host]) for host in hosts[:_NAMED])
    return f"{standing} on {named}" + (f" and {len(hosts) - _NAMED} more" if len(hosts) > _NAMED else "")


def _named(host: str, one: HostStanding) -> str:
    if one.standing is Standing.FAILED:
        return f"{host} (exit status {one.exit})"
    return f"{host} ({one.detail})" if one.detail else host
