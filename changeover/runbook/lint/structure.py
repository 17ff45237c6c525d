"""The shape of a runbook: owners, rollbacks, checks, and keys that contradict each other."""

from __future__ import annotations

from changeover.contracts import OnUnknown, Probing
from changeover.runbook import capture_paths
from changeover.runbook.findings import Severity
from changeover.runbook.lint.view import Role, StepInPlace, View
from changeover.runbook.model import OnFailure, Parallel, Stage, Step
from changeover.runbook.step_reader import ID

_PROOFS = frozenset({"check", "poll", "sql", "http", "reconcile", "manual", "gate"})
_ONLY_FORWARD = {"point_of_no_return": "the point of no return is a step on the way forward"}
_SHOWN = 4  # names in one message
_NOT_INLINE = ("needs", "background", "for_each", "suspend")


def stages_are_complete(view: View) -> None:
    """Every stage has steps, an owner and a way back; a stage that verifies has a check."""
    if not view.runbook.stages:
        view.report(
            "empty-stage",
            "the runbook has no stage",
            "write a stage with steps below `stages:`",
            view.place(view.runbook.at, "stages"),
        )
    for stage in view.runbook.stages.values():
        if not stage.all_steps:
            view.report("empty-stage", f"stage `{stage.id}` has no steps", "write its `steps:`, or remove it", stage.at)
            continue
        _has_owner(view, stage)
        _has_way_back(view, stage)
        _proves_something(view, stage)
        for entry in stage.steps:
            if isinstance(entry, Parallel) and len(entry.steps) < 2:  # noqa: PLR2004 - side by side takes two
                view.report("no-effect", "a parallel group of fewer than two steps", "write the step without a group", entry.at)


def _after_no_return(view: View) -> set[str]:
    points = {step for step, found in view.forward.items() if found.step.point_of_no_return}
    return view.ancestry.all_after(points) if points else set()


def _has_owner(view: View, stage: Stage) -> None:
    if stage.owner or all(step.owner for step in stage.all_steps):
        return
    # without a people file there are no names to choose from yet: a sketch may leave it open
    severity = Severity.ERROR if view.runbook.people else Severity.WARNING
    hint = "write `owner:` with a role or person of the people file"
    view.report("missing-owner", f"nobody answers for stage `{stage.id}`", hint, stage.at, severity)


def _has_way_back(view: View, stage: Stage) -> None:
    if stage.rollback is not None:
        if not stage.rollback.steps and not stage.rollback.none:
            hint = "write steps, or {none: why this stage needs no rollback}"
            at = view.key(stage.at, "rollback")
            view.report("missing-rollback", f"the rollback of stage `{stage.id}` is empty", hint, at)
        return
    node = view.node(stage.at)
    if node is not None and "rollback" in node.entries:
        return  # something stands there that could not be read, and has been reported
    undone = [step.id for step in stage.all_steps if _says_undo(view, step)]
    bare = [step.id for step in stage.all_steps if step.id not in undone and view.changes(step)]
    if undone and not bare:
        return
    hint = "write `rollback:` with steps or {none: why}"
    message = f"stage `{stage.id}` says neither how it is undone nor that nothing has to be undone"
    if bare:
        names = ", ".join(f"`{name}`" for name in dict.fromkeys(bare[:_SHOWN]))
        names += f" and {len(bare) - _SHOWN} more" if len(bare) > _SHOWN else ""
        hint += ", or give each of these steps an `undo:`"
        message = f"stage `{stage.id}` does not say how it is undone; {names} changed something by then"
    view.report("missing-rollback", message, hint, stage.at)


def _says_undo(view: View, step: Step) -> bool:
    """Whether *step* has an undo, be it one that could not be read."""
    node = view.node(step.at)
    return step.undo is not None or (node is not None and "undo" in node.entries)


def _proves_something(view: View, stage: Stage) -> None:
    if "verif" in stage.id and not any(step.kind in _PROOFS or step.verify is not None for step in stage.all_steps):
        hint = "add a step of the kind `check`, or rename the stage"
        view.report("verify-without-check", f"stage `{stage.id}` verifies nothing: it has no check", hint, stage.at)


