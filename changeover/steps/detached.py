"""Detached work of a step on its hosts: started once on each, found again after a crash, never repeated where it is done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from changeover.contracts import Completed, Context, Found, Host, Probe, Result, Value
from changeover.remote.detached import Detached
from changeover.remote.errors import HostVerdict
from changeover.remote.fleet import on_each
from changeover.remote.job import Asked, Heard, Job, JobName, JobState, Order, job_name
from changeover.remote.standing import Aim, HostStanding, Standing, kept, now, standing_of, together
from changeover.steps.completed import ended, require_exit, stdout_of
from changeover.steps.on_hosts import Batches, Ear, on_hosts

#: Seconds that a host which does not answer gets before a probe goes on without it, and between two tries.
_ANSWERS_WITHIN: Final = 40.0
_AGAIN: Final = 2.0


#: How a command is tied to its connection; empty: by whether it changes anything.
Mode = Literal["", "attached", "detached"]
OnLost = Literal["hold", "check"]


def runs_detached(mode: str, *, changes: bool) -> bool:
    """Whether a command outlives its connection."""
    return mode == "detached" or (changes and not mode)


def lost_problems(on_lost: str, probe: str) -> Iterable[str]:
    """What is wrong with a wish to check what was lost."""
    if on_lost == "check" and not probe.strip():
        yield "`on_lost: check` needs `probe`, the command that finds out"


@dataclass(frozen=True, slots=True)
class Commanded:
    """What runs on every host, and what counts as done."""

    order_for: Callable[[Host], Order]
    aim: Aim
    prepare: Callable[[Host], None] | None = None  # before it starts there, such as sending a script


@dataclass(frozen=True, slots=True)
class Check:
    """The author's *command* that finds out what is there: exit status 0 all of it, 1 nothing, 2 a part; empty: nobody can."""

    command: str = ""
    of_lost: bool = False  # it is also believed where the command was lost

    def finds_out(self, standing: Standing) -> bool:
        """Whether it is asked about a host where the step stands so."""
        return bool(self.command) and (
            standing in {Standing.FAILED, Standing.ENDED} or (self.of_lost and standing is Standing.LOST)
        )


def run_detached(context: Context, names: Sequence[str], commanded: Commanded, batches: Batches) -> Result:
    """Run it on all hosts of *names*, batch by batch; not again where an earlier attempt of this round has done it."""
    histories = _histories_before(context, context.hosts(names))
    done = kept(histories, commanded.aim)
    turn = threading.Lock()
    if done:
        context.say(f"done already on {', '.join(done)}: not done again there")

    def work(host: Host) -> dict[str, Value]:
        context.check_stopped()
        ear = Ear(context, host.name, turn)
        try:
            earlier = done.get(host.name) or at_work(histories.get(host.name, ()), commanded.aim)
            if earlier is None and commanded.prepare is not None:
                commanded.prepare(host)
            completed = to_its_end(context, host, commanded.order_for(host), ear, earlier)
        finally:
            ear.close()
        require_exit(host.name, completed, commanded.aim.exit)
        return {"exit": completed.exit, "stdout": stdout_of(completed)}

    return on_hosts(context, names, work, batches=batches, changes=True)


def to_its_end(
    context: Context, host: Asked, order: Order, hear: Callable[[str], None], earlier: HostStanding | None
) -> Completed:
    """The end of *order* on one host: of this attempt, or of an *earlier* one that is at work or done."""
    if earlier is not None:
        return Detached(host, _name(context, host, earlier.attempt), order, hear).resume()
    return Detached(host, _name(context, host), replace(order, limit=context.remaining()), hear).run()


def at_work(states: Sequence[JobState], aim: Aim) -> HostStanding | None:
    """The attempt that is still under way, if there is one: nobody starts another beside it."""
    found = [one for state in states if (one := standing_of(state, aim)).standing is Standing.RUNNING]
    return found[-1] if found else None


def _histories_before(context: Context, hosts: Sequence[Host]) -> dict[str, tuple[JobState, ...]]:
    """What earlier attempts came to, on hosts that answer; none of them can begin any more."""
    if context.attempt == 1:
        return {}
    outcomes = on_each(hosts, lambda host: fenced(context, host, context.attempt - 1))
    return {host: outcome.value or () for host, outcome in outcomes.items()}


