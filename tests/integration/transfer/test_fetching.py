"""A service that hands out its rows page by page, and bears only so many requests: every row once, no request too many twice."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from changeover.errors import Stopped
from changeover.runbook.systems import ServiceEntry
from changeover.sandbox.services import web
from changeover.sandbox.services.cloud_crm import TOKENS_LIVE_S, CloudCrm
from changeover.steps.migrate import Migrate
from changeover.steps.reconcile import CannotCompare, Reconcile
from changeover.testing import FakeContext
from changeover.transfer.checksums import checksum
from changeover.transfer.databases import OpenDatabase
from changeover.transfer.failing import TooManyRejects
from changeover.transfer.fetching import PagesDoNotAddUp
from changeover.transfer.mapping import ColumnMapping, TableMapping
from changeover.transfer.paged_words import Paged
from changeover.transfer.pages import ServiceFails, ServiceRefuses, TokenExpired
from tests.integration.transfer.fetching_process import API, PLAN

Opener = Callable[[str, str], OpenDatabase]

TABLE = """create table cloud_customers (number varchar(20) primary key, name varchar(40) not null, birth_date date,
    email varchar(60), phone varchar(20))"""


def customers(number: int) -> dict[str, dict[str, Any]]:
    return {
        f"F{n:05}": {"name": f"Kovács {n}", "birth_date": "1980-02-29", "email": f"{n}@posta.example", "phone": None}
        for n in range(number)
    }


@contextmanager
def served(service: web.Service) -> Iterator[str]:
    server = web.serve(service)
    yield web.address(server)
    server.shutdown()
    server.server_close()


@pytest.fixture
def target(opened: Opener) -> OpenDatabase:
    database = opened("postgresql", "crm")
    database.execute(TABLE)
    return database


def context_of(target: OpenDatabase, url: str, plan: Migrate = PLAN) -> FakeContext:
    return FakeContext(
        run_id="run",
        step="copy",
        databases={"crm": target},
        systems={"services": {"cloud-crm": ServiceEntry(url)}},
        steps={"copy": plan},
    )


def test_the_limit_is_found_once_and_kept_after_an_interruption_and_every_row_arrives_once(target: OpenDatabase) -> None:
    target.execute("insert into cloud_customers (number, name) values ('M1', 'mobile')")
    before = checksum(target, "cloud_customers")
    context = context_of(target, "")
    cloud = CloudCrm(customers(2_990), seconds=context.clock.monotonic)  # on the same clock: nobody waits
    with served(cloud) as url:
        context.systems = {"services": {"cloud-crm": ServiceEntry(url)}}
        assert PLAN.dry_run(context).summary == "would copy every page of 1 table from cloud-crm"
        assert context.said == ["cloud_customers: 20 rows of 2,990 on the first page of cloud-crm"]
        context.progressed = Interrupting(context, 135)
        with pytest.raises(Stopped):
            PLAN.run(context)
        assert cloud.exceeded == 1
        assert any("refused a request at" in line for line in context.said)
        arrived = target.scalar("select count(*) from cloud_customers where number like 'F%'")
        assert 0 < arrived < 2_990
        context.stopped, context.progressed = "", []
        result = PLAN.run(context)
        assert f"cloud_customers: going on after {arrived // 20} pages, {arrived:,} rows" in context.said
        assert cloud.exceeded == 1
        assert result.output == {
            "tables": {"cloud_customers": {"source": 2_990, "copied": 2_990, "rejected": 0}},
            "rows": 2_990,
            "rejected": 0,
            "seconds": result.output["seconds"],  # type: ignore[index,call-overload]
        }
        served_before = cloud.served
        PLAN.run(context)  # it has copied everything
        assert cloud.served == served_before
    assert target.scalar("select count(distinct number) from cloud_customers where name like 'Kov%'") == 2_990
    with pytest.raises(CannotCompare, match="step copy copied pages of a service"):
        Reconcile(of="copy").run(context)
    Migrate(undo="copy").run(context)
    assert checksum(target, "cloud_customers") == before


class Interrupting(list[tuple[int, int | None, str]]):
    """Asks the step to stop when it has told its progress so often."""

    def __init__(self, context: FakeContext, after: int) -> None:
        super().__init__()
        self._context, self._after = context, after

    def append(self, entry: tuple[int, int | None, str]) -> None:
        super().append(entry)
        if len(self) == self._after:
            self._context.stopped = "the engine ends"


def test_a_fetch_that_is_killed_goes_on_at_the_rate_that_was_found(target: OpenDatabase) -> None:
    cloud = CloudCrm(customers(200), seconds=time.monotonic, served_per_second=2.5, burst=1)
    with served(cloud) as url:
        with fetching(url, target) as first:
            read_until(first, "refused a request")
            first.kill()
        found = cloud.exceeded
        with fetching(url, target) as second:
            read_until(second, " of 200")
            read_until(second, " of 200")
            second.kill()
        out, err = fetching(url, target).communicate(timeout=120)
        assert "200 rows copied into 1 table" in out, err
        assert "which the service is known to bear" in out
        assert cloud.exceeded == found
    assert target.scalar("select count(*) from cloud_customers") == 200
    assert target.scalar("select sum(rows_written) from changeover_chunk") == 200


def fetching(url: str, target: OpenDatabase) -> subprocess.Popen[str]:
    address = target.engine.url.render_as_string(hide_password=False)
    return subprocess.Popen(
        [sys.executable, "-m", "tests.integration.transfer.fetching_process", url, address],
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_until(process: subprocess.Popen[str], words: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return
    raise AssertionError(process.stderr.read() if process.stderr is not None else words)


def test_an_expired_token_says_what_to_do(target: OpenDatabase) -> None:
    context = context_of(target, "")
    with served(CloudCrm(customers(100), seconds=context.clock.monotonic)) as url:
        context.systems = {"services": {"cloud-crm": ServiceEntry(url)}}
        context.progressed = Interrupting(context, 2)
        with pytest.raises(Stopped):
            PLAN.run(context)
        context.stopped, context.progressed = "", []
        context.clock.advance(TOKENS_LIVE_S + 1)  # type: ignore[attr-defined] # it is a FakeClock
        with pytest.raises(
            TokenExpired, match=r"/customers answered 410: it does not know the token of page 3 any more"
        ) as trouble:
            PLAN.run(context)
    assert "undo the copy and let it run again in one go" in trouble.value.hint


@dataclass
class Scripted:
    """Answers what it is told to, and remembers what it was asked."""

    answer_: Callable[[web.Request], web.Reply]
    asked: list[web.Request] = field(default_factory=list)

    def answer(self, request: web.Request) -> web.Reply:
        self.asked.append(request)
        return self.answer_(request)


ROWS = [{"id": n, "who": {"name": f"n{n}"}, "total": 12.10, "at": "2027-03-13T19:00:00Z", "big": 2**62 + n} for n in range(5)]


def sliced(start: int) -> list[dict[str, Any]]:
    return ROWS[start : start + 2]


@pytest.mark.parametrize(
    ("how", "answer"),
    [
        ({"by": "page"}, lambda request: web.Reply(200, sliced(2 * int(request.query["page"]) - 2))),
        ({"by": "offset", "parameter": "skip"}, lambda request: web.Reply(200, sliced(int(request.query["skip"])))),
        (
            {"by": "link"},
            lambda request: web.Reply(
                200,
                sliced(int(request.query.get("from", 0))),
                {"Link": f'</rows?from={int(request.query.get("from", 0)) + 2}>; rel="next"'}
                if int(request.query.get("from", 0)) < 4
                else {},
            ),
        ),
    ],
    ids=["page", "offset", "link"],
)
def test_pages_are_asked_for_as_the_service_wants_and_values_arrive_exactly(
    target: OpenDatabase, how: dict[str, Any], answer: Callable[[web.Request], web.Reply]
) -> None:
    target.execute("create table rows (id integer primary key, who jsonb, total decimal(10,2), at timestamptz, big bigint)")
    fields = {"id": "integer", "who": "json", "total": "decimal", "at": "datetime", "big": "integer"}
    api = Paged("/rows", fields, size=2, parameters={"sort": "id"}, **how)  # type: ignore[arg-type]
    plan = Migrate("cloud-crm", "crm", (TableMapping("rows", key_columns=("id",), api=api),))
    service = Scripted(answer)
    with served(service) as url:
        entry = ServiceEntry(url, {"Authorization": "env:TOKEN"})
        context = context_of(target, url, plan)
        context.systems, context.secrets = {"services": {"cloud-crm": entry}}, {"env:TOKEN": "Bearer s3cret"}
        plan.run(context)
    assert {request.headers["authorization"] for request in service.asked} == {"Bearer s3cret"}
    assert service.asked[0].query["sort"] == "id"
    found = target.rows("select id, who->>'name' as name, total::text, at::text as at, big from rows order by id")
    assert [(row["id"], row["name"], row["total"], row["big"]) for row in found] == [
        (n, f"n{n}", "12.10", 2**62 + n) for n in range(5)
    ]
    assert "s3cret" not in "".join(context.said)


def test_rows_that_do_not_fit_are_dead_letters_and_too_many_of_them_end_it(target: OpenDatabase) -> None:
    told = customers(50)
    told["F00003"]["name"] = "x" * 50
    told["F00004"]["name"] = None
    told["F00005"]["email"] = " Mixed@POSTA.example "
    told["F00006"]["birth_date"] = "soon"
    table = replace(PLAN.tables[0], columns={"email": ColumnMapping(do=("trim", "lower"))})  # type: ignore[type-var]
    plan = replace(PLAN, tables=(table,), max_rejects=3)
    context = context_of(target, "", plan)
    with served(CloudCrm(told, seconds=context.clock.monotonic)) as url:
        context.systems = {"services": {"cloud-crm": ServiceEntry(url)}}
        assert "47 rows copied into 1 table, 3 rejected" in plan.run(context).summary
        letters = target.rows("select row_key, column_name from changeover_rejects order by row_key")
        assert [(row["row_key"], row["column_name"]) for row in letters] == [
            ('["F00003"]', "name"),
            ('["F00004"]', "name"),
            ('["F00006"]', "birth_date"),
        ]
        assert target.scalar("select email from cloud_customers where number = 'F00005'") == "mixed@posta.example"
        context.run_id = "second"
        target.execute("delete from cloud_customers")
        with pytest.raises(TooManyRejects, match="3 rows were rejected, 1 allowed"):
            replace(plan, max_rejects=1).run(context)


@pytest.mark.parametrize(
    ("reply", "error", "says"),
    [
        (web.Reply(401, {"error": "who are you"}), ServiceRefuses, "answered 401.*who are you"),
        (web.Reply(200, "<html>"), ServiceRefuses, "its answer is no JSON: <html>"),
        (web.Reply(200, {"customers": 5}), ServiceRefuses, r"`\$.customers` of its answer is no list of objects"),
        (web.Reply(200, {"customers": [], "count": 7}), PagesDoNotAddUp, "says that it has 7 rows, and 0 came"),
        (web.Reply(503, {"error": "asleep"}), ServiceFails, "could not be read for two minutes: it answered 503"),
        (
            web.Reply(200, {"customers": [], "count": 0, "next": "http://127.0.0.9/customers"}),
            ServiceRefuses,
            "its next page is said to be at http://127.0.0.9: another service",
        ),
    ],
)
def test_what_a_service_does_wrong_is_said_plainly(
    target: OpenDatabase, reply: web.Reply, error: type[Exception], says: str
) -> None:
    by: Any = "link" if "127.0.0.9" in str(reply.body) else "cursor"
    table: Any = replace(PLAN.tables[0], api=replace(API, by=by))  # type: ignore[type-var]
    plan = replace(PLAN, tables=(table,))
    with served(Scripted(lambda _: reply)) as url, pytest.raises(error, match=says):
        plan.run(context_of(target, url, plan))
    assert target.scalar("select count(*) from cloud_customers") == 0
