from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from changeover.notify.blocks import header
from changeover.notify.outlet import ChatAway, ChatBusy, ChatGone, ChatRefused, Place, Post
from changeover.notify.slack import Slack

FakeSlack = Any  # the fixture of conftest.py
CARD = Post("the card", [header("RUNNING")], {"run": "crm-1"})


def client(slack: FakeSlack, *, token: str = "xoxb-secret", timeout: int = 2) -> Slack:  # noqa: S107 - made up
    return Slack(token=token, channel="#cutover-crm", server=slack.address, timeout=timeout)


def test_a_posted_message_can_be_updated_by_the_place_it_got(slack: FakeSlack) -> None:
    chat = client(slack)
    place = chat.post(CARD)
    chat.update(place, Post("now held", []))
    assert place == Place("C0CRM", "1773514800.000000")
    assert slack.messages[place.message]["text"] == "now held"


def test_a_message_of_the_thread_can_be_found_again_by_its_mark(slack: FakeSlack) -> None:
    chat = client(slack)
    card = chat.post(CARD)
    reply = chat.post(Post("line", [], {"run": "crm-1", "first": 1, "last": 3}), thread=card)
    assert chat.find({"run": "crm-1", "first": 1, "last": 3}, thread=card) == reply
    assert chat.find({"run": "crm-1", "first": 1, "last": 4}, thread=card) is None


def test_a_rate_limit_says_how_long_to_wait(slack: FakeSlack) -> None:
    slack.burst = slack.tokens = 0.5
    slack.posts_a_second = 0
    with pytest.raises(ChatBusy, match="wait 1 s"):
        client(slack).post(CARD)


@pytest.mark.parametrize(
    ("word", "cure"), [("not_in_channel", "invite"), ("invalid_auth", "token"), ("is_archived", "channel"), ("odd", "errors")]
)
def test_a_refusal_bears_its_cure(slack: FakeSlack, word: str, cure: str) -> None:
    slack.refuses = word
    with pytest.raises(ChatRefused, match=word) as caught:
        client(slack).post(CARD)
    assert cure in caught.value.hint


def test_a_wrong_token_is_a_refusal_and_is_not_shown(slack: FakeSlack) -> None:
    with pytest.raises(ChatRefused, match="invalid_auth") as caught:
        client(slack, token="xoxb-wrong-token").post(CARD)  # noqa: S106 - made up
    assert "xoxb" not in str(caught.value)


def test_a_deleted_card_is_told_apart(slack: FakeSlack) -> None:
    with pytest.raises(ChatGone):
        client(slack).update(Place("C0CRM", "1.2"), CARD)


def test_a_server_in_trouble_is_away(slack: FakeSlack) -> None:
    slack.down = "503"
    with pytest.raises(ChatAway, match="503"):
        client(slack).post(CARD)


def test_a_server_that_hangs_costs_the_time_out_and_no_more(slack: FakeSlack) -> None:
    slack.down = "hang"
    began = time.monotonic()
    with pytest.raises(ChatAway):
        client(slack, timeout=1).post(CARD)
    assert time.monotonic() - began < 2.5


def test_a_connection_cut_before_the_answer_is_away(slack: FakeSlack) -> None:
    slack.down = "cut"
    with pytest.raises(ChatAway):
        client(slack).post(CARD)
    assert len(slack.messages) == 1  # it had arrived: that is why the thread looks before it repeats


def test_a_closed_port_is_away() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/api/"
    with pytest.raises(ChatAway, match="refused"):
        Slack(token="t", channel="#x", server=address).post(CARD)  # noqa: S106 - made up
