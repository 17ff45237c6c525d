from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from changeover.contracts import Answer, OnUnknown
from changeover.runbook.systems import DatabaseEntry
from changeover.steps.migrate import Migrate
from changeover.steps.reconcile import NothingCopied, Reconcile
from changeover.testing import FakeContext
from changeover.transfer.databases import OpenDatabase, open_database
from changeover.transfer.mapping import ColumnMapping, TableMapping
from changeover.transfer.reconcile.pairs import NotComparable
from changeover.transfer.reconcile.words import (
    Aggregate,
    Contradiction,
    Domain,
    Figure,
    Reference,
    Routes,
    Sample,
    Survivor,
    TablePair,
    Unique,
    Witness,
)
from changeover.transfer.reconcile.writing import ReportNotWritten


@pytest.fixture
def databases(tmp_path: Path) -> Iterator[dict[str, OpenDatabase]]:
    opened = {}
    for name in ("legacy", "crm", "cloud"):
        (tmp_path / f"{name}.db").touch()
        opened[name] = open_database(name, DatabaseEntry(url=f"sqlite:///{name}.db"), "", base=tmp_path)
    for name in ("legacy", "crm"):
        opened[name].execute("create table t (id integer primary key, name text, total decimal(8,2), grp text)")
        opened[name].execute("insert into t values (1, 'a', 1.5, 'x'), (2, 'b', 2.5, 'y'), (3, null, null, 'y')")
    yield opened
    for database in opened.values():
        database.close()


@pytest.fixture
def context(databases: dict[str, OpenDatabase], tmp_path: Path) -> FakeContext:
    return FakeContext(run_id="r1", step="compare", databases=databases, folder=tmp_path)


def finding(step: Reconcile, context: FakeContext, kind: str) -> dict[str, Any]:
    output = step.run(context).output
    assert isinstance(output, dict)
    (found,) = [each for each in output["findings"] if each["kind"] == kind]
    return dict(found)


def test_equal_tables_pass_and_a_report_is_written_for_their_owner_alone(context: FakeContext, tmp_path: Path) -> None:
    result = Reconcile(source="legacy", target="crm", tables=("t",)).run(context)
    assert result.verdict is not None
    assert (result.verdict.answer, result.summary) == (Answer.PASSED, "2 of 2 questions passed")
    assert context.said == [
        "count of t: passed: 3 and 0 dead letters of 3 rows",
        "checksum of t: passed: 4 columns of 3 rows are the same",
        f"the report: {tmp_path}/.changeover/runs/r1/logs/compare.html",
    ]
    for suffix in ("html", "md", "json"):
        file = tmp_path / f".changeover/runs/r1/logs/compare.{suffix}"
        assert file.stat().st_mode & 0o777 == 0o600
    assert Reconcile().on_unknown is OnUnknown.RERUN


