"""`migrate FILE` and `reconcile FILE`: no project, no runbook, no journal."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from changeover.cli import main
from changeover.cli.alone import AloneContext
from changeover.contracts import Value
from changeover.engine.resources import Resources
from changeover.project import Project
from changeover.runbook.systems import Systems
from changeover.sandbox.services import web
from changeover.sandbox.services.cloud_crm import CloudCrm
from changeover.secrets import Secrets
from changeover.testing import FakeClock

FILE = """databases:
  legacy: sqlite:///legacy.db
  crm: sqlite:///crm.db
migrate:
  from: legacy
  to: crm
  max_rejects: 1
  tables: [parents, children]
reconcile:
  from: legacy
  to: crm
  tables: [parents, children]
  report: out/difference
"""


def execute(path: Path, *statements: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection, connection:
        return [row for statement in statements for row in connection.execute(statement).fetchall()]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, more in (("legacy", ""), ("crm", " references parents (id)")):
        execute(
            tmp_path / f"{name}.db",
            "create table parents (id integer primary key, name varchar(5))",
            f"create table children (id integer primary key, parent integer{more})",
        )
    execute(
        tmp_path / "legacy.db",
        "insert into parents values (1, 'a'), (2, 'b'), (3, 'c'), (4, 'too long')",
        "insert into children values (1, 1), (2, 2), (3, null)",
    )
    path = tmp_path / "move.yaml"
    path.write_text(FILE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return path


def test_a_file_is_copied_and_compared_without_a_runbook(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", "move.yaml", "--dry-run"]) == 0
    assert "would copy 7 rows into 2 tables; 1 would be rejected, 1 may be" in capsys.readouterr().out
    assert main(["migrate", "move.yaml"]) == 0
    assert "6 rows copied into 2 tables, 1 rejected" in capsys.readouterr().out
    assert main(["migrate", "move.yaml"]) == 0  # nothing is copied twice
    assert execute(file.parent / "crm.db", "select count(*) from parents") == [(3,)]
    capsys.readouterr()
    assert main(["reconcile", "move.yaml"]) == 0
    told = capsys.readouterr()
    assert told.out == "4 of 4 questions passed\n"
    assert "count of parents: passed: 3 and 1 dead letter of 4 rows" in told.err
    assert (file.parent / "out/difference.html").is_file()


@pytest.mark.usefixtures("file")
def test_a_difference_ends_with_a_code_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["migrate", "move.yaml"])
    execute(tmp_path / "crm.db", "update parents set name = 'x' where id = 2")
    capsys.readouterr()
    assert main(["reconcile", "move.yaml", "--json"]) == 10
    told = capsys.readouterr()
    assert told.err == ""
    findings = {(each["kind"], each["about"]): each for each in json.loads(told.out)["output"]["findings"]}
    assert findings["checksum", "parents"]["differences"][0]["key"] == [2]


@pytest.mark.usefixtures("file")
def test_undo_takes_back_what_was_copied_under_the_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["migrate", "move.yaml", "--name", "first"])
    capsys.readouterr()
    assert main(["migrate", "move.yaml", "--name", "first", "--undo"]) == 0
    assert capsys.readouterr().out == "6 rows deleted from 2 tables\n"
    assert execute(tmp_path / "crm.db", "select count(*) from parents") == [(0,)]


@pytest.mark.usefixtures("file")
def test_a_rehearsal_tells_what_to_expect_and_leaves_nothing_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    execute(tmp_path / "legacy.db", "insert into children values (4, 99)")
    assert main(["migrate", "move.yaml", "--rehearse", "--sample", "100%"]) == 10
    lines = capsys.readouterr().out.splitlines()
    assert lines[:-1] == [
        "parents: 4 of 4 rows tried",
        "  name: 1 row refused: 8 characters do not fit varchar(5)",
        "  about 1 dead letter to expect of all rows",
        "children: 4 of 4 rows tried",
        "  row: 1 row refused: FOREIGN KEY constraint failed",
        "  about 1 dead letter to expect of all rows",
        "  parent: 1 row for which parents brings no row",
    ]
    assert lines[-1].startswith("all rows would take about ")
    assert [name for (name,) in execute(tmp_path / "crm.db", "select name from sqlite_master")] == ["parents", "children"]


@pytest.mark.usefixtures("file")
def test_a_share_of_the_rows_is_tried(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    execute(tmp_path / "legacy.db", "delete from parents where id = 4")
    values = ", ".join(f"({number}, 'p')" for number in range(10, 410))
    execute(tmp_path / "legacy.db", f"insert into parents values {values}")  # noqa: S608 - of this test
    assert main(["migrate", "move.yaml", "--rehearse", "--sample", "10%", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["tables"]["parents"]["rows"] == 403
    assert 20 <= told["tables"]["parents"]["sampled"] <= 60


@pytest.mark.parametrize(
    ("text", "arguments", "said"),
    [
        ("databases: {}\n", ["migrate", "move.yaml"], "move.yaml has no `migrate:`"),
        ("databases: {}\n", ["reconcile", "move.yaml"], "move.yaml has no `reconcile:`"),
        (FILE, ["migrate", "move.yaml", "--rehearse", "--sample", "half"], "--sample 'half' is no share"),
        (FILE, ["migrate", "move.yaml", "--rehearse", "--sample", "0%"], "--sample '0%' is no share"),
        (
            FILE.replace("tables: [parents, children]\nrec", "tabels: [x]\nrec"),
            ["migrate", "move.yaml"],
            "`migrate` has no key `tabels`",
        ),
        (FILE.replace("from: legacy", "from: lagacy"), ["migrate", "move.yaml"], "lagacy"),
        (FILE.replace("[parents,", "['${environment}',"), ["migrate", "move.yaml"], "a file without a runbook knows no values"),
        ("- no mapping\n", ["migrate", "move.yaml"], "a mapping"),
        (FILE, ["migrate", "other.yaml"], "there is no such file"),
    ],
)
def test_bad_input_is_one_clear_message(
    file: Path, capsys: pytest.CaptureFixture[str], text: str, arguments: list[str], said: str
) -> None:
    file.write_text(text, encoding="utf-8")
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert said in " ".join((told.out + told.err).split())
    assert "Traceback" not in told.err


@pytest.mark.usefixtures("file")
def test_a_setback_names_itself_and_has_its_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    execute(tmp_path / "legacy.db", "insert into parents values (5, 'also too long')")
    assert main(["migrate", "move.yaml"]) == 10
    assert "2 rows were rejected, 1 allowed" in capsys.readouterr().err


def test_a_copy_without_a_runbook_is_adjusted_by_its_control_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context = AloneContext("move", "migrate", file.parent, resources_of(file.parent))
    assert context.adjusted() == {}
    context.control_file.write_text("rows_per_second: 5000\nworkers: 1\n", encoding="utf-8")
    time.sleep(1.1)  # it looks once a second
    assert context.adjusted() == {"rows_per_second": 5000, "workers": 1}
    assert "at most 5,000 rows/s, 1 worker" in capsys.readouterr().err
    assert context.adjusted() == {"rows_per_second": 5000, "workers": 1}


@pytest.mark.usefixtures("file")
def test_what_a_short_sample_says_of_the_whole_is_the_most_that_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", "move.yaml", "--rehearse", "--sample", "50%"]) in {0, 10}
    *_, whole, why = capsys.readouterr().out.splitlines()
    assert whole.startswith("all rows would take at most about ")
    assert why.endswith("a larger `--sample` tells it closer")


def test_the_line_of_progress_is_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock()
    context = AloneContext("move", "migrate", tmp_path, resources_of(tmp_path), clock=clock)
    figures: dict[str, Value] = {
        "rate": 1465.7,
        "mean": 1465.7,
        "rejected": 2,
        "table": "services",
        "table_done": 3,
        "table_total": 9,
        "part": "",
    }
    clock.advance(60)
    context.progress(3032, 4014, "rows", **figures, because="at most 1,500 rows/s")
    assert capsys.readouterr().err == "3,032 of 4,014 rows · 1,466 rows/s · 2 rejected · at most 1,500 rows/s · services\n"


def resources_of(folder: Path) -> Resources:
    return Resources(Systems(), Project(folder), Secrets(folder), folder)


def test_what_three_systems_say_and_who_goes_in_circles_is_asked_as_the_documentation_writes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = {
        "legacy": [("F1", "residential", "a@x", "2026-01-01"), ("F2", "business", "b@x", "2026-03-01")],
        "crm": [("F1", "residential", "A@x ", "2026-02-01"), ("F2", "residential", "b2@x", "2026-01-01")],
        "cloud": [("F1", "residential", "a@x", "2026-01-05"), ("F2", "vip", "b3@x", "2026-05-01")],
    }
    for system, rows in said.items():
        execute(tmp_path / f"{system}.db", "create table t (customer_number text primary key, kind text, email text, at text)")
        for row in rows:
            execute(tmp_path / f"{system}.db", f"insert into t values {row}")  # noqa: S608 - ours
    execute(tmp_path / "crm.db", 'create table ivr_routes ("at" text, system text, field text, value text, "to" text)')
    for way in (
        ("start", "legacy", "segment", "business", "biz"),
        ("start", "legacy", "segment", "*", ""),
        ("biz", "crm", "segment", "business", ""),
        ("biz", "crm", "segment", "*", "start"),
    ):
        execute(tmp_path / "crm.db", f"insert into ivr_routes values {way}")  # noqa: S608 - ours
    databases = ", ".join(f"{system}: 'sqlite:///{tmp_path}/{system}.db'" for system in said)
    fields = "fields: {segment: lower(kind), changed_at: at}"
    systems = "".join(f"        {system}: {{database: {system}, table: t, {fields}}}\n" for system in said)
    (tmp_path / "three.yaml").write_text(
        f"databases: {{{databases}}}\nreconcile:\n  report: out\n  contradiction:\n    - systems:\n{systems}"
        "      key: customer_number\n      fields: [segment, email, changed_at]\n      ignore: [case, blanks]\n"
        "      survives: {segment: {prefer: [crm, legacy]}, email: {rule: latest, by: changed_at}}\n"
        "      routes: {database: crm, table: ivr_routes}\n      limit: 0\n",
        encoding="utf-8",
    )
    assert main(["reconcile", str(tmp_path / "three.yaml")]) == 10
    assert "they disagree about 1 of 2 (at most 0); 1 of 2 would go in circles" in capsys.readouterr().out
    markdown = (tmp_path / "out.md").read_text(encoding="utf-8")
    assert "| start → biz → start | 1 | 0 | F2 |" in markdown
    assert "\n0 of 1 question passed.\n" in markdown
    assert "quarantine" not in markdown.split("## contradiction")[1]


def test_rows_of_a_service_need_no_runbook_either(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    execute(tmp_path / "crm.db", "create table contacts (number text primary key, name text)")
    server = web.serve(CloudCrm({f"F{number}": {"name": "x"} for number in range(5)}, seconds=time.monotonic))
    file = tmp_path / "contacts.yaml"
    file.write_text(
        f"databases: {{crm: 'sqlite:///{tmp_path}/crm.db'}}\nservices: {{cloud: '{web.address(server)}'}}\n"
        "migrate:\n  from: cloud\n  to: crm\n  tables:\n    - {from: customers, to: contacts, key: [number], "
        "api: {path: /customers, items: $.customers, next: $.next, fields: {number: text, name: text}}}\n",
        encoding="utf-8",
    )
    try:
        assert main(["migrate", str(file), "--dry-run"]) == 0
        assert main(["migrate", str(file)]) == 0
        assert "5 rows copied into 1 table" in capsys.readouterr().out
        assert main(["migrate", str(file), "--rehearse"]) == 2
        assert "cloud is a service, whose rows are not rehearsed" in capsys.readouterr().err
    finally:
        server.shutdown()
        server.server_close()
    assert execute(tmp_path / "crm.db", "select count(*) from contacts") == [(5,)]
