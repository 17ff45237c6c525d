"""The nights that are gone through: a runbook each, the people who take part, and how the run may end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from changeover.contracts import RunState, StepState
from changeover.journal.events import Verb
from tests.chaos.cast import Answers, FindsOut, LeavesOff, Person, Releases, Repairs, Says

PEOPLE: Final = """
persons:
  anna: {name: Anna Kovács}
  bela: {name: Béla Nagy}
  dora: {name: Dóra Kiss}
  runner: {name: Rita Runner}
roles:
  lead: {person: anna, deputy: bela}
"""
#: A command that outlives the engine that started it, and then has its effect.
ACT: Final = 'sleep "$1"; printf "%s %s\\n" "$CHANGEOVER_STEP" "${CHANGEOVER_TOKEN##*:}" >> ledger\n'
_FILES: Final = {
    "kinds/effects.py": Path(__file__).with_name("effects.py").read_text(encoding="utf-8"),
    "runbooks/people.yaml": PEOPLE,
    "act.sh": ACT,
}
_OVER: Final = frozenset({RunState.SUCCEEDED})
_BACK: Final = frozenset({RunState.ROLLED_BACK})


@dataclass(frozen=True, slots=True)
class Night:
    """A run to be killed."""

    name: str
    stages: str
    ends: frozenset[RunState] = _OVER
    cast: tuple[Person, ...] = ()
    more: Mapping[str, str] = field(default_factory=dict)  # further files
    window: str = ""
    changed: bool = False  # whether the runbook is edited after its run was created, and somebody accepts that

    @property
    def runbook(self) -> str:
        """Its YAML."""
        return f"changeover: 1\nid: {self.name}\ntitle: A night\npeople: people.yaml\n{self.window}stages:\n{self.stages}"

    @property
    def files(self) -> dict[str, str]:
        """All files of its project beside the runbook."""
        return {**_FILES, **self.more}


_DIAMOND: Final = """  one:
    owner: lead
    steps:
      - {id: a, effect: x, undo: {effect: 'back ${captured.n}'}, capture: {n: $.n}, suspend: {what: alerts, resume_by: f}}
      - {id: b, effect: x, needs: [a], undo: {effect: x}}
      - {id: c, effect: x, needs: [a], undo: {effect: x}}
      - {id: d, effect: 'with ${captured.a.n}', needs: [b, c], undo: {effect: x}}
    rollback: [{id: tidy, effect: x}]
  two:
    owner: lead
    steps:
      - {id: e, for_each: {in: [p, q, r], max_parallel: 2}, effect: x, undo: {effect: x}}
      - LAST
    rollback: {none: the undos are enough}
"""
_SHELLS: Final = """  one:
    owner: lead
    steps:
      - {id: a, shell: {command: sh act.sh 0.05, probe: grep -q "^$CHANGEOVER_STEP " ledger}, undo: {shell: sh act.sh 0}}
      - {id: b, shell: sh act.sh 0.08, undo: {shell: sh act.sh 0.05}}
      - {id: c, shell: {command: sh act.sh 0, changes: true}, on_unknown: ask, undo: {effect: x}}
      - {id: d, twice: x, undo: {twice: x}}
    rollback: {none: the undos are enough}
"""

NIGHTS: Final = (
    Night("forward", _DIAMOND.replace("LAST", "{id: f, effect: x}")),
    Night(
        "backward-by-policy",
        _DIAMOND.replace("LAST", "{id: f, effect: {fails: 99}, retry: {times: 1, every: 0s}, on_failure: roll-back}"),
        _BACK,
    ),
    Night(
        "backward-by-word",
        _DIAMOND.replace("LAST", "{id: f, effect: {takes: 0.3}}"),
        frozenset({RunState.ROLLED_BACK, RunState.SUCCEEDED}),
        (Says(Verb.ROLLBACK, "anna", at=5, spread=16), FindsOut("anna", "bela")),
    ),
    Night(
        "aborted",
        _DIAMOND.replace("LAST", "{id: f, effect: {takes: 0.1}}"),
        frozenset({RunState.ABORTED, RunState.SUCCEEDED}),
        (Says(Verb.ABORT, "anna", at=5, spread=18), FindsOut("anna", "bela")),
    ),
    Night(
        "aborted-on-the-way-back",
        _DIAMOND.replace("LAST", "{id: f, effect: {fails: 99}, on_failure: roll-back}"),
        frozenset({RunState.ABORTED, RunState.ROLLED_BACK}),
        (Says(Verb.ABORT, "bela", at=22, spread=14), FindsOut("anna", "bela")),
    ),
    Night(
        "held",
        """  one:
    owner: lead
    steps:
      - {id: a, effect: {takes: 0.02}, background: true}
      - {id: b, for_each: {in: [p, q, r], max_parallel: 2}, effect: {takes: 0.03}, undo: {effect: x}}
      - {id: c, effect: {takes: 0.02}, background: true}
      - {id: d, effect: {takes: 0.03}}
      - {id: e, effect: {takes: 0.1}, needs: [a, c, d]}
    rollback: {none: nothing to undo}