def test_every_difference_stands_in_the_output_with_key_and_column(
    context: FakeContext, databases: dict[str, OpenDatabase]
) -> None:
    databases["crm"].execute("update t set name = '<b>|`x`' where id = 2")
    databases["crm"].execute("delete from t where id = 3")
    step = Reconcile(source="legacy", target="crm", tables=("t",), report="out/difference")
    result = step.run(context)
    assert result.verdict is not None
    assert result.verdict.answer is Answer.FAILED
    assert result.summary == (
        "0 of 2 questions passed; t: 2 and 0 dead letters of 3 rows: 1 row missing; "
        "t: 2 rows of 3 not the same: 1 missing, 1 differs"
    )
    checksum = finding(step, context, "checksum")
    assert checksum["differences"] == [
        {"key": [2], "gap": "differs", "fields": [{"column": "name", "source": "b", "target": "<b>|`x`"}]},
        {
            "key": [3],
            "gap": "missing",
            "fields": [
                {"column": name, "source": value, "target": None}
                for name, value in (("id", 3), ("name", None), ("total", None), ("grp", "y"))
            ],
        },
    ]
    html = (context.folder / "out/difference.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;|`x`" in html
    assert "<b>|" not in html
    markdown = (context.folder / "out/difference.md").read_text(encoding="utf-8")
    assert r"| 2 | differs | name | b | \<b\>\|\`x\` |" in markdown
    assert "| 3 | missing | total | NULL | no such row |" in markdown
    assert "<td>3</td><td>missing</td><td>grp</td><td>y</td><td class=nothing>no such row</td>" in html
    assert json.loads((context.folder / "out/difference.json").read_text(encoding="utf-8"))["answer"] == "failed"


def test_rows_differ_and_a_row_differs(context: FakeContext, databases: dict[str, OpenDatabase]) -> None:
    databases["crm"].execute("update t set name = 'other' where id < 3")
    step = Reconcile(source="legacy", target="crm", tables=("t",))
    assert finding(step, context, "checksum")["summary"] == "2 rows of 3 not the same: 2 differ"


def test_nothing_is_compared_with_nothing_in_silence(context: FakeContext, databases: dict[str, OpenDatabase]) -> None:
    for name in ("legacy", "crm"):
        databases[name].execute("delete from t")
    result = Reconcile(
        source="legacy",
        target="crm",
        tables=("t",),
        aggregate=(Aggregate("t", {"total": "sum(total)"}),),
        unique=(Unique("t", ("name",)),),
        orphans=(Reference("t", "grp", "t", "name"),),
        domain=(Domain("t", "grp", ("x",)),),
        sample=(Sample("t"),),
    ).run(context)
    assert isinstance(result.output, dict)
    assert {each["answer"] for each in result.output["findings"]} == {"not verifiable"}
    assert result.verdict is not None
    assert result.verdict.answer is Answer.NOT_VERIFIABLE
    assert finding(
        Reconcile(source="legacy", target="crm", tables=(TablePair("t", at_least=0),), checksum=False), context, "count"
    )["answer"] == ("passed")


def test_figures_are_compared_as_a_whole_and_by_group(context: FakeContext, databases: dict[str, OpenDatabase]) -> None:
    step = Reconcile(
        source="legacy",
        target="crm",
        tables=("t",),
        count=False,
        checksum=False,
        aggregate=(Aggregate("t", {"sum": Figure("sum(total * 100)", "sum(total) * 100"), "lowest": "min(total)"}),),
    )
    assert finding(step, context, "aggregate")["figures"] == {
        "sum": {"source": 400, "target": 400},
        "lowest": {"source": "1.5", "target": "1.5"},
    }
    databases["crm"].execute("update t set total = 3.5 where id = 2")
    assert finding(step, context, "aggregate")["summary"] == "1 of 2 figures differ, such as sum: 400 and 500"
    grouped = Reconcile(
        source="legacy",
        target="crm",
        tables=("t",),
        aggregate=(Aggregate("t", {"sum": "sum(total)"}, {"group": "grp"}),),
    )
    found = finding(grouped, context, "aggregate")
    assert found["evidence"][0]["rows"] == [{"group": "y", "figure": "sum", "legacy": "2.5", "crm": "3.5"}]
    near = Reconcile(
        source="legacy", target="crm", tables=("t",), aggregate=(Aggregate("t", {"sum": "sum(total)"}, tolerance=1),)
    )
    assert finding(near, context, "aggregate")["answer"] == "passed"


def test_questions_about_one_table_name_what_is_wrong(context: FakeContext, databases: dict[str, OpenDatabase]) -> None:
    databases["crm"].execute("create table child (id integer primary key autoincrement, t_id integer, kind text)")
    databases["crm"].execute("insert into child values (1, 1, 'a'), (2, 9, 'a'), (3, null, null), (4, 2, 'b')")
    databases["crm"].execute("update sqlite_sequence set seq = 3 where name = 'child'")

    def asked(**more: Any) -> dict[str, Any]:
        output = Reconcile(source="legacy", target="crm", **more).run(context).output
        assert isinstance(output, dict)
        return dict(output["findings"][0])

    orphans = asked(orphans=(Reference("child", "t_id", "t"),))
    assert (orphans["answer"], orphans["summary"]) == ("failed", "1 of 3 rows with a t_id that t does not have")
    assert asked(orphans=(Reference("child", "t_id", "t", at_most=1),))["answer"] == "passed"
    unique = asked(unique=(Unique("child", ("kind",)),))
    assert unique["evidence"][0]["rows"] == [{"kind": "a", "rows": 2}]
    domain = asked(domain=(Domain("child", "kind", ("a",)),))
    assert domain["summary"] == "1 of 4 rows with another value, such as b"
    assert asked(domain=(Domain("child", "kind", ("a", "b"), nullable=False),))["found"] == 1
    assert asked(domain=(Domain("child", "kind", holds="length(kind) = 1"),))["answer"] == "passed"
    sequence = asked(sequence=("child",))
    assert sequence["summary"] == "id gives 4 next, and 4 is there"
    databases["crm"].execute("update sqlite_sequence set seq = 4 where name = 'child'")
    assert asked(sequence=("child",))["answer"] == "passed"
    assert asked(sequence=("t",))["answer"] == "not verifiable"


def test_a_sample_shows_both_sides_field_by_field_and_the_same_rows_again(
    context: FakeContext, databases: dict[str, OpenDatabase]
) -> None:
    databases["crm"].execute("update t set name = 'z' where id = 2")
    step = Reconcile(source="legacy", target="crm", tables=("t",), count=False, checksum=False, sample=(Sample("t", rows=3),))
    found = finding(step, context, "sample")
    assert found["summary"] == "2 of 3 rows are the same in every field"
    assert {"key": "2", "column": "name", "legacy": "b", "crm": "z", "": "DIFFERS"} in json.loads(
        (context.folder / ".changeover/runs/r1/logs/compare.json").read_text(encoding="utf-8")
    )["findings"][0]["evidence"][0]["rows"]
    assert finding(step, context, "sample")["evidence"] == found["evidence"]


def test_the_tables_of_a_migration_are_compared_as_its_mapping_made_them(
    context: FakeContext, databases: dict[str, OpenDatabase]
) -> None:
    databases["legacy"].execute("create table c (id integer primary key, name text, status text, credit decimal(8,2), born text)")
    databases["legacy"].execute(
        "insert into c values (1, ' Anna ', 'a', 2.5, '0000-00-00'), (2, 'BEA', 'b', null, '2000-01-01'),"
        " (3, 'too long', 'a', 1, null), (4, 'x', 'unknown', 1, null)"
    )
    databases["crm"].execute(
        "create table c (id integer primary key, name varchar(5), status text, minor integer, born date, line text)"
    )
    databases["crm"].execute("insert into c values (100, 'other', 'ACTIVE', 0, null, 'mobile')")
    columns: dict[str, str | ColumnMapping] = {
        "name": ColumnMapping(do=("trim", "lower")),
        "status": ColumnMapping(map={"a": "ACTIVE", "b": "CLOSED"}),
        "minor": ColumnMapping(sql="cast(round(coalesce(credit, 0) * 100) as integer)"),
        "born": ColumnMapping(do=("zero_date_to_null",)),
        "line": ColumnMapping(value="fixed"),
    }
    copy = Migrate(source="legacy", target="crm", tables=(TableMapping(source="c", columns=columns),), max_rejects=2)
    context.step = "copy"
    copy.run(context)
    context.step = "compare"
    context.steps = {"copy": copy}
    step = Reconcile(of="copy")
    result = step.run(context)
    assert result.summary == "2 of 2 questions passed"
    count = finding(step, context, "count")
    assert count["figures"] == {"source": 4, "target": 2, "dead letters": 2}
    assert [(row["key"], row["column"], row["value"]) for row in count["evidence"][0]["rows"]] == [
        ("3", "name", "too long"),
        ("4", "status", "unknown"),
    ]
    assert finding(step, context, "checksum")["figures"]["dead letters"] == 2
    databases["crm"].execute("update c set status = 'CLOSED' where id = 1")
    databases["crm"].execute("update c set line = 'mobile' where id = 2")
    checksum = finding(step, context, "checksum")
    assert [(each["key"], [f["column"] for f in each["fields"]]) for each in checksum["differences"]] == [
        ([1], ["status"]),
        ([2], ["line"]),
    ]


def test_a_step_that_copies_nothing_cannot_be_compared(context: FakeContext) -> None:
    context.steps = {"other": Reconcile()}
    with pytest.raises(NothingCopied, match="step other copies nothing"):
        Reconcile(of="other").run(context)


def test_a_table_that_is_not_named_and_a_key_that_is_not_there_are_said(context: FakeContext) -> None:
    with pytest.raises(NotComparable, match="`tables` does not name it; it names t"):
        Reconcile(source="legacy", target="crm", tables=("t",), sample=(Sample("u"),)).run(context)
    with pytest.raises(NotComparable, match="its key nr is not among the compared columns"):
        Reconcile(source="legacy", target="crm", tables=(TablePair("t", key_columns=("nr",)),)).run(context)


def test_a_report_that_cannot_be_written_is_said_with_its_path(context: FakeContext) -> None:
    (context.folder / "taken").write_text("a file, not a folder", encoding="utf-8")
    with pytest.raises(ReportNotWritten, match=r"the report cannot be written to .*/taken/x.html: "):
        Reconcile(source="legacy", target="crm", tables=("t",), report="taken/x").run(context)


def test_a_dry_run_asks_writes_nothing_and_is_never_red(context: FakeContext, databases: dict[str, OpenDatabase]) -> None:
    databases["crm"].execute("delete from t")
    result = Reconcile(source="legacy", target="crm", tables=("t",), report="out/x").dry_run(context)
    assert result.verdict is not None
    assert result.verdict.answer is Answer.NOT_VERIFIABLE
    assert not (context.folder / "out").exists()


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        (Reconcile(), "nothing is asked: say `of`, `tables`, `contradiction`, or another question"),
        (Reconcile(tables=("t",)), "`from` and `to` are missing"),
        (
            Reconcile(of="copy", source="legacy"),
            "`of` stands without `from` and `to`: which databases it was, the other step knows",
        ),
        (
            Reconcile(source="a", target="b", sample=(Sample("t"),)),
            "`aggregate` and `sample` need the pair of tables: name it in `tables`",
        ),
        (Reconcile(source="a", target="b", domain=(Domain("t", "c"),)), "`domain` of t.c says either `values` or `holds`"),
    ],
)
def test_what_the_types_cannot_say_is_found_before_the_run(step: Reconcile, problem: str) -> None:
    assert list(step.problems()) == [problem]


