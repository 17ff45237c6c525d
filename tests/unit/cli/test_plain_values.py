"""Sparing conversions changes no value and no complaint."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import pytest
import typer

from changeover.cli.plain_values import spare_conversions


class Size(StrEnum):
    SMALL = "small"
    LARGE = "large"


def called(*words: str, spared: bool) -> tuple[Any, ...]:
    """What a command gets for *words*."""
    got: list[tuple[Any, ...]] = []

    def command(
        name: Annotated[str, typer.Argument()] = "",
        times: Annotated[int, typer.Option(min=0)] = 3,
        wait: Annotated[float, typer.Option(max=9)] = 5.0,
        size: Annotated[Size, typer.Option()] = Size.SMALL,
        given: Annotated[list[str] | None, typer.Option("--set")] = None,
        *,
        loud: Annotated[bool, typer.Option("--loud")] = False,
    ) -> None:
        got.append((name, times, wait, size, given, loud))

    app = typer.Typer(add_completion=False)
    app.command()(command)
    built = typer.main.get_command(app)
    if spared:
        spare_conversions(built)
    try:
        built.main(list(words), standalone_mode=False)
    except Exception as error:  # noqa: BLE001 - whatever Typer says about a wrong value
        return (type(error).__name__, error.format_message())  # type: ignore[attr-defined]
    return got[0]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["x"],
        ["", "--times", "3", "--wait", "5", "--size", "small"],
        ["x", "--times", "7", "--wait", "0.5", "--size", "large", "--set", "a=b", "--set", "c", "--loud"],
        ["--times", "x"],
        ["--times", "-1"],
        ["--wait", "10"],
        ["--size", "huge"],
    ],
    ids=" ".join,
)
def test_the_command_gets_the_same_values_and_people_the_same_complaints(words: list[str]) -> None:
    plain, spared = called(*words, spared=False), called(*words, spared=True)
    assert spared == plain
    assert [type(value) for value in spared] == [type(value) for value in plain]