""",
        _OVER,
        (
            Says(Verb.HOLD, "anna", at=4, spread=6),
            Says(Verb.HOLD, "bela", at=12, spread=8),
            Says(Verb.ADJUST, "dora", at=2, spread=2, step="e", data={"rows_per_second": 5}),
            Releases("dora"),
        ),
    ),
    Night(
        "asked",
        """  one:
    owner: lead
    steps:
      - {id: a, effect: x}
      - {id: go, gate: {ask: Shall we?, deciders: [lead, dora], quorum: 2, not: [runner]}}
      - {id: b, effect: x}
      - {id: call, manual: {do: Call the shops, assignee: dora, evidence: who answered}}
      - {id: name, confirm: {type: production, deciders: [lead]}}
      - {id: c, effect: x}
    rollback: {none: nothing to undo}
""",
        _OVER,
        (
            Answers("go", "anna"),
            Answers("go", "dora", doubts=True),
            Answers("call", "dora"),
            Answers("name", "bela"),
            Releases("anna"),
        ),
    ),
    Night(
        "task-refused",
        """  one:
    owner: lead
    steps:
      - {id: a, effect: x, undo: {effect: x}}
      - {id: call, manual: {do: Call the shops, assignee: dora}, on_failure: roll-back}
      - {id: b, effect: x, undo: {effect: x}}
    rollback: {none: the undos are enough}
""",
        _BACK,
        (Answers("call", "dora", doubts=True),),
    ),
    Night(
        "retried",
        """  one:
    owner: lead
    steps:
      - {id: a, effect: {fails: 2}, retry: {times: 3, every: 0s}}
      - {id: b, effect: {breaks: 1}, retry: {times: 1, every: 0s}, on_failure: hold}
      - {id: c, effect: {fails: 1}}
      - {id: d, effect: {unclear: 1}, verify: {shell: {command: grep -q "^d " ledger, changes: false}}}
      - {id: e, effect: {fails: 99}, on_failure: warn}
      - {id: f, effect: {fails: 99}}
      - {id: g, twice: x}
    rollback: {none: nothing to undo}
""",
        _OVER,
        (Repairs("anna", skips="f"), Releases("bela"), FindsOut("anna", "bela")),
    ),
    Night(
        "outlived",
        _SHELLS,
        _OVER,
        (FindsOut("anna", "bela"),),
    ),
    Night(
        "outlived-on-the-way-back",
        _SHELLS.replace(
            "{id: d,", "{id: e, effect: {fails: 99}, on_failure: roll-back, needs: [c]}\n      - {id: d, needs: [c],"
        ),
        _BACK,
        (FindsOut("anna", "bela"), Repairs("anna")),
    ),
    Night(
        "undo-fails",
        """  one:
    owner: lead
    steps:
      - {id: a, effect: x, undo: {effect: {fails: 1}, retry: {times: 1, every: 0s}}}
      - {id: b, effect: x, undo: {effect: {fails: 1}}}
      - {id: c, effect: x, undo: {effect: {fails: 99}}}
      - {id: d, effect: {breaks: 1}, undo: {effect: {unclear: 1}}}
      - {id: e, effect: {fails: 99}, on_failure: roll-back}
    rollback: {none: the undos are enough}
