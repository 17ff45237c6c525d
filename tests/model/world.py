"""What happens outside: messages are lost, doubled, late; targets refuse, begin, finish, or stop half way."""

from __future__ import annotations

from tests.model import invariants
from tests.model.state import ACTING, DONE, NOT_DONE, NOTHING, PART, SENT, WAITS, WHOLE, Message, State, Suite, Turn
from tests.model.words import FORWARD


def turns(suite: Suite, state: State, out: list[Turn]) -> None:
    """Add what can happen to each message. Raises Violation."""
    for place, message in enumerate(state.air):
        if place and message == state.air[place - 1]:
            continue  # of two that are alike it makes no difference which
        rest = state.air[:place] + state.air[place + 1 :]
        if message.where == SENT:
            _arrives(suite, state, message, rest, out)
        elif message.where == ACTING:
            _acts(suite, state, message, rest, out)
        else:
            _is_answered(suite, state._replace(air=rest), message, message.where, out)
            out.append(_turn("the answer of {step} #{attempt} is lost", message, state._replace(air=rest)))


def refused(suite: Suite, state: State, message: Message) -> bool:
    """Whether the wrapper at the target lets *message* do nothing."""
    rules, target = suite.rules, state.targets[message.step]
    if rules.start_marker and target.begun >> message.attempt & 1:
        return True
    return suite.graph.nodes[message.step].fenced and rules.fence_at_the_target and message.token <= target.fence


def _turn(text: str, message: Message, state: State) -> Turn:
    return Turn(text, 0, message.step, message.attempt, (), state)


def _arrives(suite: Suite, state: State, message: Message, rest: tuple[Message, ...], out: list[Turn]) -> None:
    left = state.left
    if refused(suite, state, message):
        out.append(_turn("{step} #{attempt} is refused by its target", message, state._replace(air=rest)))
        return
    if left.faults:
        gone = state._replace(air=rest, left=left._replace(faults=left.faults - 1))
        out.append(_turn("{step} #{attempt} is lost on its way", message, gone))
    if left.doubles:
        twice = state._replace(air=tuple(sorted((*state.air, message))), left=left._replace(doubles=left.doubles - 1))
        out.append(_turn("{step} #{attempt} is on its way twice", message, twice))
    invariants.begins(suite, state, message)
    target = state.targets[message.step]
    marked = target._replace(begun=target.begun | 1 << message.attempt)
    acting = state._replace(
        air=tuple(sorted((*rest, message._replace(where=ACTING)))),
        targets=(*state.targets[: message.step], marked, *state.targets[message.step + 1 :]),
    )
    out.append(_turn("{step} #{attempt} begins at its target", message, acting))


def _acts(suite: Suite, state: State, message: Message, rest: tuple[Message, ...], out: list[Turn]) -> None:
    node = suite.graph.nodes[message.step]
    goal = WHOLE if node.phase == FORWARD else NOTHING
    _ends(suite, _with(state, node.effect, goal, rest), message, DONE, out)
    if not state.left.faults:
        return
    poorer = state._replace(left=state.left._replace(faults=state.left.faults - 1))
    if state.effects[node.effect] != goal:
        _ends(suite, _with(poorer, node.effect, state.effects[node.effect], rest), message, NOT_DONE, out)
    if state.effects[node.effect] != PART:
        _ends(suite, _with(poorer, node.effect, PART, rest), message, NOT_DONE, out)


def _with(state: State, effect: int, what: str, air: tuple[Message, ...]) -> State:
    return state._replace(effects=(*state.effects[:effect], what, *state.effects[effect + 1 :]), air=air)


def _ends(suite: Suite, state: State, message: Message, how: str, out: list[Turn]) -> None:
    effect = state.effects[suite.graph.nodes[message.step].effect]
    out.append(_turn(f"{{step}} #{{attempt}} is {how}, {effect} is there; its answer is lost", message, state))
    _is_answered(suite, state, message, how, out)
    if state.left.late:
        late = state._replace(
            air=tuple(sorted((*state.air, message._replace(where=how)))), left=state.left._replace(late=state.left.late - 1)
        )
        out.append(_turn(f"{{step}} #{{attempt}} is {how}, {effect} is there; its answer is late", message, late))


def _is_answered(suite: Suite, state: State, message: Message, how: str, out: list[Turn]) -> None:
    effect = state.effects[suite.graph.nodes[message.step].effect]
    for place, engine in enumerate(state.engines):
        thought = engine.mind[message.step]
        if thought is None or thought[0] != WAITS:
            continue
        if thought[1] != message.attempt and suite.rules.answer_of_this_attempt:
            continue
        mind = (*engine.mind[: message.step], (how, thought[1]), *engine.mind[message.step + 1 :])
        engines = (*state.engines[:place], engine._replace(mind=mind), *state.engines[place + 1 :])
        text = f"{{step}} #{{attempt}} is {how}, {effect} is there; engine {engine.epoch} hears it"
        out.append(_turn(text, message, state._replace(engines=engines)))
