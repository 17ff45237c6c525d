from __future__ import annotations

import os
import socket
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from changeover.contracts import Kind
from changeover.runbook.findings import Severity
from changeover.runbook.lint import lint
from changeover.runbook.load import Loaded, load
from changeover.runbook.model import OnFailure, Parallel
from changeover.runbook.position import Position
from changeover.runbook.tree import Scalar
from changeover.runbook.yaml_text import MAX_BYTES

Write = Callable[..., Loaded]


class Texts(Protocol):
    runbook: str
    people: str
    systems: str
    values: str
    files: dict[str, str]


def test_a_whole_runbook_is_loaded_with_people_and_systems(texts: Texts, loaded: Write) -> None:
    found = loaded(texts.runbook, "test", **texts.files)
    assert found.findings == ()
    assert found.bundle is not None
    assert list(found.bundle.sources) == ["runbook.yaml", "people.yaml", "systems/test.yaml", "values.yaml"]
    assert found.bundle.people.persons["anna"].away[0].starts == date(2027, 4, 1)
    assert found.bundle.people.holders("lead") == ("anna",)
    systems = found.bundle.systems
    assert systems.production
    assert (systems.hosts["app-1"].port, systems.hosts["app-2"].address) == (2222, "10.0.0.2")
    assert systems.services["alerts"].url == "https://test.example.org"
    assert systems.members("apps") == ("app-1", "app-2")
    assert found.bundle.values == {"port": "2222", "app_2": "10.0.0.2"}


def test_shorthands_inline_steps_and_groups_are_understood(texts: Texts, loaded: Write) -> None:
    bundle = loaded(texts.runbook, **texts.files).bundle
    assert bundle is not None
    freeze = bundle.runbook.stages["freeze"]
    close, group, opened = freeze.steps
    assert not isinstance(close, Parallel)
    assert close.title == "22:22"
    assert close.suspend is not None
    assert close.suspend.what == "crm-alerts"
    assert close.expect is not None
    assert (close.expect.likely, close.expect.worst) == (timedelta(minutes=2), timedelta(minutes=3))
    assert close.retry is not None
    assert close.retry.times == 3
    assert close.for_each is not None
    assert close.for_each.items == ("a", 2)
    assert close.verify is not None
    assert close.undo is not None
    assert (close.verify.id, close.undo.id) == ("close.verify", "close.undo")
    assert isinstance(group, Parallel)
    assert [step.id for step in group.steps] == ["one", "two"]
    assert group.steps[0].on_failure is OnFailure.WARN
    assert group.steps[1].needs == ()
    assert not isinstance(opened, Parallel)
    assert freeze.rollback is not None
    assert [step.id for step in freeze.rollback.steps] == ["freeze.rollback-1", "tell"]


def test_everything_knows_where_it_stands(texts: Texts, loaded: Write) -> None:
    bundle = loaded(texts.runbook, **texts.files).bundle
    assert bundle is not None
    freeze = bundle.runbook.stages["freeze"]
    assert freeze.at == Position("runbook.yaml", 12, 3)
    close = freeze.all_steps[0]
    assert close.at == Position("runbook.yaml", 15, 9)
    assert close.parameters == Scalar("./close.sh", "./close.sh", Position("runbook.yaml", 21, 16))
    assert bundle.runbook.clocks["read-only"].at == Position("runbook.yaml", 10, 3)
    assert bundle.people.persons["anna"].at == Position("people.yaml", 2, 3)


def test_without_an_environment_systems_are_not_loaded(texts: Texts, loaded: Write) -> None:
    found = loaded(texts.runbook, **texts.files)
    assert found.bundle is not None
    assert not found.bundle.systems.hosts
    assert list(found.bundle.sources) == ["runbook.yaml", "people.yaml"]


def test_the_same_is_loaded_from_disk_and_from_the_journal(
    texts: Texts, tmp_path: Path, kinds: dict[str, Kind], loaded: Write
) -> None:
    for name, text in {"runbook": texts.runbook, **texts.files}.items():
        path = tmp_path / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    found = load(tmp_path / "runbook.yaml", environment="test", kinds=kinds, root=tmp_path)
    again = loaded(texts.runbook, "test", **texts.files)
    assert found.bundle is not None
    assert again.bundle is not None
    assert found.bundle.digest == again.bundle.digest
    assert found.bundle.runbook == again.bundle.runbook


def test_a_missing_values_file_is_a_warning_and_its_values_stay_open(texts: Texts, loaded: Write) -> None:
    found = loaded(texts.runbook, "test", people=texts.people, systems__test=texts.systems)
    assert [(finding.code, finding.severity) for finding in found.findings] == [("values-missing", Severity.WARNING)]
    assert found.bundle is not None
    assert found.bundle.systems.hosts["app-2"].address == "${values.app_2}"


def test_files_beside_a_runbook_in_a_folder_are_found(texts: Texts, tmp_path: Path, kinds: dict[str, Kind]) -> None:
    (tmp_path / "books" / "deep").mkdir(parents=True)
    (tmp_path / "books" / "deep" / "r.yaml").write_text("changeover: 1\nid: m\npeople: ../people.yaml\nstages: {}\n")
    (tmp_path / "books" / "people.yaml").write_text(texts.people)
    found = load(tmp_path / "books/deep/r.yaml", environment=None, kinds=kinds, root=tmp_path)
    assert found.findings == ()
    assert found.bundle is not None
    assert list(found.bundle.sources) == ["books/deep/r.yaml", "books/people.yaml"]


