"""Where a process sends a customer, place after place, by what the systems answer; and who never gets out again. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from changeover.contracts import Value
from changeover.errors import Setback

#: Any answer that has no way of its own.
ANY = "*"

#: What a system answers about a field; None: it does not know the customer, or says nothing.
Ask = Callable[[str, str], Value]


@dataclass(frozen=True, slots=True)
class Way:
    """One row of the table of routes."""

    at: str
    system: str  # who is asked; empty: nobody
    field: str
    value: str  # the answer for which this way is taken
    to: str  # empty: the customer has been served


@dataclass(eq=False)
class RoutesUnclear(Setback):
    """A table of routes does not say where to go."""

    why: str

    def __str__(self) -> str:
        return f"the routes cannot be followed: {self.why}"


class Outcome(StrEnum):
    """How a walk ends."""

    SERVED = "served"
    LOOP = "goes in circles"
    STUCK = "has nowhere to go"


@dataclass(frozen=True, slots=True)
class Walk:
    """The places a customer comes through; of a loop: the circle alone, from the place first seen twice."""

    outcome: Outcome
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RouteMap:
    """All ways, by place."""

    start: str
    ways: Mapping[str, tuple[Way, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, start: str, ways: Iterable[Way], systems: Iterable[str], fields: Iterable[str]) -> RouteMap:
        """Raises RoutesUnclear when somebody is asked whom nobody knows, or nothing begins at *start*."""
        known, asked = set(systems), set(fields)
        by_place: dict[str, list[Way]] = {}
        for way in ways:
            if way.system and way.system not in known:
                raise RoutesUnclear(f"at {way.at} the system {way.system} is asked, which `systems` does not name")
            if way.system and way.field not in asked:
                raise RoutesUnclear(f"at {way.at} the field {way.field} is asked for, which `fields` does not name")
            by_place.setdefault(way.at, []).append(way)
        if start not in by_place:
            raise RoutesUnclear(f"no way begins at {start}")
        for place, here in by_place.items():
            if len({(way.system, way.field) for way in here}) > 1:
                raise RoutesUnclear(f"at {place} more than one question is asked")
        return cls(start, {place: tuple(here) for place, here in by_place.items()})

    def walk(self, ask: Ask) -> Walk:
        """Follow the answers from the start."""
        seen: list[str] = []
        place = self.start
        while place:
            if place in seen:
                return Walk(Outcome.LOOP, (*seen[seen.index(place) :], place))
            seen.append(place)
            here = self.ways.get(place, ())
            if not here:
                return Walk(Outcome.SERVED, tuple(seen))  # a place without ways is an end
            way = _taken(here, ask)
            if way is None:
                return Walk(Outcome.STUCK, tuple(seen))
            place = way.to
        return Walk(Outcome.SERVED, tuple(seen))


def _taken(here: tuple[Way, ...], ask: Ask) -> Way | None:
    first = here[0]
    answer = answer_text(ask(first.system, first.field)) if first.system else ""
    exact = next((way for way in here if way.value == answer and way.value != ANY), None) if first.system else first
    return exact or next((way for way in here if way.value == ANY), None)


def answer_text(answer: Value) -> str:
    """An answer as the table of routes writes it; nothing is the empty text."""
    if answer is None:
        return ""
    if isinstance(answer, bool):
        return "true" if answer else "false"
    return str(answer)
