"""``${...}``: each name is there when it is needed, captured values above all."""

from __future__ import annotations

from collections.abc import Mapping

from changeover.runbook.binder import nearest
from changeover.runbook.lint.view import Role, StepInPlace, View
from changeover.runbook.references import paths
from changeover.runbook.traces import Usage
from changeover.runbook.values import ROOTS, Names, ValueMissing

_CURES = {
    "services": "look into the systems file of this environment",
    "systems": "look into the systems file of this environment",
    "people": "name a role or person of the people file",
}
_OF_RUN = {("id",), ("mode",)}


def values_exist(view: View) -> None:
    """Every ``${...}`` names something that the run will know at that place."""
    for usage in view.usages:
        for name, path in paths(usage.text):
            if path is None or path[0] not in ROOTS:
                _unknown_root(view, usage, name)
            elif path[0] == "captured":
                _captured(view, usage, name, path[1:])
            else:
                _named(view, usage, name, path)


def _unknown_root(view: View, usage: Usage, name: str) -> None:
    near = nearest(name.split(".", maxsplit=1)[0], ROOTS)
    hint = f"did you mean `{near}`?" if near else "known are " + ", ".join(f"`{root}`" for root in ROOTS)
    if name.split(".", maxsplit=1)[0] == "env":
        hint = "write the shell's own variable as `$NAME`, and a secret as the reference `env:NAME`"
    elif name.isupper():
        hint = f"for the shell's own variable write `${name}` or `$${{{name}}}`"
    elif name.startswith("values."):
        hint = "`${values.NAME}` is for systems files; name the system here, such as ${services.NAME}"
    _report(view, usage, name, "unknown-value", f"`${{{name}}}` names nothing", hint)


def _report(view: View, usage: Usage, name: str, code: str, message: str, hint: str) -> None:  # noqa: PLR0917 - always in this order
    view.report(code, message, hint, view.inside(usage.at, name))


def _named(view: View, usage: Usage, name: str, path: tuple[str, ...]) -> None:
    root, rest = path[0], path[1:]
    user = view.by_place.get(usage.scope)
    if root == "run" and rest not in _OF_RUN:
        _report(view, usage, name, "unknown-value", f"`${{{name}}}` names nothing", "write ${run.id} or ${run.mode}")
    elif root == "item":
        if user is None or not _repeated(user):
            hint = "add `for_each:` to the step, or write the value out"
            _report(view, usage, name, "unknown-value", "there is an item only in a step with `for_each`", hint)
    elif root == "inputs":
        known = view.runbook.inputs
        if not rest or rest[0] not in known:
            near = nearest(rest[0], known) if rest else ""
            hint = f"did you mean `${{inputs.{near}}}`?" if near else "declare it below `inputs:`"
            _report(view, usage, name, "unknown-input", f"the runbook has no input `{'.'.join(rest)}`", hint)
    elif (root in {"services", "systems"} and not view.has_systems) or (
        root == "people" and view.runbook.people and not view.has_people
    ):
        return  # no environment was chosen, or the file could not be read
    elif root == "people" and not view.has_people:
        _report(
            view, usage, name, "unknown-person", f"`${{{name}}}`: the runbook has no people file", "add `people: people.yaml`"
        )
    elif root in {"services", "systems", "people"}:
        _look_up(view, usage, name, path)


def _look_up(view: View, usage: Usage, name: str, path: tuple[str, ...]) -> None:
    try:
        Names(view.bundle).lookup(path)
    except ValueMissing as missing:
        code = {"services": "unknown-service", "people": "unknown-person"}.get(path[0], "unknown-value")
        _report(view, usage, name, code, str(missing), missing.hint or _CURES[path[0]])


def _repeated(user: StepInPlace) -> bool:
    return user.step.for_each is not None or (user.parent is not None and user.parent.for_each is not None)


