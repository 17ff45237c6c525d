"""Everything that can be known before a run, from a file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from changeover.contracts import Kind, Mode
from changeover.plan.preflight import Examined, examine

TEXT = """
changeover: 1
id: crm
timezone: Europe/Budapest
window: {opens: 2027-03-13 19:00, closes: 2027-03-13 20:00}
inputs: {wave: {type: choice, of: [a, b]}}
stages:
  copy:
    title: Copy
    owner: somebody
    steps:
      - {id: load, title: Load, shell: a, expect: 2h}
      - {id: more, title: More, shell: c, expect: 1m, when: '${inputs.wave} == a'}
    rollback: {none: it only reads}
"""


def look(folder: Path, kinds: Mapping[str, Kind], text: str, starts_at: datetime | None = None) -> Examined:
    file = folder / "crm.yaml"
    file.write_text(text)
    return examine(
        file,
        environment=None,
        inputs=lambda runbook: dict.fromkeys(runbook.inputs, "b"),
        kinds=kinds,
        root=folder,
        resolve=None,
        mode=Mode.LIVE,
        starts_at=starts_at,
    )


def test_it_gives_bundle_plan_times_and_all_findings_in_one_go(tmp_path: Path, kinds: Mapping[str, Kind]) -> None:
    found = look(tmp_path, kinds, TEXT)
    assert found.bundle is not None
    assert found.plan is not None
    assert found.outlook is not None
    assert "more" in found.plan.skipped
    assert "window-overrun" in {finding.code for finding in found.errors}
    assert [finding.at for finding in found.findings] == sorted(finding.at for finding in found.findings)


def test_another_start_is_planned_from_there(tmp_path: Path, kinds: Mapping[str, Kind]) -> None:
    start = datetime(2027, 3, 13, 17, tzinfo=UTC)
    found = look(tmp_path, kinds, TEXT, starts_at=start)
    assert found.outlook is not None
    assert found.outlook.schedule.starts_at == start
    assert not found.errors


def test_a_circle_leaves_no_plan_but_its_finding(tmp_path: Path, kinds: Mapping[str, Kind]) -> None:
    found = look(tmp_path, kinds, TEXT.replace("id: load,", "id: load, needs: [more],"))
    assert found.bundle is not None
    assert found.plan is None
    assert found.outlook is None
    assert len(found.errors) == 1


def test_what_is_no_runbook_gives_findings_only(tmp_path: Path, kinds: Mapping[str, Kind]) -> None:
    found = look(tmp_path, kinds, "- nothing")
    assert found.bundle is None
    assert found.outlook is None
    assert found.errors
