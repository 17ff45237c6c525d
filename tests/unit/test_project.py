from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

import changeover.steps  # noqa: F401 - registers the built-in kinds, lest a test that forgets its own forgets them too
from changeover import contracts
from changeover.errors import Mistake
from changeover.modules import ModuleBroken, ReferenceNotFound
from changeover.project import NoProject, Project, StateNotWritable, misfits

WRITE = Callable[[str, str], Path]
FOLDERS = ("checks", "rollback", "steps", "kinds")  # of projects
REFUSED = ("fractions", "sqlalchemy", "typer", "pytest")  # folders that have the names of packages


@pytest.fixture(autouse=True)
def modules_as_before() -> Iterator[None]:
    """Projects of tests import modules: they must not find those of other tests, and the next test must not find theirs."""
    before = dict(sys.modules)
    forget(*FOLDERS)
    yield
    forget(*FOLDERS, *(set(REFUSED) - set(before)))
    sys.modules.update(before)


def forget(*folders: str) -> None:
    for name in list(sys.modules):
        if name.partition(".")[0] in folders:
            del sys.modules[name]


def project_in(folder: Path, **files: str) -> Project:
    """A project with ``a__b`` as the file ``a/b.py``."""
    (folder / "runbooks").mkdir(parents=True)
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    return Project.find(folder)


def test_a_project_is_found_from_a_folder_or_a_file_in_it(tmp_path: Path) -> None:
    deep = tmp_path / "runbooks" / "systems"
    deep.mkdir(parents=True)
    (deep / "live.yaml").touch()
    for start in (tmp_path, deep, deep / "live.yaml", tmp_path / "not" / "there"):
        assert Project.find(start).root == tmp_path.resolve()


def test_without_runbooks_there_is_no_project(tmp_path: Path) -> None:
    with pytest.raises(NoProject, match="there is no runbooks/ folder") as missing:
        Project.find(tmp_path)
    assert "runbooks/" in missing.value.hint


def test_the_state_folder_is_private_and_never_committed(tmp_path: Path) -> None:
    state = project_in(tmp_path).state
    assert state == tmp_path.resolve() / ".changeover"
    assert state.stat().st_mode & 0o777 == 0o700
    assert "*" in (state / ".gitignore").read_text().splitlines()


