"""The last words about a run: what came out, what is still open, what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from changeover.cli import render
from changeover.cli.stage_signs import stage_sign as look_of
from changeover.cli.wording import command, needs
from changeover.contracts import RunState, StepState
from changeover.status.model import StageState

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from changeover.status.model import RunStatus


_COMMAND: Final = "    "


def print_summary(console: Console, status: RunStatus) -> None:
    """Print it below what is on the terminal already."""
    for line in summary(status):
        typed = line.plain.startswith(_COMMAND)  # a command is copied whole, whatever its length
        console.print(line, soft_wrap=typed or not console.is_terminal)


def summary(status: RunStatus) -> Iterator[Text]:
    """The lines of the summary."""
    sign = render.RUN_SIGNS[status.state]
    held = f", {render.HELD.word}" if status.held else ""
    yield render.styled(
        (f"{sign.text()}{held}", sign.style),
        " ",
        (f" {render.mode_text(status.mode)} ", render.MODE_STYLES[status.mode]),
        f" {status.id}" + (f" after {render.duration(status.elapsed)}" if status.elapsed is not None else ""),
    )
    for stage in status.stages:
        stage_sign = look_of(stage.state, status.state)
        undoing = stage.state in {StageState.UNDOING, StageState.UNDONE}
        count = f"{stage.undone}/{stage.to_undo} undone" if undoing else f"{stage.done}/{stage.total}"
        name = render.safe(stage.title or stage.id)
        yield render.styled((f"  {stage_sign.text()}", stage_sign.style), f"  {name}  ", (count, render.FAINT))
    yield from _open(status)


def _open(status: RunStatus) -> Iterator[Text]:
    for suspension in status.suspensions:
        left = f", accepted by {suspension.left_by}" if suspension.left_by else ""
        yield render.styled((f"  still switched off: {suspension.what}{left}", render.LOUD))
    for need in needs(replace(status, engine=None)):  # whoever reads this knows that the engine has ended
        yield render.styled((f"  {render.safe(need.who)}: ", render.LOUD), render.safe(need.what))
        for words in need.commands:
            yield render.styled(_COMMAND, (render.safe(words), render.FINE))
    skipped = status.counts.get(StepState.SKIPPED, 0)
    if status.state is RunState.SUCCEEDED and skipped:
        yield render.styled((f"  {skipped} {'step was' if skipped == 1 else 'steps were'} skipped", render.CARE))
    if status.state.final:
        yield render.styled("  report: ", (command("report", status.id), render.FINE))
