"""``hosts``: what the names of a runbook stand for, whether these machines are fit for the night, and whose keys are trusted."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from changeover.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from changeover.cli.hosts_source import Source
    from changeover.remote.checking import Checked
    from changeover.runbook.systems import HostEntry

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    help="List hosts, check that they are fit for the night, trust their keys.",
)

File = Annotated[Path, typer.Argument(help="A runbook, a systems file, or an Ansible inventory.", show_default=False)]
Names = Annotated[list[str] | None, typer.Argument(help="Hosts and groups; left out: all hosts.", show_default=False)]
Environment = Annotated[
    str, typer.Option("--environment", "-e", help="Of a runbook: whose systems are meant.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")]


@app.command(name="list")
def list_(
    file: File,
    names: Names = None,
    environment: Environment = "",
    *,
    sources: Annotated[bool, typer.Option("--sources", help="Also how to get into each host, and where that is said.")] = False,
    as_json: Json = False,
) -> int:
    """Say what the names of a runbook, a systems file or an inventory stand for. Nothing is connected."""
    source = _source(file, names, environment)
    rows = _rows(source)
    if as_json:
        typer.echo(json.dumps({"hosts": rows}, ensure_ascii=False, indent=2))
    else:
        from changeover.cli.hosts_view import listed  # noqa: PLC0415 - Rich takes a while to load

        listed(source, rows, sources=sources)
    return ExitCode.FINE if rows else ExitCode.MISTAKE


@app.command()
def check(
    file: File,
    names: Names = None,
    environment: Environment = "",
    *,
    free: Annotated[int, typer.Option(help="MB that have to be free in the home directory.", min=0)] = 200,
    skew: Annotated[float, typer.Option(help="Seconds that a clock may differ from ours.", min=1)] = 5,
    program: Annotated[
        list[str] | None, typer.Option(help="A program that every host needs; repeat for more.", show_default=False)
    ] = None,
    at_once: Annotated[int, typer.Option("--at-once", help="Hosts looked at side by side.", min=1, max=500)] = 50,
    as_json: Json = False,
) -> int:
    """Look at every host: reached, key known, let in, sudo, room, clock, programs. Exit code 2 when one is not fit."""
    from changeover.remote.checking import Wanted  # noqa: PLC0415 - loaded when called, so that --help is quick

    source = _source(file, names, environment)
    results = _checked(source, Wanted(free, skew, tuple(program or ())), at_once)
    if as_json:
        typer.echo(json.dumps({"hosts": [_told(result) for result in results]}, ensure_ascii=False, indent=2))
    else:
        from changeover.cli.hosts_view import looked_at  # noqa: PLC0415 - Rich takes a while to load

        looked_at(results)
    return ExitCode.FINE if results and all(result.fit for result in results) else ExitCode.MISTAKE


@app.command()
def trust(
    file: File,
    names: Names = None,
    environment: Environment = "",
    *,
    fingerprint: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[HOST=]SHA256:...", help="The fingerprint you expect; a key that has it is written down.", show_default=False
        ),
    ] = None,
) -> int:
    """Show the keys of hosts that are not known yet, ask, and write them into known_hosts. Never without your word."""
    from changeover.cli.hosts_trust import trust_all  # noqa: PLC0415 - loaded when called, so that --help is quick

    return trust_all(_source(file, names, environment), fingerprint or [])


def _source(file: Path, names: list[str] | None, environment: str) -> Source:
    from changeover.cli.hosts_source import source_of  # noqa: PLC0415

    source = source_of(file, environment, names or [])
    for found in source.findings:
        sys.stderr.write(f"{found.at}: {found.severity.value}[{found.code}]: {found.message}\n")
    return source


def _checked(source: Source, wanted: Any, at_once: int) -> list[Checked]:
    import time  # noqa: PLC0415
    from functools import partial  # noqa: PLC0415

    from changeover.remote import checking  # noqa: PLC0415 - as above
    from changeover.remote.fleet import on_each  # noqa: PLC0415
    from changeover.remote.hosts import Hosts  # noqa: PLC0415
    from changeover.secrets import Secrets  # noqa: PLC0415

    with Hosts(checking.without_become(source.systems), base=source.root, secret=Secrets(source.root).resolve) as hosts:
        entries = source.systems.hosts
        outcomes = on_each(
            hosts.select(source.names),
            lambda host: checking.look(host, entries[host.name], wanted, partial(time.time)),
            at_once=at_once,
        )
    return [checking.checked(name, outcomes.get(name)) for name in source.names]


def _rows(source: Source) -> dict[str, dict[str, Any]]:
    """Every host that was asked for, with what its OpenSSH configuration adds."""
    from changeover.remote.hosts import Hosts  # noqa: PLC0415 - loaded when called, so that --help is quick

    with Hosts(source.systems, base=source.root, secret=str) as hosts:
        return {name: _described(source, name, hosts.settings(name)) for name in source.names}


def _described(source: Source, name: str, entry: HostEntry) -> dict[str, Any]:
    groups = [group for group in source.systems.groups if name in source.systems.members(group)]
    return {
        "address": entry.address,
        "port": entry.port,
        "user": entry.user,
        "jump": entry.jump,
        "key": entry.private_key,
        "certificate": entry.certificate,
        "known_hosts": entry.known_hosts,
        "become": (entry.become_user or "root") if entry.become else "",
        "ssh_config": entry.ssh_config,
        "groups": groups,
        "vars": dict(entry.vars),
        "said": {"key" if word == "private_key" else word: by for word, by in entry.said.items()},
    }


def _told(result: Checked) -> dict[str, Any]:
    looked = result.looked
    return {
        "host": result.name,
        "verdict": str(result.verdict),
        "fit": result.fit,
        "problems": list(looked.problems) if looked is not None else [result.detail],
        "hint": result.hint,
        "system": looked.system if looked is not None else "",
        "free_mb": looked.free_mb if looked is not None else None,
        "clock_skew_s": looked.skew_s if looked is not None else None,
    }