SYSTEMS = {
    "legacy": Witness("legacy", "people", fields={"segment": "lower(seg)"}),
    "crm": Witness("crm", "people"),
    "cloud": Witness("cloud", "people"),
}


@pytest.fixture
def people(databases: dict[str, OpenDatabase]) -> None:
    databases["legacy"].execute("create table people (nr text, seg text, email text, at text)")
    databases["legacy"].execute(
        "insert into people values ('1', 'FIXED', 'a@x', '2026-01-01'), ('2', 'FIXED', 'b@x', '2026-01-03'),"
        " ('3', 'FIXED', null, '2026-01-01'), ('9', 'FIXED', 'z@x', null)"
    )
    databases["crm"].execute("create table people (nr integer, segment text, email text, at text)")
    databases["crm"].execute(
        "insert into people values (1, 'fixed', 'A@x ', '2026-01-01'), (2, 'mobile', 'c@x', '2026-01-02'),"
        " (3, 'fixed', 'd@x', null)"
    )
    databases["cloud"].execute("create table people (nr text, segment text, email text, at text)")
    databases["cloud"].execute("insert into people values ('2', 'mobile', 'd@x', '2026-01-01')")
    databases["cloud"].execute("create table ivr (at text, system text, field text, value text, goes text)")
    databases["cloud"].execute(
        "insert into ivr values ('start', 'legacy', 'segment', 'fixed', 'fixed desk'),"
        " ('start', 'legacy', 'segment', '*', 'mobile desk'),"
        " ('fixed desk', 'crm', 'segment', 'mobile', 'mobile desk'), ('fixed desk', 'crm', 'segment', '*', 'agent'),"
        " ('mobile desk', 'legacy', 'segment', 'fixed', 'start'), ('mobile desk', 'legacy', 'segment', '*', 'agent')"
    )


