"""Slack by its Web API. The SDK is imported when the first message leaves, not before."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cached_property
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final

from changeover.notify.outlet import ChatAway, ChatBusy, ChatGone, ChatRefused, Place, Post

if TYPE_CHECKING:
    from collections.abc import Callable

    from slack_sdk import WebClient
    from slack_sdk.errors import SlackApiError

#: What Slack answers when waiting helps; everything else it refuses needs a person.
_PASSING: Final = frozenset(
    {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org", "ekm_access_denied"}
)
_LIMITED: Final = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
_EVENT_TYPE: Final = "changeover"
_SERVER_ERROR: Final = 500
_TOO_MANY: Final = 429


class Slack:
    """A Slack channel. Calls block for at most *timeout* seconds at a time; use it from one thread."""

    def __init__(self, *, token: str, channel: str, server: str = "", timeout: int = 10) -> None:
        self._token = token
        self._channel = channel
        self._server = server
        self._timeout = timeout

    def post(self, post: Post, *, thread: Place | None = None) -> Place:
        arguments: dict[str, Any] = {
            "channel": thread.channel if thread else self._channel,
            "text": post.text,
            "blocks": list(post.blocks),
            "metadata": {"event_type": _EVENT_TYPE, "event_payload": dict(post.mark)},
            "unfurl_links": False,
            "unfurl_media": False,
        }
        if thread is not None:
            arguments |= {"thread_ts": thread.message, "reply_broadcast": post.broadcast}
        answer = self._call(self._client.chat_postMessage, **arguments)
        return Place(str(answer.get("channel") or arguments["channel"]), str(answer["ts"]))

    def update(self, place: Place, post: Post) -> None:
        self._call(self._client.chat_update, channel=place.channel, ts=place.message, text=post.text, blocks=list(post.blocks))

    def find(self, mark: Mapping[str, str | int], *, thread: Place | None = None) -> Place | None:
        try:
            if thread is None:
                return None  # a channel's name cannot be searched, only its id; a second card is better than none
            answer = self._call(
                self._client.conversations_replies,
                channel=thread.channel,
                ts=thread.message,
                include_all_metadata=True,
                limit=200,
            )
        except (ChatRefused, ChatGone):
            return None  # most likely a scope we do not have: twice is better than never
        for message in answer.get("messages") or ():
            metadata = message.get("metadata") or {}
            if metadata.get("event_type") == _EVENT_TYPE and metadata.get("event_payload") == dict(mark):
                return Place(thread.channel, str(message["ts"]))
        return None

    @cached_property
    def _client(self) -> WebClient:
        from slack_sdk import WebClient  # noqa: PLC0415 - a tenth of a second that most commands need not spend

        quiet = logging.getLogger("changeover.notify.slack")
        quiet.addHandler(logging.NullHandler())
        quiet.propagate = False
        server = self._server or WebClient.BASE_URL
        # Our own loop knows when to try again; the SDK's handlers would sleep inside the call.
        client = WebClient(self._token, server, timeout=self._timeout, retry_handlers=[], logger=quiet)
        client.proxy = None  # urllib reads the environment itself, NO_PROXY included, which the SDK does not
        return client

    def _call(self, method: Callable[..., Any], **arguments: Any) -> Any:
        from slack_sdk.errors import SlackApiError, SlackClientError  # noqa: PLC0415 - as above

        try:
            return method(**arguments)
        except SlackApiError as error:
            raise _meaning(error) from error
        except (OSError, HTTPException, SlackClientError) as error:
            raise ChatAway(str(error) or type(error).__name__) from error


def _meaning(error: SlackApiError) -> ChatBusy | ChatAway | ChatGone | ChatRefused:
    response = error.response
    status = int(getattr(response, "status_code", 200))
    if status == _TOO_MANY or _word(response) in _LIMITED:
        return ChatBusy(_retry_after(getattr(response, "headers", {})))
    if status >= _SERVER_ERROR or _word(response) in _PASSING:
        return ChatAway(f"it answers {status} {_word(response)}".strip())
    if _word(response) in {"message_not_found", "thread_not_found", "cant_update_message"}:
        return ChatGone()
    return ChatRefused(_word(response) or f"HTTP {status}")


def _word(response: Any) -> str:
    """The error word, if the answer was Slack's own and not a proxy's page."""
    word = str(response.get("error") or "")
    return word if word.replace("_", "").isalnum() else ""


def _retry_after(headers: Mapping[str, str]) -> float:
    said = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    try:
        return max(float(said), 0.1)
    except ValueError:
        return 1.0
