"""Is a host fit for the night? One look at each: reached, known, let in, sudo, room, clock, programs. Nothing is changed."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from changeover.contracts import Host
from changeover.remote.errors import HostVerdict
from changeover.remote.fleet import Outcome
from changeover.runbook.systems import HostEntry, Systems

_MARK: Final = "changeover-check"
_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a fit host has."""

    free_mb: int = 200  # in the home directory
    skew_s: float = 5.0  # seconds that its clock may differ from ours
    programs: tuple[str, ...] = ()  # on every host, beside what the inventory says


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found on a host that let us in."""

    system: str = ""
    free_mb: int | None = None
    skew_s: float | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """The verdict on one host."""

    name: str
    verdict: HostVerdict
    detail: str = ""
    hint: str = ""
    looked: Looked | None = None

    @property
    def fit(self) -> bool:
        """Whether nothing is wrong with it. A host that nobody looked at is not fit."""
        return self.looked is not None and not self.looked.problems

    @property
    def words(self) -> str:
        """What is wrong, or nothing."""
        return self.detail if self.looked is None else "; ".join(self.looked.problems)


def without_become(systems: Systems) -> Systems:
    """The same hosts, with commands that run as who logs in: whether `sudo` works is a question of its own."""
    return replace(systems, hosts={name: replace(entry, become=False) for name, entry in systems.hosts.items()})


def look(host: Host, entry: HostEntry, wanted: Wanted, now: Callable[[], float]) -> Looked:
    """Look at *host*. Raises HostSetback or HostUnclear when it does not let us in or does not answer."""
    began, asked = now(), time.monotonic()
    ended = host.run(_script(entry, wanted), timeout=_SECONDS)
    middle = began + (time.monotonic() - asked) / 2
    facts: dict[str, list[str]] = {}
    for match in re.finditer(rf"^{_MARK} (\w+) (.*)$", ended.stdout, re.MULTILINE):
        facts.setdefault(match[1], []).append(match[2].strip())
    free = next((int(text) // 1024 for text in facts.get("free", ()) if text.isdecimal()), None)
    skew = next((round(int(text) - middle, 1) for text in facts.get("time", ()) if text.isdecimal()), None)
    return Looked(" ".join(facts.get("system", ())), free, skew, tuple(_problems(facts, free, skew, wanted)))


def checked(name: str, outcome: Outcome[Looked] | None) -> Checked:
    """The verdict on a host, also on one that nobody got round to."""
    if outcome is None:
        return Checked(name, HostVerdict.NOT_STARTED, "nobody looked at it", "Run the check again, with more time.")
    if outcome.value is None:
        return Checked(name, outcome.verdict, _bare(outcome.detail, name, outcome.verdict), outcome.hint)
    return Checked(name, HostVerdict.OK if not outcome.value.problems else HostVerdict.FAILED, looked=outcome.value)


def _bare(detail: str, name: str, verdict: HostVerdict) -> str:
    """*detail* without what stands beside it already."""
    return detail.removeprefix(f"{name}: ").removesuffix(f" ({verdict})").removesuffix(f" ({verdict})")


def _script(entry: HostEntry, wanted: Wanted) -> str:
    """POSIX sh: each fact on a line of its own."""
    who = f"-u {shlex.quote(entry.become_user)} " if entry.become_user else ""
    programs = dict.fromkeys((*entry.needs, *wanted.programs, *(("sudo",) if entry.become else ())))
    lines = [
        f'say() {{ printf "{_MARK} %s %s\\n" "$1" "$2"; }}',
        'say time "$(date +%s)"',
        'say system "$(uname -sr)"',
        "say free \"$(df -Pk . | awk 'NR == 2 {print $4}')\"",
        *(f"command -v {shlex.quote(program)} >/dev/null 2>&1 || say missing {shlex.quote(program)}" for program in programs),
    ]
    if entry.become:
        lines.append(f'why=$(sudo -n {who}-- true 2>&1 </dev/null) || say sudo "$why"')
    return "\n".join([*lines, ":"])


def _problems(facts: dict[str, list[str]], free: int | None, skew: float | None, wanted: Wanted) -> Sequence[str]:
    found = [f"{program} is not installed" for program in facts.get("missing", ())]
    found += [f"`sudo -n` does not work: {why or 'it says nothing'}" for why in facts.get("sudo", ())]
    if free is None:
        found.append("how much room it has is not known")
    elif free < wanted.free_mb:
        found.append(f"{free} MB are free, and {wanted.free_mb} are needed")
    if skew is None:
        found.append("what time it has is not known")
    elif abs(skew) > wanted.skew_s:
        found.append(f"its clock is {abs(skew):g} s {'ahead' if skew > 0 else 'behind'}")
    return found