def keys_agree(view: View) -> None:
    """No step says two things that exclude each other, and every key has an effect."""
    after = _after_no_return(view)
    for found in view.steps:
        step, at = found.step, found.step.at
        if step.mandatory and step.optional:
            hint = "remove one of the two"
            view.report(
                "mandatory-and-optional", f"`{step.id}` can never be skipped and may be skipped", hint, view.key(at, "optional")
            )
        if step.timeout is not None and step.expect is not None and step.timeout < step.expect.likely:
            message = f"`{step.id}` is stopped before the end that is expected"
            view.report("timeout-too-short", message, "make `timeout` longer than `expect`", view.place(at, "timeout"))
        if step.on_failure is OnFailure.ROLL_BACK and step.id in after:
            message = f"`{step.id}` cannot roll back: the point of no return has been passed"
            view.report(
                "rollback-not-possible", message, "write `on_failure: hold`, and a `repair:`", view.place(at, "on_failure")
            )
        _numbers(view, found)
        _captures(view, found)
        _can_be_asked(view, found)
        if found.role is not Role.FORWARD:
            _no_effect(view, found)


def _numbers(view: View, found: StepInPlace) -> None:
    step, at = found.step, found.step.at
    if step.retry is not None and step.retry.times < 0:
        view.report(
            "invalid-value",
            "a step cannot be tried less than once",
            "write how many more attempts it gets",
            view.place(at, "retry", "times"),
        )
    if step.for_each is None:
        return
    if step.for_each.max_parallel < 1:
        view.report("invalid-value", "at least one at a time", "write 1 or more", view.place(at, "for_each", "max_parallel"))
    if step.for_each.max_failures < 0:
        view.report("invalid-value", "fewer than none cannot fail", "write 0 or more", view.place(at, "for_each", "max_failures"))
    if step.for_each.items and step.for_each.hosts:
        view.report(
            "invalid-value",
            "`for_each` goes over a list or over hosts, not both",
            "remove `in` or `hosts`",
            view.place(at, "for_each"),
        )
    elif not step.for_each.items and not step.for_each.hosts:
        view.report(
            "no-effect", f"`{step.id}` has nothing to do it for", "write a list, or {hosts: GROUP}", view.place(at, "for_each")
        )


def _captures(view: View, found: StepInPlace) -> None:
    for name, path in found.step.capture.items():
        at = view.place(found.step.at, "capture", name)
        try:
            capture_paths.parse(path)
        except capture_paths.CapturePathInvalid as problem:
            view.report("bad-capture", str(problem), problem.hint, at)
        if not ID.fullmatch(name.replace("_", "-").lower()):
            hint = "use letters, digits, hyphens and underscores"
            view.report("bad-id", f"`{name}` cannot be the name of a captured value", hint, at)


def _can_be_asked(view: View, found: StepInPlace) -> None:
    instance = view.instances.get(found.step.at)
    if found.step.on_unknown is not OnUnknown.PROBE or instance is None or isinstance(instance, Probing):
        return
    message = f"`on_unknown: probe` has no effect: no target can be asked what became of a step of kind `{found.step.kind}`"
    hint = "write `rerun` if doing it twice is harmless, or `ask`, and a person says what became of it"
    view.report("no-effect", message, hint, view.place(found.step.at, "on_unknown"))


def _no_effect(view: View, found: StepInPlace) -> None:
    node = view.node(found.step.at)
    if node is None:
        return
    what = {Role.UNDO: "an undo", Role.VERIFY: "a verify", Role.ROLLBACK: "a rollback step"}[found.role]
    words = [word for word in _ONLY_FORWARD if word in node.entries]
    if found.role in {Role.UNDO, Role.VERIFY}:
        words += [word for word in _NOT_INLINE if word in node.entries]
    if found.role in {Role.UNDO, Role.ROLLBACK} and "undo" in node.entries:
        words.append("undo")
    for word in words:
        view.report("no-effect", f"`{word}` has no effect in {what}", _ONLY_FORWARD.get(word, "remove it"), node.keys[word])