def _captured(view: View, usage: Usage, name: str, rest: tuple[str, ...]) -> None:
    user = view.by_place.get(usage.scope)
    if not rest or user is None:
        _report(view, usage, name, "unknown-value", f"`${{{name}}}` names nothing here", "write ${captured.STEP.NAME} in a step")
        return
    own = user.parent
    if own is not None and rest[0] in own.capture and rest[0] not in view.forward:
        return
    step = rest[0].partition("[")[0]
    found = view.forward.get(step)
    if found is None:
        _nothing_captured(view, usage, name, rest, user)
    elif len(rest) < 2 or rest[1] not in found.step.capture:  # noqa: PLR2004 - ${captured.STEP.NAME}
        _not_by_that_step(view, usage, name, rest, found)
    elif own is not None and step == own.id:
        return
    else:
        _in_time(view, usage, name, found, user)


def _nothing_captured(view: View, usage: Usage, name: str, rest: tuple[str, ...], user: StepInPlace) -> None:
    if len(rest) == 1 and user.parent is not None:
        near = nearest(rest[0], user.parent.capture)
        hint = f"did you mean `${{captured.{near}}}`?" if near else f"add `capture: {{{rest[0]}: $.…}}` to `{user.parent.id}`"
        _report(view, usage, name, "never-captured", f"`{user.parent.id}` captures no `{rest[0]}`", hint)
        return
    with_captures = [step for step, found in view.forward.items() if found.step.capture]
    near = nearest(rest[0], with_captures)
    hint = f"did you mean `{near}`?" if near else "write ${captured.STEP.NAME}; that step needs a `capture:`"
    _report(view, usage, name, "never-captured", f"there is no step `{rest[0]}` that could capture it", hint)


def _not_by_that_step(view: View, usage: Usage, name: str, rest: tuple[str, ...], found: StepInPlace) -> None:
    step = found.step
    wanted = rest[1] if len(rest) > 1 else ""
    near = nearest(wanted, step.capture)
    cure = f"add `capture: {{{wanted or 'NAME'}: $.…}}` to `{step.id}`"
    if step.capture and not near:
        cure = f"it captures {', '.join(f'`{kept}`' for kept in step.capture)}"
    hint = f"did you mean `${{captured.{step.id}.{near}}}`?" if near else cure
    message = f"`{step.id}` captures no `{wanted}`" if wanted else f"`${{{name}}}` does not say which value of `{step.id}`"
    _report(view, usage, name, "never-captured", message, hint)


def _in_time(view: View, usage: Usage, name: str, found: StepInPlace, user: StepInPlace) -> None:
    """Whether the value is captured for certain before it is used."""
    step = found.step
    if user.role is Role.ROLLBACK:
        stages = view.ancestry.stage_needs
        if found.stage.id != user.stage.id and found.stage.id not in _all_before(user.stage.id, stages):
            message = f"stage `{user.stage.id}` may be rolled back before `{step.id}` has captured the value"
            hint = f"capture it in a step of `{user.stage.id}` or of a stage that it needs"
            _report(view, usage, name, "rollback-needs-uncaptured", message, hint)
        return
    at_hand = user.parent.id if user.parent is not None else user.step.id
    if view.ancestry.comes_after(at_hand, step.id):
        return
    if user.role is Role.UNDO:
        message = f"`{at_hand}` may be undone before `{step.id}` has captured the value"
        hint = f"capture it in `{at_hand}` itself, or in a step that comes before it"
        _report(view, usage, name, "rollback-needs-uncaptured", message, hint)
    else:
        message = f"`{at_hand}` does not come after `{step.id}`, which captures the value"
        hint = "use the value in a later step" if at_hand == step.id else f"add `{step.id}` to the needs of `{at_hand}`"
        _report(view, usage, name, "captured-later", message, hint)


def _all_before(stage: str, needs: Mapping[str, tuple[str, ...]]) -> set[str]:
    found: set[str] = set()
    waiting = [stage]
    while waiting:
        for need in needs.get(waiting.pop(), ()):
            if need not in found:
                found.add(need)
                waiting.append(need)
    return found
