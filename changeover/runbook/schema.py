"""The JSON Schema of the language, made from the model and the registered step kinds, for editors that complete and check."""

from __future__ import annotations

import dataclasses
import inspect
import types
from collections.abc import Mapping
from collections.abc import Sequence as SequenceProtocol
from datetime import date, timedelta
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from changeover.contracts import Expected, Kind, Quoted, Value
from changeover.contracts import Names as NamesSort
from changeover.runbook import step_reader
from changeover.runbook.dataclass_reader import SHORTHANDS, FieldPlan, field_plans
from changeover.runbook.inventory import Inventory
from changeover.runbook.model import Parallel, Rollback, Runbook, Stage, Step, WallTime
from changeover.runbook.people import People
from changeover.runbook.systems import SystemsFile
from changeover.runbook.tree import Node

Schema = dict[str, Any]

#: What there are schemas of.
FILES: Final[dict[str, type[Any]]] = {"runbook": Runbook, "people": People, "systems": SystemsFile, "inventory": Inventory}

_DURATION: Final = r"^(\d+d)?(\d+h)?(\d+m)?(\d+s)?$"
_WALL_TIME: Final = r"^\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2})?$"
_LATER: Final[Schema] = {"type": "string", "pattern": r"\$\{"}
_TEXT: Final[Schema] = {"type": ["string", "number", "boolean"]}  # whatever YAML makes of it, it is read as written


def schema(kinds: Mapping[str, Kind], file: str = "runbook") -> Schema:
    """The JSON Schema (draft 7) of a runbook, or of a people or systems file. KeyError for another file."""
    writer = _Writer(kinds)
    python = FILES[file]
    top = writer.object_of(python)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": f"changeover: {file}",
        "description": inspect.getdoc(python),
        **top,
        "definitions": dict(sorted(writer.definitions.items())),
    }


