"""What chat looks like from here: one message that is updated in place, and a thread below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from changeover.errors import Setback

#: A piece of a chat message, in Slack's block vocabulary.
Block = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Post:
    """A message to post: blocks for those who see them, text for notifications and readers aloud."""

    text: str
    blocks: Sequence[Block]
    mark: Mapping[str, str | int] = field(default_factory=dict)  # travels with the message, so that it can be found again
    broadcast: bool = False  # shown in the channel too, not only in the thread


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message ended up."""

    channel: str  # the id that updates need; not the name one posts to
    message: str


class Outlet(Protocol):
    """A chat. Every call takes seconds at most, and raises one of the three errors below when it could not be done."""

    def post(self, post: Post, *, thread: Place | None = None) -> Place:
        """Post a message, into a thread when one is given."""
        ...

    def update(self, place: Place, post: Post) -> None:
        """Replace a message. Raises :class:`ChatGone` when somebody deleted it."""
        ...

    def find(self, mark: Mapping[str, str | int], *, thread: Place | None = None) -> Place | None:
        """The message that carries *mark*, if it arrived after all; None when it did not, or when nobody can say."""
        ...


@dataclass(eq=False)
class ChatBusy(Setback):
    """Chat limits our rate."""

    seconds: float  # it asks us to wait that long

    def __str__(self) -> str:
        return f"chat limits our rate; it asks us to wait {self.seconds:g} s"


@dataclass(eq=False)
class ChatAway(Setback):
    """Chat cannot be reached now. A message that was on its way may have arrived."""

    why: str

    def __str__(self) -> str:
        return f"chat cannot be reached: {self.why}"


@dataclass(eq=False)
class ChatGone(Setback):
    """The message to update is not there any more."""

    def __str__(self) -> str:
        return "the message is gone"


@dataclass(eq=False)
class ChatRefused(Setback):
    """Chat will not take it, however often we try: somebody has to change something."""

    error: str  # the word chat gave

    def __str__(self) -> str:
        return f"chat refuses: {self.error}"

    @property
    def hint(self) -> str:
        return _CURES.get(self.error, "see https://api.slack.com/methods/chat.postMessage#errors")


_CURES = {
    "not_in_channel": "invite the app to the channel: /invite @changeover",
    "channel_not_found": "check `chat: {slack: '#channel'}` in the runbook, and invite the app to the channel",
    "invalid_auth": "the token is wrong; check what `chat: {token: ...}` refers to",
    "not_authed": "the token is empty; check what `chat: {token: ...}` refers to",
    "account_inactive": "the token's app was removed from the workspace; install it again",
    "token_revoked": "the token was revoked; install the app again",
    "token_expired": "the token has expired; make a new one",
    "missing_scope": "the app needs the scope chat:write",
    "is_archived": "the channel is archived; choose another in `chat: {slack: ...}`",
    "invalid_blocks": "this is a bug in changeover; please report it",
}
