"""One runbook, as a release manager writes it: bulk, delta, freeze, last delta, verify, open - while people go on working."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from changeover.contracts import RunState
from changeover.journal.events import EventKind, Verb
from changeover.sandbox.services import web
from changeover.sandbox.services.cloud_crm import CloudCrm
from changeover.testing import Trial
from changeover.transfer.checksums import checksum
from changeover.transfer.databases import OpenDatabase

Opener = Callable[[str, str], OpenDatabase]

RUNBOOK: Final = """
changeover: 1
id: night
title: The night of the CRM
timezone: Europe/Budapest
window: {opens: 2027-03-13 19:00, closes: 2027-03-14 21:00}
systems: systems.yaml
people: people.yaml
stages:
  preload:
    title: Everybody works
    owner: anna
    steps:
      - id: copy
        migrate:
          from: legacy-crm
          to: crm
          chunk_rows: 100
          delta: {by: updated_at, overlap: 10s, deletes: compare_keys, until: {rows: 500, seconds: 30}}
          tables:
            - customers
            - from: notes
              delta: {by: updated_at, deletes: {tombstones: {column: deleted_at}}}
        expect: 1m
      - id: nearly
        migrate: {catch_up: copy}
        expect: 1m
    rollback:
      steps:
        - id: take-back
          migrate: {undo: copy}
          expect: 1m
  freeze:
    title: Nobody works
    owner: anna
    needs: [preload]
    steps:
      - id: stop-orders
        sql: {on: legacy-crm, run: "update settings set value = 'closed'"}
        repeatable: true
        on_unknown: rerun
        undo: {sql: {on: legacy-crm, run: "update settings set value = 'open'"}, on_unknown: rerun}
        expect: 1m
      - id: nobody-writes
        wait: {for: 2s}
        expect: 5s
      - id: last-delta
        migrate: {catch_up: copy, final: true}
        capture: {rows: $.rows, changed: $.delta.changed}
        expect: 1m
      - id: contacts
        migrate:
          from: cloud-crm
          to: crm
          tables:
            - from: customers
              to: contacts
              key: [number]
              api:
                {path: /customers, items: $.customers, next: $.next, total: $.count, size: 50, fields: {number: text, name: text}}
        undo: {migrate: {undo: contacts}}
        expect: 1m
    rollback: {none: every step brings back its own}
  verify:
    title: Is everything there?
    owner: anna
    needs: [freeze]
    steps:
      - id: field-by-field
        reconcile: {of: copy}
        expect: 1m
      - id: go
        gate: {ask: Do we open?, deciders: [anna]}
        expect: 1m
    rollback: {none: nothing was changed}
"""


@contextmanager
def people_at_work(legacy: OpenDatabase) -> Iterator[None]:
    """They write for as long as the old system takes it."""
    stop = threading.Event()

    def work() -> None:
        for number in range(100_000):
            if stop.wait(0.005) or legacy.scalar("select value from settings") == "closed":
                return
            legacy.execute("insert into customers (id, name) values (:id, 'new')", id=10_000 + number)
            legacy.execute("update customers set name = :name where id = :id", name=f"n{number}", id=number % 800 + 1)
            legacy.execute("delete from customers where id = :id", id=10_000 + number - 3 if number % 5 == 0 else 0)
            legacy.execute("update notes set deleted_at = now(6) where id = :id and deleted_at is null", id=number % 300 + 1)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)


def test_a_night_with_a_small_delta_and_a_rollback_after_it(opened: Opener, tmp_path: Path) -> None:
    legacy, crm = opened("mariadb", "legacy-crm"), opened("postgresql", "crm")
    changed = "updated_at timestamp(6) not null default now(6) on update now(6)"
    legacy.execute(f"create table customers (id bigint primary key, name varchar(40), {changed}, key (updated_at))")
    legacy.execute(
        f"create table notes (id bigint primary key, text varchar(40), deleted_at timestamp(6) null, {changed}, key (updated_at))"
    )
    legacy.execute("create table settings (value varchar(10))")
    legacy.execute("insert into settings values ('open')")
    legacy.execute("insert into customers (id, name) select seq, concat('c', seq) from seq_1_to_1000")
    legacy.execute("insert into notes (id, text) select seq, concat('t', seq) from seq_1_to_400")
    crm.execute("create table customers (id bigint primary key, name varchar(40), updated_at timestamptz)")
    crm.execute("create table notes (id bigint primary key, text varchar(40), updated_at timestamptz)")
    crm.execute("create table contacts (number varchar(20) primary key, name varchar(40))")
    before = {table: checksum(crm, table) for table in ("customers", "notes", "contacts")}
    told = {f"F{number}": {"name": f"f{number}"} for number in range(120)}
    server = web.serve(CloudCrm(told, seconds=lambda: 0.0, burst=1e9))
    systems = "databases:\n" + "".join(
        f"  {database.name}: {{url: '{database.engine.url.render_as_string(hide_password=False)}'}}\n"
        for database in (legacy, crm)
    )
    trial = Trial(
        tmp_path,
        RUNBOOK,
        files={
            "runbooks/people.yaml": "persons:\n  anna: {name: Anna Kovács}\n  runner: {name: Rita Runner}\n",
            "runbooks/systems.yaml": f"{systems}services:\n  cloud-crm: '{web.address(server)}'\n",
        },
    )
    try:
        with people_at_work(legacy):
            trial.create()
            trial.start()
            trial.until(lambda state: "go" in state.decisions, "the gate", seconds=120)
        state = trial.state()
        summaries = {step: state.step(step).summary for step in ("copy", "nearly", "last-delta", "contacts", "field-by-field")}
        assert "caught up: last pass" in summaries["copy"]
        assert "caught up: last pass" in summaries["nearly"]
        assert "caught up for good: last pass" in summaries["last-delta"]
        assert summaries["contacts"] == "120 rows copied into 1 table"
        assert summaries["field-by-field"] == "4 of 4 questions passed"
        alive = "select (select count(*) from customers) + (select count(*) from notes where deleted_at is null)"
        assert state.step("last-delta").captured["rows"] == legacy.scalar(alive)
        assert legacy.scalar("select count(*) from customers where id >= 10000") > 0
        assert 0 < int(crm.scalar("select count(*) from notes")) < 400
        assert any(str(event.data.get("line")).startswith("pass 1: ") for event in trial.events(EventKind.STEP_SAID))
        assert trial.command(Verb.ROLLBACK, who="anna", why="the rehearsal is over").accepted
        assert trial.wait(60).state is RunState.ROLLED_BACK
    finally:
        server.shutdown()
        server.server_close()
    assert {table: checksum(crm, table) for table in before} == before
    assert legacy.scalar("select value from settings") == "open"
