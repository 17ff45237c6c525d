"""What stays when a run is rolled back to a stage: the stage, and everything it rests on."""

from __future__ import annotations

from changeover.plan.model import Plan


def kept_with(plan: Plan, stage: str) -> frozenset[str]:
    """The stage called *stage* and every stage that it or one of its steps needs, through others too; empty for no stage."""
    if stage not in plan.stages:
        return frozenset()
    needed: dict[str, set[str]] = {name: set(needs) for name, needs in plan.stage_needs.items()}
    seen: set[tuple[str, int]] = set()
    for planned in plan.forward.values():
        if (planned.stage, id(planned.needs)) in seen:  # steps side by side share one tuple
            continue
        seen.add((planned.stage, id(planned.needs)))
        needed[planned.stage].update(plan.forward[need].stage for need in planned.needs if need in plan.forward)
    kept, rest = {stage}, [stage]
    while rest:
        new = needed[rest.pop()] - kept
        kept |= new
        rest += new
    return frozenset(kept)
