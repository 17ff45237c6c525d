"""``upload``: a file on hosts, verified."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from changeover.contracts import Context, FileName, Found, Host, HostName, OnUnknown, Probe, Result, Value, key, step_kind
from changeover.counting import counted
from changeover.remote.errors import HostVerdict
from changeover.remote.file_hash import digest_of, hash_command, hash_in
from changeover.remote.fleet import on_each
from changeover.steps.on_hosts import Batches, HostsFailed, batch_problems, on_hosts
from changeover.steps.project_files import path_of
from changeover.steps.rules import exactly_one, not_empty


@step_kind("upload", timeout=timedelta(minutes=30))
@dataclass(frozen=True, slots=True)
class Upload:
    """Put a file on hosts over SSH, verified by SHA-256.

    It goes to a temporary name beside its place, is compared on the host, then moved: nobody ever sees half a file.
    Where it is already, nothing is sent.

    Output: `{hosts: {NAME: {sha256, changed}}}`.

    Dry run: the file must be readable; every host says whether it has it already.

    It may have happened: the hash on each host decides.
    """

    on: tuple[HostName, ...] = key("hosts and groups; one name is a list of one")
    to: str = key("where it goes, absolute or relative to the home directory")
    source: FileName = key("the file, relative to the project", word="from", default="")
    text: str = key("or its content", default="")
    mode: str = key("its permissions, octal", default="0644")
    batches: tuple[int | str, ...] = key(
        "sizes of the batches, numbers or percents, such as [1, 10%, 100%]; the last one repeats; left out: all at once",
        default=(),
    )
    max_failures: int = key("how many hosts may fail before no further batch begins and the step fails", default=0)

    @property
    def on_unknown(self) -> OnUnknown:
        """The hash decides."""
        return OnUnknown.PROBE

    def problems(self) -> Iterable[str]:
        """Either a file or a text, a place, and permissions that exist."""
        yield from not_empty("on", self.on)
        yield from exactly_one(from_=self.source, text=self.text)
        if "${" not in self.mode and not re.fullmatch("0?[0-7]{3,4}", self.mode):
            yield f"`mode` is octal, such as '0644'; {self.mode!r} is not"
        if not self.to.strip() or self.to.endswith("/") or "\0" in self.to:
            yield "`to` is the path of a file"
        yield from batch_problems(self.batches, self.max_failures)

    def run(self, context: Context) -> Result:
        """Send it to every host that does not have it."""
        content = self._content(context)

        def work(host: Host) -> dict[str, Value]:
            context.check_stopped()
            uploaded = host.upload(content, self.to, mode=int(self.mode, 8))
            return {"sha256": uploaded.sha256, "changed": uploaded.changed}

        result = on_hosts(context, self.on, work, batches=Batches(self.batches, self.max_failures), changes=True)
        return Result(f"{self.to} on {result.summary}", result.output)

    def dry_run(self, context: Context) -> Result:
        """Compare what each host has."""
        there, missing, _ = self._compared(context)
        return Result(f"would send {self.to} to {counted(len(missing), 'host')}; already there on {len(there)}")

    def probe(self, context: Context) -> Probe:
        """Compare what each host has."""
        there, missing, output = self._compared(context)
        if not missing:
            return Probe(Found.DONE, f"{self.to} is on {len(there)} of {counted(len(there), 'host')}", output)
        if there:
            return Probe(Found.PARTIAL, f"{self.to} is on {', '.join(there)}, not on {', '.join(missing)}")
        return Probe(Found.CLEAN, f"{self.to} is on none of {', '.join(missing)}")

    def _compared(self, context: Context) -> tuple[list[str], list[str], Value]:
        digest = digest_of(self._content(context))
        outcomes = on_each(context.hosts(self.on), lambda host: hash_in(host.run(hash_command(self._there), timeout=300)))
        for outcome in outcomes.values():
            if outcome.verdict is not HostVerdict.OK:
                raise HostsFailed(outcome.detail, outcome.hint)
        there = [name for name, outcome in outcomes.items() if outcome.value == digest]
        missing = [name for name in outcomes if name not in there]
        return there, missing, {"hosts": {name: {"sha256": digest, "changed": True} for name in there}}

    @property
    def _there(self) -> str:
        return self.to.removeprefix("~/")

    def _content(self, context: Context) -> bytes | Path:
        return self.text.encode() if self.text else path_of(context, self.source)