@pytest.mark.parametrize(
    ("content", "code", "place"),
    [
        (b"", "empty-file", (1, 1)),
        (b"\xef\xbb\xbf", "empty-file", (1, 1)),
        (b"\xef\xbb\xbfid: \xff", "not-utf8", (1, 5)),
        ("id: é\n".encode() + b"a: \xe9\n", "not-utf8", (2, 4)),
        ("changeover: 1".encode("utf-16"), "not-utf8", (1, 1)),
        ("changeover: 1".encode("utf-16-le"), "not-utf8", (1, 1)),
        ("changeover: 1".encode("utf-32"), "not-utf8", (1, 1)),
        (b"a: \x00\n", "strange-character", (1, 4)),
        (b"- a\n", "wrong-type", (1, 1)),
        (b"x" * (MAX_BYTES + 1), "file-too-large", (1, 1)),
    ],
)
def test_strange_bytes_are_findings(
    tmp_path: Path, kinds: dict[str, Kind], content: bytes, code: str, place: tuple[int, int]
) -> None:
    (tmp_path / "r.yaml").write_bytes(content)
    found = load(tmp_path / "r.yaml", environment=None, kinds=kinds, root=tmp_path)
    assert [(finding.code, finding.at) for finding in found.findings] == [(code, Position("r.yaml", *place))]
    assert found.bundle is None


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path, kinds: dict[str, Kind]) -> None:
    (tmp_path / "r.yaml").write_bytes(b"\xef\xbb\xbfchangeover: 1\nid: m\nstages: {}\n")
    assert load(tmp_path / "r.yaml", environment=None, kinds=kinds, root=tmp_path).findings == ()


def test_what_is_no_file_is_a_finding(tmp_path: Path, kinds: dict[str, Kind]) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        codes = {}
        for name in ("pipe", "loop", "socket", ".", "missing", "x" * 300, "nul\0", "missing/deep", "/dev/zero"):
            found = load(tmp_path / name, environment=None, kinds=kinds, root=tmp_path)
            codes[name[:12]] = [finding.code for finding in found.findings]
    missing = {name for name, found in codes.items() if found == ["file-missing"]}
    assert missing == {"missing", "missing/deep"}
    assert all(found == ["file-unreadable"] for name, found in codes.items() if name not in missing)


def test_a_file_that_may_not_be_read_is_a_finding(
    tmp_path: Path, kinds: dict[str, Kind], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, flags: int) -> int:
        raise PermissionError(13, "Permission denied", str(path))  # root, who may read everything, runs this test too

    (tmp_path / "r.yaml").write_text("changeover: 1")
    monkeypatch.setattr("changeover.runbook.sources.os.open", refuse)
    found = load(tmp_path / "r.yaml", environment=None, kinds=kinds, root=tmp_path)
    assert [(finding.code, finding.message) for finding in found.findings] == [
        ("file-unreadable", "`r.yaml` cannot be read: Permission denied")
    ]


@pytest.mark.parametrize("environment", ["../test", "a b", "", "prod"])
def test_an_environment_that_is_none_is_a_finding(texts: Texts, loaded: Write, environment: str) -> None:
    assert [finding.code for finding in loaded(texts.runbook, environment, **texts.files).findings] == ["unknown-environment"]


@pytest.mark.parametrize("zone", ["Europe/Budapst", "../etc/passwd", "/etc/passwd", "Europe", "'a b'", "x" * 300])
def test_a_zone_that_is_none_is_a_finding_and_the_runbook_is_read_on(loaded: Write, zone: str) -> None:
    found = loaded(f"changeover: 1\nid: m\ntimezone: {zone}\nstages: {{}}\n")
    assert [finding.code for finding in found.findings] == ["unknown-timezone"]
    assert found.bundle is not None
    assert found.bundle.runbook.zone.key == "UTC"


def test_values_of_the_run_cannot_stand_where_the_plan_needs_them(loaded: Write, steps: Callable[[str], str]) -> None:
    found = loaded(
        steps("{id: a, shell: x, timeout: '${inputs.t}', owner: '${inputs.o}', needs: ['${inputs.n}'], title: '${inputs.x}'}")
    )
    assert [finding.code for finding in found.findings] == ["wrong-type"] * 3


WORDS = [
    "changeover",
    "id",
    "stages",
    "steps",
    "rollback",
    "needs",
    "shell",
    "ssh",
    "on",
    "undo",
    "expect",
    "window",
    "inputs",
    "people",
]
TREES = st.recursive(
    st.sampled_from(["1", "x", "", "'${inputs.x}'", "2m", "true", "2027-03-28 02:30", "~"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.lists(st.tuples(st.sampled_from(WORDS), inner), max_size=4).map(
            lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
        )
    ),
    max_leaves=15,
)


@settings(max_examples=100)
@given(stages=TREES, entry=TREES)
def test_no_tree_escapes_as_an_exception(kinds: dict[str, Kind], stages: str, entry: str) -> None:
    stage = f"{{steps: [{entry}], needs: {stages}, rollback: {stages}}}"
    texts = {"r.yaml": f"changeover: 1\nid: m\nwindow: {entry}\nstages: {{a: {stage}, b: {stages}}}\n"}
    found = load(Path("r.yaml"), environment=None, kinds=kinds, root=Path(), read=texts.__getitem__)
    assert all(finding.at.file == "r.yaml" and finding.at.line >= 1 for finding in found.findings)
    if found.bundle is not None:
        lint(found.bundle, kinds=kinds)


@settings(max_examples=100)
@given(content=st.binary(max_size=200))
def test_no_bytes_escape_as_an_exception(
    tmp_path_factory: pytest.TempPathFactory, kinds: dict[str, Kind], content: bytes
) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "any.yaml").write_bytes(content)
    found = load(folder / "any.yaml", environment=None, kinds=kinds, root=folder)
    assert found.findings