@pytest.mark.usefixtures("people")
def test_systems_that_contradict_each_other_are_named_with_whom_to_believe(context: FakeContext) -> None:
    words = Contradiction(
        SYSTEMS,
        "nr",
        ("segment", "email", "at"),
        ("case", "blanks"),
        survives={
            "segment": Survivor(rule="most"),
            "email": Survivor(rule="latest", by="at"),
            "at": Survivor(prefer=("crm", "legacy")),
        },
        limit=1,
    )
    found = finding(Reconcile(contradiction=(words,)), context, "contradiction")
    assert found["answer"] == "failed"
    assert found["summary"] == "they disagree about 2 of 3 (at most 1)"
    assert found["figures"] == {
        "compared": 3,
        "known to legacy": 4,
        "known to crm": 3,
        "known to cloud": 1,
        "only in legacy": 1,
        "only in crm": 0,
        "only in cloud": 0,
        "disagree about segment": 1,
        "disagree about email": 2,
        "disagree about at": 2,
        "quarantined": 1,
    }
    evidence = {each["title"]: each["rows"] for each in found["evidence"]}
    assert evidence["quarantine"] == [{"nr": "3", "undecided": "email"}]
    told = {(row["nr"], row["field"]): row["to be believed"] for row in evidence["contradictions"]}
    assert told == {
        ("2", "segment"): "mobile (crm)",
        ("2", "email"): "b@x (legacy)",
        ("2", "at"): "2026-01-02 (crm)",
        ("3", "email"): "somebody has to decide",
        ("3", "at"): "2026-01-01 (legacy)",
    }


