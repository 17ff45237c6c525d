"""Suspensions: what is switched off for the night is switched on again."""

from __future__ import annotations

from changeover.runbook.lint.view import View
from changeover.runbook.model import Step


def suspensions_end(view: View) -> None:
    """Each suspension names the step that ends it, later on, or when it ends by itself."""
    for found in view.forward.values():
        suspend = found.step.suspend
        if suspend is None:
            continue
        at = view.place(found.step.at, "suspend")
        if suspend.resume_by is None and suspend.expires is None:
            hint = "add `resume_by:` with the step that switches it on again, or `expires:`"
            view.report("suspension-without-end", f"nobody switches `{suspend.what}` on again", hint, at)
        if suspend.resume_by is not None and suspend.resume_by in view.forward:
            _resumed_later(view, found.step, suspend.resume_by)


def _resumed_later(view: View, step: Step, resume: str) -> None:
    what = step.suspend.what if step.suspend is not None else ""
    at = view.place(step.at, "suspend", "resume_by")
    if not view.ancestry.stage_cycle() and not view.ancestry.comes_after(resume, step.id):
        message = f"`{resume}` does not come after `{step.id}`, which switches `{what}` off"
        view.report("resume-not-after", message, f"add `{step.id}` to the needs of `{resume}`", at)
    resuming = view.forward[resume].step
    unsure = [word for word, said in (("when", resuming.when), ("only", resuming.only), ("optional", resuming.optional)) if said]
    same = (step.when, step.only) == (resuming.when, resuming.only) and not resuming.optional
    if unsure and not same and step.suspend is not None and step.suspend.expires is None:
        message = f"`{resume}` may be skipped, and then nobody switches `{what}` on again"
        hint = f"remove `{unsure[0]}` from `{resume}`, or add `expires:` to the suspension"
        view.report("resume-not-certain", message, hint, at)
