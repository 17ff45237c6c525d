"""What one binding carries along: where findings go, the values for ``${...}``, and what was come across."""

from __future__ import annotations

import difflib
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, final

from changeover.contracts import Kind
from changeover.errors import Mistake
from changeover.runbook.codes import finding
from changeover.runbook.findings import Finding
from changeover.runbook.position import NOWHERE, Position
from changeover.runbook.references import Lookup
from changeover.runbook.traces import Mention, Moment, Traces, Usage
from changeover.runbook.tree import Mapping_, Node, Scalar, Sequence


@final
class Invalid:
    """What cannot be bound; the findings say why."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "INVALID"


INVALID: Final = Invalid()


@dataclass(slots=True)
class Binder:
    """One binding: its findings, its values, and what it came across."""

    findings: list[Finding] = field(default_factory=list)
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    names: Lookup | None = None  # None: `${...}` stands for anything
    late: bool = True  # without names: whether a value other than a text may still be `${...}`
    mentions: list[Mention] = field(default_factory=list)
    usages: list[Usage] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    nodes: dict[Position, Mapping_] = field(default_factory=dict)  # what stands where a model object says it stands
    scope: Position = NOWHERE  # the step at hand
    stage: str = ""  # the stage at hand
    filling: str = ""  # the text with `${...}` whose values are being read: they are data, whatever they look like
    open_values: int = 0  # how many values of another type than text are still `${...}`

    @property
    def traces(self) -> Traces:
        """What was come across."""
        return Traces(tuple(self.mentions), tuple(self.usages), tuple(self.moments), self.nodes)

    def report(self, code: str, message: str, hint: str, at: Position) -> Invalid:
        """Add a finding; the answer is INVALID, for the caller to return."""
        self.findings.append(finding(code, message, hint, at))
        return INVALID

    def wrong(self, node: Node, wanted: str, hint: str = "") -> Invalid:
        """Add the finding that *node* is not what is *wanted*."""
        if isinstance(node, Scalar) and node.value is None and not node.text:
            return self.report(
                "empty-value", f"nothing stands here; {wanted} is needed", hint or "write a value, or remove the key", node.at
            )
        return self.report("wrong-type", f"{wanted} is needed, and {self.is_found(node)}", hint or f"write {wanted}", node.at)

    def is_found(self, node: Node) -> str:
        """What *node* is, in half a sentence that also names the ``${...}`` it came from."""
        return f"{f'`{self.filling}`' if self.filling else 'this'} is {described(node)}"

    def too_early(self, node: Node) -> Invalid:
        """Add the finding that ``${...}`` stands where the value has to be known when the plan is made."""
        hint = "write the value out: ${...} may stand in texts, in `with`, in `for_each` and in what a step does"
        return self.report(
            "wrong-type", "a value of the run cannot stand here: the plan is made before it is known", hint, node.at
        )


def described(node: Node) -> str:
    """What *node* is, for people."""
    if isinstance(node, Sequence):
        return "a list"
    if isinstance(node, Mapping_):
        return "a mapping"
    if node.value is None:
        return "null"
    if isinstance(node.value, bool):
        return f"`{node.text}`"
    if isinstance(node.value, (int, float)):
        return f"the number {node.text}"
    shown = node.text if len(node.text) <= 40 else node.text[:37] + "..."  # noqa: PLR2004 - what fits into a line
    return f"the text `{shown}`"


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that was probably meant; empty when none is near."""
    known = [name for name in known if name]
    found = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if not found:
        folded = {name.lower().replace("_", "-"): name for name in known}
        found = [folded[near] for near in difflib.get_close_matches(word.lower().replace("_", "-"), folded, n=1, cutoff=0.6)]
    return found[0] if found else ""


def suggestion(word: str, known: Iterable[str], what: str, taken: Container[str] = ()) -> str:
    """The hint for an unknown *word*: the nearest known one, or the list of them; *taken* ones are there already."""
    known = sorted(set(known))
    near = nearest(word, known)
    if near in taken:
        return f"`{near}` is there already: remove this one"
    known = [name for name in known if name not in taken]
    if near:
        return f"did you mean `{near}`?"
    if not known:
        return f"there is no {what} at all"
    shown = ", ".join(f"`{name}`" for name in known[:12])
    return f"known are {shown}" + (f" and {len(known) - 12} more" if len(known) > 12 else "")  # noqa: PLR2004 - one line


def constructed(binder: Binder, python: type[Any], arguments: dict[str, Any], at: Position, *, opened: bool) -> Any:
    """``python(**arguments)``; what it refuses, in ``__post_init__`` or by ``problems()``, becomes findings."""
    try:
        made = python(**arguments)
        if hasattr(python, "problems"):  # Validating; isinstance with a protocol is slow before Python 3.12
            for problem in made.problems():
                binder.report("invalid-value", problem.removesuffix("."), "see the reference of this step kind", at)
    except Mistake as mistake:
        return binder.report("invalid-value", str(mistake), mistake.hint or "see the reference of this step kind", at)
    except (ValueError, TypeError, AttributeError) as problem:
        if opened:
            return INVALID  # it met a `${...}` where a number will be: only the run can tell
        return binder.report("invalid-value", str(problem) or "the value is refused", "see the reference of this step kind", at)
    return made