@pytest.mark.usefixtures("people")
def test_customers_who_would_be_sent_in_circles_are_found_with_their_circle(context: FakeContext) -> None:
    words = Contradiction(
        SYSTEMS,
        "nr",
        ("segment",),
        survives={"segment": Survivor(rule="most")},
        routes=Routes("cloud", "ivr", to="goes"),
        limit=9,
    )
    found = finding(Reconcile(contradiction=(words,)), context, "contradiction")
    assert found["answer"] == "failed"
    assert found["summary"] == "they disagree about 1 of 3 (at most 9); 1 of 4 would go in circles (at most 0)"
    assert found["evidence"][0]["rows"] == [
        {
            "circle": "start → fixed desk → mobile desk → start",
            "customers": 1,
            "also once the data agree": 0,
            "such as": "2",
        }
    ]


def test_systems_without_anything_in_common_prove_nothing(context: FakeContext, databases: dict[str, OpenDatabase]) -> None:
    databases["cloud"].execute("create table t (id integer, name text)")
    words = Contradiction({"crm": Witness("crm", "t"), "cloud": Witness("cloud", "t")}, "id", ("name",))
    assert finding(Reconcile(contradiction=(words,)), context, "contradiction")["answer"] == "not verifiable"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (Contradiction({"crm": Witness("crm", "t")}, "id", ("name",)), "`contradiction` needs two `systems` at least"),
        (Contradiction(SYSTEMS, "nr", ("a",), survives={"b": Survivor()}), "`survives` names b, which is not among `fields`"),
        (
            Contradiction(SYSTEMS, "nr", ("a",), survives={"a": Survivor(rule="latest")}),
            "`survives` of a: `by` names a field that holds when it was changed; it must be among `fields`",
        ),
        (
            Contradiction(SYSTEMS, "nr", ("a",), survives={"a": Survivor(prefer=("x",))}),
            "`survives` of a prefers x, which `systems` does not name",
        ),
    ],
)
def test_rules_of_survival_that_cannot_be_followed_are_found_before_the_run(words: Contradiction, problem: str) -> None:
    assert list(Reconcile(contradiction=(words,)).problems()) == [problem]