""",
        _BACK,
        (Repairs("anna", waives="c.undo", second="bela"), FindsOut("anna", "bela")),
    ),
    Night(
        "past-the-point",
        """  one:
    owner: lead
    steps:
      - {id: a, effect: x, undo: {effect: x}}
      - {id: cut, effect: {breaks: 1}, point_of_no_return: true, repair: finish it by hand}
      - {id: b, effect: {fails: 99}, on_failure: roll-back, retry: {times: 1, every: 0s}}
      - {id: c, effect: {unclear: 1}}
    rollback: {none: the undos are enough}
""",
        _OVER,
        (
            Repairs("anna", skips="b"),
            Repairs("bela", skips="b"),
            Releases("dora"),
            FindsOut("anna", "bela"),
            Says(Verb.ROLLBACK, "dora", at=9, when="cut"),
        ),
    ),
    Night(
        "glass-broken",
        """  one:
    owner: lead
    steps:
      - {id: a, effect: x, undo: {effect: x}}
      - {id: cut, effect: x, point_of_no_return: true, undo: {effect: x}}
      - {id: b, effect: {fails: 99}}
    rollback: {none: the undos are enough}
""",
        _BACK,
        (
            Says(Verb.ROLLBACK, "anna", when="b", becomes=StepState.FAILED, data={"break_glass": "yes"}),
            Says(Verb.ROLLBACK, "bela", when="b", becomes=StepState.FAILED, data={"break_glass": "yes"}),
            FindsOut("anna", "bela"),
        ),
    ),
    Night(
        "left-off",
        """  one:
    owner: lead
    steps:
      - {id: a, effect: x, suspend: {what: alerts, resume_by: c}}
      - {id: b, effect: x, suspend: {what: jobs}}
      - {id: c, effect: x, suspend: {what: deploys, expires: 1s}}
    rollback: {none: nothing to undo}
""",
        _OVER,
        (LeavesOff("anna", "jobs"),),
    ),
    Night(
        "silent",
        """  one:
    owner: lead
    steps:
      - {id: a, effect: {unclear: 1, blind: true}, undo: {effect: x}}
      - {id: go, gate: {ask: Shall we?, deciders: [lead], by: 2027-03-13 18:00}}
      - {id: b, effect: {takes: 9, blind: true}, timeout: 1s, undo: {effect: x}}
    rollback: {none: the undos are enough}
""",
        frozenset({RunState.ROLLED_BACK}),
        (
            Answers("go", "bela"),
            Releases("anna"),
            FindsOut("anna", "bela"),
            Says(Verb.ROLLBACK, "dora", when="b", becomes=StepState.ASKS_HUMAN),
        ),
        window="window: {opens: 2027-03-13 18:00, closes: 2027-03-14 21:00}\n",
        changed=True,
    ),
    Night(
        "included",
        """  one:
    owner: lead
    steps:
      - {id: a, effect: x}
      - {id: inner, runbook: runbooks/inner.yaml}
      - {id: b, effect: x}
    rollback: {none: nothing to undo}
""",
        _OVER,
        (Answers("c", "anna"),),
        {
            "runbooks/inner.yaml": """changeover: 1
id: inner
title: Inner
people: people.yaml
window: {opens: 2027-03-13 19:00, closes: 2027-03-14 21:00}
stages:
  one:
    owner: lead
    steps:
      - {id: inner-a, effect: x}
      - {id: inner-b, effect: x}
    rollback: {none: nothing to undo}
"""
        },
    ),
)
#: Nights for what is done to a run from outside.
OTHERS: Final = (
    Night(
        "long",
        """  one:
    owner: lead
    steps:
      - {id: a, for_each: {in: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]}, effect: {takes: 0.1}}
    rollback: {none: nothing to undo}
""",
    ),
    Night(
        "gated",
        """  one:
    owner: lead
    steps:
      - {id: a, effect: x}
      - {id: go, gate: {ask: Shall we?, deciders: [anna]}}
      - {id: b, effect: {takes: 0.1}}
    rollback: {none: nothing to undo}
""",
    ),
    Night(
        "stoppable",
        _DIAMOND.replace("LAST", "{id: f, effect: {takes: 0.1}}"),
        frozenset({RunState.SUCCEEDED, RunState.ABORTED, RunState.ROLLED_BACK}),
    ),
)
BY_NAME: Final = {night.name: night for night in (*NIGHTS, *OTHERS)}
