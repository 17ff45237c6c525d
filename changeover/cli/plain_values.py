"""Values that need no conversion. Typer converts every value through Pydantic, and loading that takes longer than `status`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any


def spare_conversions(command: Any) -> None:
    """Let texts, defaults and what was not given through as they are; everything else is converted as ever.

    It rests on how Typer names its parameters' parts; where those are called otherwise nothing is spared, and nothing lost.
    """
    every = command.get_params

    def parameters(context: Any) -> Any:
        found = every(context)  # with --help, which is nobody's parameter
        for parameter in found:
            _spare(parameter)
        return found

    command.get_params = parameters


def _spare(parameter: Any) -> None:
    conversion = getattr(parameter, "get_runtime_param", None)
    annotation = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    if conversion is not None and isinstance(annotation, type) and not isinstance(conversion, partial):
        parameter.get_runtime_param = partial(_Sparing, annotation, conversion)


@dataclass(frozen=True, slots=True)
class _Sparing:
    """Converts only what is not of its type yet."""

    annotation: type
    conversion: Any  # makes Typer's own, and loads Pydantic

    def coerce(self, value: Any, *, param: Any, ctx: Any) -> Any:
        """What Typer would make of *value*."""
        several = bool(getattr(param, "multiple", False)) or getattr(param, "nargs", 1) == -1
        if value is None:
            return () if several else None
        if not several and isinstance(value, self.annotation) and (self.annotation is str or value == param.default):
            return value
        return self.conversion().coerce(value, param=param, ctx=ctx)
