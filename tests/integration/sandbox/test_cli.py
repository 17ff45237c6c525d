from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from changeover.cli import main
from changeover.sandbox import lifecycle


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "runbooks").mkdir()
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    lifecycle.stop(tmp_path / ".changeover" / "sandbox")


def test_it_is_started_looked_at_mended_and_stopped(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sandbox", "start", "--customers", "60", "--fault", "channel", "--bundled"]) == 0
    assert "the web shop does not reopen" in capsys.readouterr().out

    assert main(["sandbox", "status", "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert status["running"] is True
    assert status["parts"]["legacy-crm"]["by"] == "sqlite"
    assert "password" not in json.dumps(status)

    assert main(["sandbox", "status"]) == 0
    assert "web-shop-staff" in capsys.readouterr().out

    assert main(["sandbox", "fingerprint", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["channel web-shop"] == "open"
    assert main(["sandbox", "fingerprint"]) == 0
    assert "legacy-crm.customers" in capsys.readouterr().out

    assert (project / ".changeover/sandbox/faults/channel").exists()
    assert main(["sandbox", "mend"]) == 0
    assert not (project / ".changeover/sandbox/faults/channel").exists()

    assert main(["sandbox", "start", "--customers", "61"]) == 2
    assert "sandbox stop" in capsys.readouterr().err

    assert main(["sandbox", "stop", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"stopped": True}
    assert main(["sandbox", "stop"]) == 0
    assert "No sandbox was running" in capsys.readouterr().out


def test_without_one_everything_says_so(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sandbox", "status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"running": False}
    assert main(["sandbox", "fingerprint"]) == 2
    assert "no sandbox is running here" in capsys.readouterr().err
    assert project.exists()


@pytest.mark.parametrize("words", [["--customers", "1"], ["--fault", "earthquake"], ["--customers", "many"]])
def test_nonsense_is_refused_in_words(project: Path, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert main(["sandbox", "start", *words]) == 2
    assert capsys.readouterr().err.startswith("error:")
    assert not (project / ".changeover" / "sandbox").exists()


def test_a_fault_of_the_target_needs_a_target_that_can_have_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("changeover.sandbox.servers.postgresql.from_wheel", lambda: None)
    assert main(["sandbox", "start", "--customers", "60", "--fault", "migration", "--bundled"]) == 2
    assert not (project / ".changeover" / "sandbox").exists()