class _Writer:
    """Collects definitions while hints are turned into schemas."""

    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        self._kinds = kinds
        self._late = False  # inside a step kind, where ${...} may stand for any value
        self.definitions: dict[str, Schema] = {}

    def object_of(self, python: type[Any], *, without: frozenset[str] = frozenset()) -> Schema:
        """The schema of a mapping with the keys of a dataclass."""
        plans = [plan for plan in field_plans(python) if plan.name not in without]
        required = [plan.word for plan in plans if plan.required]
        found: Schema = {
            "type": "object",
            "properties": {plan.word: self._property(python, plan) for plan in plans},
            "additionalProperties": False,
        }
        return {**found, "required": required} if required else found

    def _property(self, python: type[Any], plan: FieldPlan) -> Schema:
        described: Schema = {"description": plan.meaning} if plan.meaning else {}
        fields = {field.name: field for field in dataclasses.fields(python)}
        default = fields[plan.name].default
        if isinstance(default, (bool, int, float)) or (isinstance(default, str) and default):
            described["default"] = default.value if isinstance(default, Enum) else default
        found = self.of(plan.hint)
        # in draft 7 whatever stands beside a $ref is ignored
        return {**described, "allOf": [found]} if "$ref" in found else {**found, **described}

    def of(self, hint: Any) -> Schema:
        """The schema of a type hint."""
        origin = get_origin(hint)
        if hint == Mapping[str, Stage]:
            return self._stages()
        if hint == tuple[Step | Parallel, ...]:
            group = {"type": "object", "properties": {"parallel": self._list(self._step("step"))}, "required": ["parallel"]}
            return self._list({"anyOf": [self._step("step"), {**group, "additionalProperties": False}]})
        if hint == tuple[Step, ...]:
            return self._list(self._step("rollback-step"))
        if hint is Any or hint in (Value, Node):
            return {}
        if origin is Annotated:
            return self._annotated(hint)
        if origin is Literal:
            return self._choice([*get_args(hint)])
        if origin in {Union, types.UnionType}:
            return self._union(get_args(hint))
        if origin in {tuple, list, SequenceProtocol}:
            return self._list_or_one(get_args(hint)[0])
        if origin in {dict, Mapping}:
            return self._or_later({"type": "object", "additionalProperties": self.of(get_args(hint)[1])})
        return self._plain(hint)

    def _plain(self, hint: Any) -> Schema:
        scalars: dict[Any, Schema] = {
            str: _TEXT,
            Path: _TEXT,
            int: {"type": "integer"},
            float: {"type": "number"},
            bool: {"type": "boolean"},
            date: {"type": "string", "format": "date"},
            timedelta: {"type": "string", "pattern": _DURATION, "examples": ["90s", "20m", "1h30m"]},
            WallTime: {"type": "string", "pattern": _WALL_TIME, "examples": ["2027-03-13 19:00"]},
        }
        if hint in {str, Path}:
            return dict(_TEXT)
        if hint in scalars:
            return self._or_later(scalars[hint])
        if isinstance(hint, type) and issubclass(hint, Enum):
            return self._choice([member.value for member in hint])
        if hint is Step:
            return self._step("inline-step")
        if hint is Rollback:
            return self._rollback()
        if hint is Expected:
            inside = {"likely": self.of(timedelta), "worst": self.of(timedelta)}
            mapping = {"type": "object", "properties": inside, "required": ["likely"], "additionalProperties": False}
            return {"anyOf": [self.of(timedelta), mapping]}
        return self._dataclass(hint)

    def _dataclass(self, python: type[Any]) -> Schema:
        kind = next((kind for kind in self._kinds.values() if kind.python is python), None)
        name = f"kind-{kind.word}" if kind is not None else python.__name__.lower() + ("-late" if self._late else "")
        if name not in self.definitions:
            self.definitions[name] = {}  # a dataclass may hold itself
            outside, self._late = self._late, self._late or kind is not None
            found = {"description": inspect.getdoc(python) or python.__name__, **self._with_shorthand(python, kind)}
            self._late = outside
            self.definitions[name] = found
        return {"$ref": f"#/definitions/{name}"}

    def _with_shorthand(self, python: type[Any], kind: Kind | None) -> Schema:
        mapping = self.object_of(python)
        short = kind.shorthand if kind is not None else SHORTHANDS.get(python, "")
        plan = next((plan for plan in field_plans(python) if plan.name == short), None)
        return mapping if plan is None else {"anyOf": [mapping, self.of(plan.hint)]}

    def _annotated(self, hint: Any) -> Schema:
        inner, *marks = get_args(hint)
        found = self.of(inner)
        for mark in marks:
            if isinstance(mark, NamesSort):
                found = {**found, "title": f"a name of {mark.sort}"}
            elif isinstance(mark, Quoted):
                found = {**found, "title": "shell text; values are quoted"}
        return found

    def _union(self, hints: tuple[Any, ...]) -> Schema:
        options = [self.of(hint) for hint in hints if hint is not type(None)]
        return options[0] if len(options) == 1 else {"anyOf": options}

    def _choice(self, choices: list[Any]) -> Schema:
        return self._or_later({"enum": choices})

    def _or_later(self, found: Schema) -> Schema:
        return {"anyOf": [found, _LATER]} if self._late else found

    def _list(self, item: Schema) -> Schema:
        return {"type": "array", "items": item}

    def _list_or_one(self, item: Any) -> Schema:
        one = self.of(item)
        if get_origin(item) in {tuple, list} or not one:
            return self._or_later(self._list(one))
        return {"anyOf": [self._list(one), one]}

    def _stages(self) -> Schema:
        if "stage" not in self.definitions:
            self.definitions["stage"] = {}
            self.definitions["stage"] = {"description": inspect.getdoc(Stage), **self.object_of(Stage, without=frozenset({"id"}))}
        return {
            "type": "object",
            "propertyNames": {"pattern": f"^{step_reader.ID.pattern}$"},
            "additionalProperties": {"$ref": "#/definitions/stage"},
        }

    def _rollback(self) -> Schema:
        return {"anyOf": [self._list(self._step("rollback-step")), self.object_of(Rollback)]}

    def _step(self, name: str) -> Schema:
        """A step in one of its three places: ``step`` has an id, ``rollback-step`` may have one, ``inline-step`` has none."""
        if name not in self.definitions:
            self.definitions[name] = {}
            plans = [plan for plan in step_reader.step_keys().values() if name != "inline-step" or plan.name != "id"]
            properties = {plan.word: self._property(Step, plan) for plan in plans}
            for kind in self._kinds.values():
                properties[kind.word] = {"description": kind.title, "allOf": [self._dataclass(kind.python)]}
            found: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
            if name == "step":
                found["required"] = ["id"]
            if self._kinds:
                found["oneOf"] = [{"required": [word]} for word in self._kinds]
            self.definitions[name] = found
        return {"$ref": f"#/definitions/{name}"}
