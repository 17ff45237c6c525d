"""``sandbox``: start, stop and look at a small telecom company on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from changeover.sandbox.faults import Fault
from changeover.sandbox.lifecycle import CUSTOMERS, FEWEST, MOST

if TYPE_CHECKING:
    from changeover.sandbox.state import State

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    help="Start and stop a small telecom company on this machine.",
)

Bundled = Annotated[bool, typer.Option("--bundled", help="Use no server of this machine, only what Python packages bring.")]
Json = Annotated[bool, typer.Option("--json", help="For programs: one JSON object.")]


@app.command()
def start(
    customers: Annotated[int, typer.Option(min=FEWEST, max=MOST, help="Fixed-line customers in the old CRM.")] = CUSTOMERS,
    fault: Annotated[Fault | None, typer.Option(help="What goes wrong in the night.")] = None,
    bundled: Bundled = False,  # noqa: FBT002 - a flag
    as_json: Json = False,  # noqa: FBT002 - a flag
) -> None:
    """Start it: two CRM databases, three hosts over SSH, web shop, app API, agents' desktop, alerts, jobs, cloud CRM, chat."""
    from changeover.sandbox import lifecycle  # noqa: PLC0415 - loaded when it is needed
    from changeover.sandbox.databases import Choice  # noqa: PLC0415

    say = (lambda _line: None) if as_json else typer.echo
    state = lifecycle.start(_folder(), customers=customers, fault=fault, choice=Choice(installed=not bundled), say=say)
    if as_json:
        typer.echo(json.dumps(_described(state)))
        return
    typer.echo(f"The sandbox is up with {state.customers:,} customers, below {state.folder}.")
    if fault is not None:
        typer.echo(f"Fault: {fault.story}.")
    typer.echo("Next: `changeover rehearse runbooks/telecom-crm.yaml --environment sandbox --set ticket=CHG-4711 --who zsofia`")


@app.command()
def stop(as_json: Json = False) -> None:  # noqa: FBT002 - a flag
    """Stop it and remove all of it."""
    from changeover.sandbox import lifecycle  # noqa: PLC0415

    stopped = lifecycle.stop(_folder())
    if as_json:
        typer.echo(json.dumps({"stopped": stopped}))
    else:
        typer.echo("The sandbox is stopped; nothing is left of it." if stopped else "No sandbox was running here.")


@app.command()
def status(as_json: Json = False) -> None:  # noqa: FBT002 - a flag
    """Say what runs, and where."""
    from changeover.sandbox import state as states  # noqa: PLC0415

    state = states.read(_folder())
    if state is None:
        typer.echo(
            json.dumps({"running": False}) if as_json else "No sandbox is running here; `changeover sandbox start` starts one."
        )
        return
    if as_json:
        typer.echo(json.dumps(_described(state)))
        return
    fault = f", fault {state.fault}" if state.fault else ""
    words = "running" if state.running else "broken: some of its processes are gone; `changeover sandbox stop` clears it away"
    typer.echo(f"{words}: {state.customers:,} customers{fault}")
    for part in state.parts:
        typer.echo(f"  {part.name:<16} {part}")
    for name, address in state.addresses.items():
        typer.echo(f"  {name:<16} {address}")


@app.command()
def fingerprint(as_json: Json = False) -> None:  # noqa: FBT002 - a flag
    """Checksums of every table, the release of every host, the state of every channel and suspension."""
    from changeover.sandbox import fingerprint as fingerprints  # noqa: PLC0415
    from changeover.sandbox import lifecycle  # noqa: PLC0415

    facts = fingerprints.take(lifecycle.running(_folder()))
    if as_json:
        typer.echo(json.dumps({f"{fact.sort} {fact.name}": fact.value for fact in facts}))
        return
    for fact in facts:
        typer.echo(f"{fact.sort:<11} {fact.name:<26} {fact.value}")


@app.command()
def mend(as_json: Json = False) -> None:  # noqa: FBT002 - a flag
    """Repair what the fault broke, as the engineer on call would."""
    from changeover.sandbox import faults, lifecycle  # noqa: PLC0415

    state = lifecycle.running(_folder())
    if state.fault:
        faults.mend(Fault(state.fault), state)
    if as_json:
        typer.echo(json.dumps({"mended": state.fault}))
    else:
        typer.echo(f"Mended: {state.fault}." if state.fault else "Nothing is broken in this sandbox.")


def _folder() -> Path:
    """Below the project's state folder."""
    from changeover.project import Project  # noqa: PLC0415

    return Project.find(Path.cwd()).state / "sandbox"


def _described(state: State) -> dict[str, Any]:
    """For programs; without passwords."""
    return {
        "running": state.running,
        "folder": str(state.folder),
        "customers": state.customers,
        "fault": state.fault,
        "parts": {part.name: {"by": part.by, "version": part.version, "source": part.source} for part in state.parts},
        "processes": {f"{process.name}-{process.pid}": process.pid for process in state.processes},
        "addresses": dict(state.addresses),
        "hosts": dict(state.homes),
    }