def test_a_state_folder_that_cannot_be_made_is_one_clear_mistake(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    (tmp_path / ".changeover").write_text("a file stands in its place")
    with pytest.raises(StateNotWritable, match="cannot be used: ") as refused:
        _ = project.state
    assert refused.value.hint == "move that file out of the way"
    assert StateNotWritable(tmp_path / "nothing" / ".changeover", "no space left on device").hint == "free some space there"
    assert "writable" in StateNotWritable(tmp_path / "nothing" / ".changeover", "permission denied").hint


@pytest.mark.parametrize("where", ["mkdir", "access"])
def test_a_read_only_project_is_one_clear_mistake(tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write everywhere, so the system's refusal is played; tests/integration/journal has a real one."""
    project = project_in(tmp_path)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    if where == "mkdir":
        monkeypatch.setattr(Path, "mkdir", refuse)
    else:
        monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(StateNotWritable, match="permission denied") as refused:
        _ = project.state
    assert str(project.root) in str(refused.value)


@pytest.mark.parametrize("name", ["plain", "with blank", "100%25", "ügyfél"])
def test_the_journal_lies_in_the_state_folder_whatever_the_project_is_called(name: str, tmp_path: Path) -> None:
    project = project_in(tmp_path / name)
    assert sa.make_url(project.journal_url).database == str(project.root / ".changeover" / "journal.db")
    assert not (project.root / ".changeover").exists()  # who only reads makes nothing


def test_the_environment_can_name_another_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHANGEOVER_JOURNAL", "postgresql://changeover@db-1/journal")
    assert project_in(tmp_path).journal_url == "postgresql://changeover@db-1/journal"
    assert not (tmp_path / ".changeover").exists()


def test_each_step_has_a_log_file_of_its_own(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    steps = ["deploy[app-1]", "deploy[app/1]", "deploy[app%2F1]", "..", ".", "a" * 400, "a" * 401, "крок"]
    files = [project.log_file("crm-1", step) for step in steps]
    assert len(set(files)) == len(steps)
    for file in files:
        file.write_text("output")
        assert file.parent == project.root / ".changeover" / "runs" / "crm-1" / "logs"
        assert file.parent.stat().st_mode & 0o777 == 0o700


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_no_step_can_write_outside_its_runs_folder(step: str) -> None:
    from changeover.project import _file_name  # noqa: PLC0415 - the rule itself, without a folder for each example

    name = _file_name(step)
    assert "/" not in name
    assert "\0" not in name
    assert name.strip(".")
    assert len(name) < 200


def test_a_function_is_found_by_its_reference(tmp_path: Path) -> None:
    project = project_in(
        tmp_path, checks__counts="def equal(context):\n    return 'yes'\n", checks__deep__er="def f(): return 2\n"
    )
    assert project.function("checks.counts:equal")(None) == "yes"
    assert project.function("checks.deep.er:f")() == 2


def test_a_folder_of_the_teams_own_will_do(tmp_path: Path) -> None:
    assert project_in(tmp_path, steps__billing="def close(): return 'closed'\n").function("steps.billing:close")() == "closed"


def test_modules_of_a_folder_import_each_other(tmp_path: Path) -> None:
    counts = """
        from checks.common import three

        def six():
            from checks.common import three as again

            return three() + again()
        """
    project = project_in(
        tmp_path, checks__common="from checks import SHARED\ndef three(): return SHARED\n", checks__counts=counts
    )
    (tmp_path / "checks" / "__init__.py").write_text("SHARED = 3\n")
    assert project.function("checks.counts:six")() == 6


def test_two_projects_in_one_process_keep_their_functions_apart(tmp_path: Path) -> None:
    first = project_in(tmp_path / "one", checks__counts="def where(): return 'one'\n")
    second = project_in(
        tmp_path / "two", checks__counts="def where(): return 'two'\n", checks__more="def more(): return 'more'\n"
    )
    assert first.function("checks.counts:where")() == "one"
    assert second.function("checks.counts:where")() == "two"
    assert second.function("checks.more:more")() == "more"
    assert first.function("checks.counts:where")() == "one"
    assert second.function("checks.counts:where") is second.function("checks.counts:where")


def test_nothing_is_put_on_the_search_path_where_it_could_hide_a_package(tmp_path: Path) -> None:
    before = list(sys.path)
    project_in(tmp_path, checks__counts="def f(): ...\n", json="raise RuntimeError('hidden')\n").function("checks.counts:f")
    assert sys.path == before


@pytest.mark.parametrize(
    "reference", ["checks", "checks:f", "checks.counts", "checks.counts:", "a.b:c d", "../checks.x:f", "", "checks..x:f"]
)
def test_what_is_no_reference_is_told_how_to_write_one(reference: str, tmp_path: Path) -> None:
    with pytest.raises(ReferenceNotFound, match=r"folder\.module:name"):
        project_in(tmp_path, checks__counts="def f(): ...\n").function(reference)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("rollback.crm:f", "the project has no folder rollback/"),
        ("checks.missing:f", "the project has no file checks/missing.py"),
        ("checks.counts:same_number_of_row", "checks/counts.py has no 'same_number_of_row'"),
        ("checks.counts:LIMIT", "'LIMIT' in checks/counts.py is not a function"),
        ("os.path:join", "the project has no folder os/"),
    ],
)
def test_a_reference_that_leads_nowhere_says_where_it_ends(reference: str, message: str, tmp_path: Path) -> None:
    project = project_in(tmp_path, checks__counts="LIMIT = 3\ndef same_number_of_rows(context): ...\n")
    with pytest.raises(ReferenceNotFound, match=message):
        project.function(reference)


def test_a_misspelt_function_is_suggested(tmp_path: Path) -> None:
    project = project_in(tmp_path, checks__counts="def same_number_of_rows(context): ...\n")
    with pytest.raises(ReferenceNotFound) as missing:
        project.function("checks.counts:same_number_of_row")
    assert missing.value.hint == "did you mean 'same_number_of_rows'?"


@pytest.mark.parametrize(
    ("text", "place", "why"),
    [
        ("import os\nimport no_such_package\n", "checks/counts.py:2", "No module named 'no_such_package'"),
        ("def f(:\n", "checks/counts.py:1", "syntax error"),
        ("\n\nLIMIT = int('many')\n", "checks/counts.py:3", "ValueError: invalid literal"),
        ("import sys\nsys.exit(3)\n", "checks/counts.py:2", "SystemExit: 3"),
        ("from checks.common import f\n", "checks/common.py:2", "ZeroDivisionError"),
    ],
)
def test_a_module_that_cannot_be_imported_names_file_and_line(text: str, place: str, why: str, tmp_path: Path) -> None:
    project = project_in(tmp_path, checks__counts=text, checks__common="x = 1\ny = x / 0\n")
    with pytest.raises(ModuleBroken) as broken:
        project.function("checks.counts:f")
    assert f"{place}: " in str(broken.value)
    assert why in str(broken.value)
    assert isinstance(broken.value, Mistake)


def test_a_corrected_module_is_imported_at_the_next_try(tmp_path: Path) -> None:
    project = project_in(tmp_path, checks__counts="x = 1 / 0\n")
    with pytest.raises(ModuleBroken):
        project.function("checks.counts:f")
    (tmp_path / "checks" / "counts.py").write_text("def f(): return 'corrected now'\n")
    assert project.function("checks.counts:f")() == "corrected now"


@pytest.mark.parametrize("folder", REFUSED)
def test_a_folder_called_like_an_installed_package_is_refused(folder: str, tmp_path: Path) -> None:
    project = project_in(tmp_path, **{f"{folder}__x": "def f(): ...\n"})
    with pytest.raises(ReferenceNotFound, match="rename"):
        project.function(f"{folder}.x:f")


def test_a_project_need_not_be_a_clone_of_anything(tmp_path: Path) -> None:
    project_in(tmp_path, checks__counts="def f(): return 1\n")
    program = (
        "from pathlib import Path; from changeover.project import Project; "
        "p = Project.find(Path('.')); print(p.function('checks.counts:f')(), p.journal_url.endswith('.changeover/journal.db'))"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(contracts.__file__).parent.parent)}
    said = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert said.stdout == "1 True\n"


