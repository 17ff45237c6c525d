from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy

from changeover.sandbox import legacy_crm, new_crm, population
from changeover.sandbox.services.alerts import Alerts
from changeover.sandbox.services.chat import Chat
from changeover.sandbox.services.cloud_crm import SERVED_PER_SECOND, TOKENS_LIVE_S, CloudCrm
from changeover.sandbox.services.front_end import Company, FrontEnd
from changeover.sandbox.services.jobs import Jobs
from changeover.sandbox.services.web import Reply, Request


def ask(method: str, path: str, body: object = None, **headers: str) -> Request:
    content = b"" if body is None else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(
        method, tuple(part for part in path.split("/") if part), content, {"content-type": "application/json", **named}
    )


def told(reply: Reply) -> dict[str, object]:
    assert isinstance(reply.body, dict)
    return reply.body


class Seconds:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def front(tmp_path: Path, seconds: Seconds) -> Iterator[FrontEnd]:
    """A web shop whose release reads fixed lines from the old CRM."""
    engines = {}
    for name, module, people in (("legacy-crm", legacy_crm, population.fixed_line(30)), ("crm", new_crm, population.mobile(20))):
        engines[name] = sqlalchemy.create_engine(f"sqlite:///{tmp_path / name}.sqlite")
        module.build(engines[name], people, folder=tmp_path)
    release = tmp_path / "home" / "current"
    release.mkdir(parents=True)
    (release / "VERSION").write_text("4.9.3\n")
    (release / "settings.json").write_text('{"fixed": "legacy-crm", "mobile": "crm"}')
    yield FrontEnd("web-shop", "Web shop", Company(engines, tmp_path / "home", tmp_path / "stuck", seconds))
    for engine in engines.values():
        engine.dispose()


def test_a_silence_is_made_once_for_one_key_and_ended_by_its_id() -> None:
    alerts = Alerts()
    first = alerts.answer(ask("POST", "silences", {"for": "30h"}, idempotency_key="run:silence:1"))
    again = alerts.answer(ask("POST", "silences", {"for": "30h"}, idempotency_key="run:silence:1"))
    assert (first.status, again.status, told(first)["id"]) == (201, 200, told(again)["id"])
    assert alerts.answer(ask("DELETE", f"silences/{told(first)['id']}")).status == 200
    assert alerts.answer(ask("DELETE", f"silences/{told(first)['id']}")).status == 404
    assert told(alerts.answer(ask("GET", "silences"))) == {"silences": []}


def test_a_job_says_what_it_was_before() -> None:
    jobs = Jobs()
    assert told(jobs.answer(ask("PUT", "jobs/nightly-billing", {"state": "suspended", "why": "CHG-1"})))["before"] == "running"
    assert told(jobs.answer(ask("PUT", "jobs/nightly-billing", {"state": "suspended"})))["before"] == "suspended"
    assert jobs.answer(ask("PUT", "jobs/nightly-billing", {"state": "asleep"})).status == 422
    assert jobs.answer(ask("GET", "jobs/unknown")).status == 404


def test_the_cloud_crm_limits_the_rate_and_forgives_with_time(seconds: Seconds) -> None:
    cloud = CloudCrm({"F1": {"name": "x"}}, seconds=seconds)
    answers = [cloud.answer(ask("GET", "customers/F1")).status for _ in range(40)]
    assert answers[0] == 200
    assert answers[-1] == 429
    seconds.now += 2 / SERVED_PER_SECOND
    assert cloud.answer(ask("GET", "customers/F1")).status == 200
    assert cloud.answer(ask("GET", "customers/F1")).status == 200
    assert cloud.answer(ask("GET", "customers/F1")).headers["Retry-After"] == "1"


def test_the_cloud_crm_hands_out_pages_forgets_their_tokens_and_counts_what_was_too_much(seconds: Seconds) -> None:
    cloud = CloudCrm({f"F{number}": {"name": "x"} for number in range(5)}, seconds=seconds, burst=5)

    def page(**query: str) -> Reply:
        return cloud.answer(Request("GET", ("customers",), b"", {}, {"limit": "3", **query}))

    first = told(page())
    assert [row["number"] for row in first["customers"]] == ["F0", "F1", "F2"]  # type: ignore[attr-defined]
    assert first["count"] == 5
    token = str(first["next"])
    last = told(page(cursor=token))
    assert ([row["number"] for row in last["customers"]], last["next"]) == (["F3", "F4"], None)  # type: ignore[attr-defined]
    assert page(cursor="nonsense").status == 400
    assert page(limit="many").status == 400
    seconds.now += TOKENS_LIVE_S + 1
    assert page(cursor=token).status == 410
    assert [page().status for _ in range(6)] == [200] * 4 + [429] * 2
    assert told(cloud.answer(ask("GET", "usage"))) == {"served": 9, "exceeded": 2}


