"""The command line: a table of commands, each loaded only when it is called, so that ``--help`` is quick."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

import changeover
from changeover.cli.exit_codes import ExitCode
from changeover.cli.failing import guarded, open_standard_streams
from changeover.cli.plain_values import spare_conversions
from changeover.errors import Mistake


@dataclass(frozen=True, slots=True)
class Entry:
    """A command: where its function (or its Typer app) lives, and what help says about it."""

    name: str
    target: str
    title: str


#: The commands in the order of help, under the heads of help.
COMMANDS: Final[dict[str, tuple[Entry, ...]]] = {
    "Before the night": (
        Entry("lint", "changeover.cli.lint:lint", "Find what is wrong in a runbook, all at once."),
        Entry("plan", "changeover.cli.plan:plan", "Show times, critical path, and until when you can go back."),
        Entry("rehearse", "changeover.cli.run:rehearse", "Run everything on the rehearsal environment."),
        Entry("hosts", "changeover.cli.hosts:app", "List hosts, check that they are fit for the night, trust their keys."),
        Entry("schema", "changeover.cli.schema:schema", "Print the JSON Schema with which editors complete runbooks."),
    ),
    "The run": (
        Entry("run", "changeover.cli.run:run", "Run a runbook; without --mode it is a dry run, with no effects."),
        Entry("resume", "changeover.cli.resume:resume", "Go on with a run after a crash or Ctrl-C."),
        Entry("takeover", "changeover.cli.resume:takeover", "Take a run from an engine that is still alive."),
        Entry("status", "changeover.cli.status:status", "Say where a run stands, or list all runs."),
        Entry("watch", "changeover.cli.watch:watch", "Watch a run live."),
        Entry("commands", "changeover.cli.asked:commands", "List what people have asked, and what became of it."),
        Entry("events", "changeover.cli.events:events", "Print the journal of a run, one line an event."),
        Entry("report", "changeover.cli.report:report", "Write the report of a run: plan and actual, decisions, checks."),
        Entry("audit", "changeover.cli.audit:app", "Prove that the record of a run is as it was written; export it."),
    ),
    "People decide": (
        Entry("approve", "changeover.cli.commands:approve", "Say go at a gate."),
        Entry("refuse", "changeover.cli.commands:refuse", "Say no-go at a gate; the run holds, nothing is rolled back."),
        Entry("done", "changeover.cli.commands:done", "Say that a manual task is done."),
        Entry("hold", "changeover.cli.commands:hold", "Let no new step start."),
        Entry("release", "changeover.cli.commands:release", "Let a held run go on."),
        Entry("adjust", "changeover.cli.adjust:adjust", "Slow a running step down, hold it, release it."),
        Entry("skip", "changeover.cli.commands:skip", "Leave a step out, with a reason."),
        Entry("retry", "changeover.cli.commands:retry", "Try a failed step again."),
        Entry("waive", "changeover.cli.commands:waive", "Give up the undo of a step; two people have to."),
        Entry("leave-off", "changeover.cli.commands:leave_off", "Accept that something switched off stays off."),
        Entry("rollback", "changeover.cli.commands:rollback", "Undo everything that has started."),
        Entry("abort", "changeover.cli.commands:abort", "Stop the run for good and undo nothing."),
        Entry("restore-indexes", "changeover.cli.restore_indexes:restore_indexes", "Make again what an aborted load took away."),
    ),
    "Without a runbook": (
        Entry("migrate", "changeover.cli.alone_commands:migrate", "Copy tables, exactly; or rehearse that with a sample."),
        Entry("reconcile", "changeover.cli.alone_commands:reconcile", "Find out whether two databases say the same."),
    ),
    "To try it out": (
        Entry("demo", "changeover.cli.demo:demo", "Watch a whole cutover of a small telecom company."),
        Entry("sandbox", "changeover.cli.sandbox:app", "Start and stop that small telecom company."),
    ),
}


@dataclass(eq=False)
class NoSuchCommand(Mistake):
    """There is no command of that name."""

    name: str

    def __str__(self) -> str:
        return f"there is no command {self.name!r}"

    @property
    def hint(self) -> str:
        near = get_close_matches(self.name, entries())
        return f"did you mean `{near[0]}`?" if near else "`changeover --help` lists the commands"


def entries() -> dict[str, Entry]:
    """Every command by name."""
    return {entry.name: entry for group in COMMANDS.values() for entry in group}


class Commands(TyperGroup):
    """The table above as a Typer group."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - Typer's signature
        return list(entries())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - Typer's signature
        entry = entries().get(cmd_name)
        return None if entry is None else load(entry)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and args[0] not in entries():
            raise NoSuchCommand(args[0])
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - Typer's signature
        for head, group in COMMANDS.items():
            with formatter.section(head):
                formatter.write_dl([(entry.name, entry.title) for entry in group])


def load(entry: Entry) -> Any:
    """Import the command and make a Typer command of it."""
    module, _, attribute = entry.target.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if isinstance(found, typer.Typer):
        found.rich_markup_mode = None  # plain help: Rich's alone takes longer than everything else
        group = typer.main.get_group(found)
        group.name = entry.name
        return group
    single = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)
    single.command(entry.name)(found)
    command = typer.main.get_command(single)
    spare_conversions(command)
    return command


app = typer.Typer(
    cls=Commands,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="COMMAND --help says more. Exit codes: docs/exit-codes.md",
)


@app.callback(invoke_without_command=True)
def changeover_(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Leave an old system for a new one in one night, and know at any moment whether you can still go back."""
    if version:
        typer.echo(f"changeover {changeover.__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit


def main(arguments: list[str] | None = None) -> int:
    """Run the program; the return value is the exit code."""
    open_standard_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a glyph shows a question mark instead

    def action() -> int:
        program = typer.main.get_command(app)
        spare_conversions(program)
        code = program.main(arguments, prog_name="changeover", standalone_mode=False)
        return code if isinstance(code, int) else ExitCode.FINE

    return int(guarded(action))
