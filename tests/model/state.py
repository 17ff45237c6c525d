"""Everything that can differ between two moments of a run: the journal, the engines, what is in the air, and the world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from tests.model.book import Book, Event, empty
from tests.model.graph import Graph, Node, made_of
from tests.model.rules import ALL, Rules
from tests.model.words import FORWARD, ROLLBACK

# what a step has done to the world
NOTHING: Final = "nothing"
PART: Final = "a part"
WHOLE: Final = "the whole"

# what an engine has in mind of a step, besides the journal; it dies with the engine
LOOKED: Final = "looked"  # the state of the run was looked at (only without the rule that it is the intent's transaction)
INTENDED: Final = "intended"  # the intent is durable, and nothing is sent yet
WAITS: Final = "waits"
DONE: Final = "done"  # the answer is here, and not in the journal yet
NOT_DONE: Final = "not done"

# where a message is
SENT: Final = "sent"
ACTING: Final = "acting"


class Engine(NamedTuple):
    """An incarnation at work: its epoch, and what it has in mind of each step: what, and of which attempt."""

    epoch: int
    mind: tuple[tuple[str, int] | None, ...]


class Message(NamedTuple):
    """An attempt on its way: sent, acting at the target, or its answer on its way back."""

    where: str
    step: int
    attempt: int
    token: int  # what the target compares with its fence


class Target(NamedTuple):
    """What the wrapper at a step's target keeps: the highest token that it refuses, and which attempts it has begun, as bits."""

    fence: int = 0
    begun: int = 0


class Left(NamedTuple):
    """How often each misfortune, and each word of people, may still happen."""

    crashes: int = 0
    takeovers: int = 0  # the lease of a living engine is taken
    faults: int = 0  # a message is lost, or a command fails, or fails half way
    timeouts: int = 0  # the engine gives up waiting while the message still travels or acts
    doubles: int = 0  # a message arrives twice
    late: int = 0  # an answer arrives late
    mistakes: int = 0  # a step cannot even be sent
    rollbacks: int = 0
    stages: int = 0  # a rollback is asked for, but only to the first stage
    aborts: int = 0
    holds: int = 0
    refusals: int = 0
    lapses: int = 0
    skips: int = 0
    waivers: int = 0
    glasses: int = 0  # two people turn the run back past its point of no return
    changes: int = 0  # somebody changes the runbook between two engines


class State(NamedTuple):
    """A moment."""

    book: Book
    engines: tuple[Engine, ...]  # those alive, by epoch: which process it is makes no difference
    air: tuple[Message, ...]  # sorted: the order of sending gives no order of arrival
    targets: tuple[Target, ...]
    effects: tuple[str, ...]
    consent: tuple[tuple[str, ...], ...]  # who really stands behind each gate now, whatever the journal makes of it
    left: Left


class Turn(NamedTuple):
    """One atomic thing that can happen, and the moment after it. A crash may fall between any two."""

    text: str  # with {engine}, {step} and {attempt}
    epoch: int
    step: int
    attempt: int
    events: tuple[Event, ...]  # what it adds to the journal, in one transaction
    state: State


@dataclass(frozen=True, slots=True)
class Suite:
    """A small runbook and what may befall it: small enough to look at every moment there can be."""

    name: str
    graph: Graph
    left: Left
    engines: int = 1  # how many may be at work at once, the owner and those that think they are
    rules: Rules = ALL

    def start(self) -> State:
        """Before anything has happened."""
        steps = len(self.graph.nodes)
        return State(
            empty(self.graph), (), (), (Target(),) * steps, (NOTHING,) * len(self.graph.forward), ((),) * steps, self.left
        )


def runbook(*nodes: Node) -> Graph:
    """The graph of steps forward, each with its undo, which waits for those of all that come directly after."""
    steps = [node._replace(effect=-1 if node.form == "approval" else number) for number, node in enumerate(nodes)]
    undone = [number for number, node in enumerate(steps) if node.effect >= 0][::-1]
    place = {number: len(steps) + nth for nth, number in enumerate(undone)}

    def after(number: int) -> list[int]:
        found: list[int] = []
        for later, node in enumerate(steps):
            if number in node.needs:
                found += [place[later]] if later in place else after(later)
        return found

    undos = [
        Node(
            key=f"{steps[number].key}.undo",
            phase=ROLLBACK,
            stage=steps[number].stage,
            needs=tuple(dict.fromkeys(after(number))),
            undoes=(number,),
            effect=number,
            fenced=steps[number].fenced,
            repeatable=steps[number].repeatable or steps[number].form == "task",
        )
        for number in undone
    ]
    return made_of([*steps, *undos])


def step(key: str, *needs: int, **more: bool | str | int) -> Node:
    """A step forward, in a stage of its own, that needs those of these numbers."""
    return Node(key, FORWARD, key, needs)._replace(**more)  # type: ignore[arg-type]