def test_a_closed_door_says_so_in_words_and_the_staff_still_get_in(front: FrontEnd) -> None:
    assert front.public(ask("GET", "")).status == 200
    front.staff(ask("PUT", "door", {"state": "closed", "says": "Back at 21:00 <soon>"}))
    closed = front.public(ask("GET", ""))
    assert (closed.status, closed.headers["Retry-After"]) == (503, "600")
    assert "Back at 21:00 &lt;soon&gt;" in str(closed.body)
    assert front.staff(ask("GET", "customers/F000700001")).status == 200
    assert told(front.staff(ask("PUT", "door", {"state": "open"})))["state"] == "open"
    assert front.public(ask("GET", "")).status == 200


def test_a_stuck_door_stays_closed_until_it_is_mended(front: FrontEnd, tmp_path: Path) -> None:
    front.staff(ask("PUT", "door", {"state": "closed"}))
    (tmp_path / "stuck").touch()
    assert told(front.staff(ask("PUT", "door", {"state": "open"})))["state"] == "closed"
    (tmp_path / "stuck").unlink()
    assert told(front.staff(ask("PUT", "door", {"state": "open"})))["state"] == "open"


def test_the_release_says_which_crm_a_page_reads(front: FrontEnd, tmp_path: Path) -> None:
    before = front.staff(ask("GET", "customers/F000700001"))
    assert told(before)["read_from"] == "legacy-crm"
    (tmp_path / "home/current/settings.json").write_text('{"fixed": "crm", "mobile": "crm"}')
    after = front.staff(ask("GET", "customers/F000700001"))
    assert (after.status, told(after)["error"]) == (404, "crm knows no customer F000700001")
    assert told(front.staff(ask("GET", "customers/M000000001")))["read_from"] == "crm"


def test_orders_are_taken_until_the_old_crm_says_no(front: FrontEnd, tmp_path: Path) -> None:
    assert front.staff(ask("POST", "orders", {})).status == 202
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'legacy-crm'}.sqlite")
    with engine.begin() as connection:
        connection.exec_driver_sql("update settings set value = 'closed' where name = 'orders'")
    engine.dispose()
    assert front.staff(ask("POST", "orders", {})).status == 503


def test_tickets_wait_while_the_desk_is_closed_and_are_settled_after(front: FrontEnd, seconds: Seconds) -> None:
    assert told(front.staff(ask("GET", "backlog")))["open"] == 0
    front.staff(ask("PUT", "door", {"state": "closed"}))
    assert told(front.staff(ask("GET", "backlog")))["open"] == 12
    front.staff(ask("PUT", "door", {"state": "open"}))
    seconds.now += 2
    assert told(front.staff(ask("GET", "backlog")))["open"] == 6


def test_the_chat_keeps_what_it_is_told_and_updates_in_place(tmp_path: Path) -> None:
    chat = Chat(tmp_path / "chat.jsonl", down=tmp_path / "down")
    assert told(chat.answer(ask("POST", "api/auth.test")))["error"] == "not_authed"
    posted = told(chat.answer(ask("POST", "api/chat.postMessage", {"channel": "#c", "text": "hello"}, authorization="Bearer x")))
    stamp = posted["ts"]
    changed = chat.answer(ask("POST", "api/chat.update", {"channel": "#c", "ts": stamp, "text": "bye"}, authorization="Bearer x"))
    assert told(changed)["ok"] is True
    missing = chat.answer(ask("POST", "api/chat.update", {"channel": "#c", "ts": "0", "text": "?"}, authorization="Bearer x"))
    assert told(missing)["error"] == "message_not_found"
    lines = [json.loads(line) for line in (tmp_path / "chat.jsonl").read_text().splitlines()]
    assert [line["text"] for line in lines] == ["hello", "bye"]
    assert "bye" in str(chat.answer(ask("GET", "")).body)
    (tmp_path / "down").touch()
    assert chat.answer(ask("POST", "api/auth.test")).status == 503