def fenced(context: Context, host: Asked, attempt: int) -> tuple[JobState, ...]:
    """Where *attempt* and the earlier ones stand on one host; none of them begins from now on."""
    return Job(host, _name(context, host, attempt)).fence(Heard(lambda _piece: context.check_stopped()))


def _name(context: Context, host: Asked, attempt: int = 0) -> JobName:
    return job_name(context.run_id, context.step, attempt or context.attempt, host.name)


def probe_detached(context: Context, names: Sequence[str], commanded: Commanded, *, max_failures: int, check: Check) -> Probe:
    """Fence the attempt on every host, then find out where it stands."""
    hosts = context.hosts(names)
    histories = _all_fenced(context, hosts)
    standings = now(histories, commanded.aim)
    outputs: dict[str, Value] = {}
    if Standing.RUNNING not in {one.standing for one in standings.values()}:
        standings = {host.name: _checked(context, host, standings[host.name], check, commanded.aim.exit) for host in hosts}
    answer = together(standings, max_failures)
    if answer.found is Found.DONE:
        outputs = {host.name: _told(context, host, standings[host.name]) for host in hosts}
    return Probe(answer.found, answer.summary, {"hosts": outputs} if outputs else None, resumable=answer.resumable)


def probe_attached(context: Context, names: Sequence[str], command: str) -> Probe:
    """What the author's *command* says on every host about a command that ran attached."""
    if not command:
        return Probe(Found.CANNOT_TELL, "it ran attached, and no `probe` was written")
    hosts = context.hosts(names)
    in_doubt = HostStanding(Standing.LOST, context.attempt, detail="it ran attached")
    outcomes = on_each(hosts, lambda host: _checked(context, host, in_doubt, Check(command, of_lost=True), 0))
    answer = together({host: outcome.value or HostStanding(Standing.SILENT) for host, outcome in outcomes.items()})
    return Probe(answer.found, answer.summary)


def _all_fenced(context: Context, hosts: Sequence[Host]) -> dict[str, tuple[JobState, ...]]:
    """Every host's history up to the attempt in doubt; empty for one that has not answered in time."""
    histories: dict[str, tuple[JobState, ...]] = {host.name: () for host in hosts}
    until = context.clock.monotonic() + _ANSWERS_WITHIN
    while silent := [host for host in hosts if not histories[host.name]]:
        outcomes = on_each(silent, lambda host: fenced(context, host, context.attempt))
        histories.update({host: outcome.value or () for host, outcome in outcomes.items()})
        mute = [outcome for outcome in outcomes.values() if outcome.verdict is not HostVerdict.OK]
        if not mute:
            break
        if context.clock.monotonic() >= until:
            context.log("".join(f"{outcome.detail}\n" for outcome in mute))
            break
        context.sleep(_AGAIN)
    return histories


def _checked(context: Context, host: Host, one: HostStanding, check: Check, good: int) -> HostStanding:
    """Where it stands on a host where it did not end well, by what the author's check says."""
    if not check.finds_out(one.standing):
        return one
    completed = host.run(check.command, timeout=60.0, output=lambda _piece: context.check_stopped())
    context.log(f"{host.name}: the check says {ended(completed)}\n")
    found = {0: Standing.DONE, 1: Standing.NEVER, 2: Standing.ENDED}.get(completed.exit, Standing.LOST)
    code = good if found is Standing.DONE else one.exit
    return HostStanding(found, one.attempt, code, detail=f"{one.detail}; the check says {ended(completed)}".lstrip("; "))


def _told(context: Context, host: Host, one: HostStanding) -> dict[str, Value]:
    if one.standing is Standing.DONE:
        return {"exit": one.exit, "stdout": stdout_of(result_of(context, host, one))}
    return {"verdict": str(HostVerdict.FAILED), "detail": f"{host.name} ended with exit status {one.exit}"}


def result_of(context: Context, host: Asked, one: HostStanding) -> Completed:
    """The kept result of an attempt that is done."""
    heard = Heard(lambda _piece: context.check_stopped())
    Job(host, _name(context, host, one.attempt)).tail(heard, wait=0)
    return heard.completed(one.exit or 0)