def test_a_teams_own_kind_is_registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contracts, "_KINDS", dict(contracts._KINDS))  # noqa: SLF001 - what is registered here is forgotten again
    project = project_in(
        tmp_path,
        kinds__page="""
            from dataclasses import dataclass
            from changeover.contracts import OnUnknown, Result, key, step_kind

            @step_kind("page", shorthand="text")
            @dataclass(frozen=True, slots=True)
            class Page:
                "Page whoever is on call."

                text: str = key("what to say")
                on_unknown: OnUnknown = OnUnknown.RERUN

                def run(self, context):
                    return Result(self.text)

                def dry_run(self, context):
                    return Result(self.text)
            """,
    )
    kinds = project.load_kinds()
    assert kinds["page"].title == "Page whoever is on call."
    assert project.load_kinds() == kinds


def test_a_broken_kind_names_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(ModuleBroken, match=r"kinds/page\.py:1: "):
        project_in(tmp_path, kinds__page="import no_such_package\n").load_kinds()


def test_files_of_the_project_are_known(tmp_path: Path) -> None:
    project = project_in(tmp_path, checks__counts="")
    assert project.has_file("checks/counts.py")
    assert not project.has_file("checks")
    assert not project.has_file("checks/none.py")
    assert not project.has_file("nul\0byte")


def same_number(context: object, *, table: str, limit: int = 3) -> None: ...


def anything(context: object, **more: object) -> None: ...


def without_context(*, table: str) -> None: ...


@pytest.mark.parametrize(
    ("function", "arguments", "expected"),
    [
        (same_number, ["table"], ()),
        (same_number, ["table", "limit"], ()),
        (same_number, [], ("parameter 'table' is missing",)),
        (same_number, ["tabel"], ("it has no parameter 'tabel'; it takes table, limit", "parameter 'table' is missing")),
        (anything, ["whatever"], ()),
        (without_context, ["table"], ("it takes no context as its first parameter",)),
        (lambda *everything: everything, [], ()),
    ],
)
def test_arguments_that_do_not_fit_a_function_are_all_named(
    function: Callable[..., object], arguments: list[str], expected: tuple[str, ...]
) -> None:
    assert misfits(function, arguments) == expected
