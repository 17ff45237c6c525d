"""A deploy to twenty hosts where one is broken: it stops after that batch, and only what was switched is switched back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from changeover.contracts import RunState, StepState
from changeover.sandbox.servers import ssh
from changeover.testing import Trial

pytestmark = pytest.mark.timeout(500)

SCRIPTS = Path(__file__).parents[3] / "runbooks" / "telecom-crm"
HOSTS = [f"app-{number}" for number in range(1, 21)]
RUNBOOK = """changeover: 1
id: deploy
title: A release for twenty hosts
systems: systems.yaml
stages:
  deploy:
    steps:
      - id: install
        script: {on: apps, file: scripts/install-release.sh, arguments: [5.0.0], batches: [1, 100%]}
        undo: {ssh: {on: apps, run: 'rm -rf releases/5.0.0'}}
      - id: switch
        script: {on: apps, file: scripts/switch-release.sh, arguments: [5.0.0, '${run.id}'], batches: [1, 4]}
        on_failure: roll-back
        undo: {script: {on: apps, file: scripts/restore-release.sh, arguments: ['${run.id}']}}
      - id: everywhere
        ssh: {on: apps, run: 'test "$(cat current/VERSION)" = 5.0.0', changes: false}
    rollback:
      policy: restore
      steps:
        - id: old-release-everywhere
          ssh: {on: apps, run: 'test "$(cat current/VERSION)" = 4.9.3 && sh current/bin/health', changes: false}
"""


@dataclass
class Farm:
    servers: list[ssh.SshServer]
    homes: list[Path]

    @property
    def systems(self) -> str:
        hosts = {
            name: {
                "address": server.address,
                "port": server.port,
                "user": server.user,
                "key": str(server.key),
                "known_hosts": str(server.known_hosts),
            }
            for name, server in zip(HOSTS, self.servers, strict=True)
        }
        return json.dumps({"production": False, "hosts": hosts, "groups": {"apps": HOSTS}})

    @property
    def links(self) -> list[str]:
        return [str((home / "current").readlink()) for home in self.homes]

    def mtimes(self) -> list[int]:
        return [(home / "current").lstat().st_mtime_ns for home in self.homes]


@pytest.fixture
def farm(server_folder: Path, tmp_path: Path, sshd: Any) -> Iterator[Farm]:
    """Twenty servers with a home each, all of them on release 4.9.3."""
    assert sshd, "skips, or fails, when there is none"
    homes = [tmp_path / "homes" / name for name in HOSTS]
    for home in homes:
        (home / "releases" / "4.9.3" / "bin").mkdir(parents=True)
        (home / "releases" / "4.9.3" / "VERSION").write_text("4.9.3\n")
        (home / "releases" / "4.9.3" / "bin" / "health").write_text('test ! -e broken || { echo "disk is full" >&2; exit 1; }\n')
        (home / "current").symlink_to("releases/4.9.3")

    def start(number: int) -> ssh.SshServer:
        return ssh.start(server_folder / f"farm-{number}", address=f"127.0.0.{number + 2}", home=homes[number])

    with ThreadPoolExecutor(10) as pool:
        servers = list(pool.map(start, range(len(HOSTS))))
        yield Farm(servers, homes)
        list(pool.map(lambda server: ssh.stop(server.process, server.folder), servers))


def a_trial(root: Path, farm: Farm) -> Trial:
    shutil.copytree(SCRIPTS, root / "scripts")
    return Trial(root, RUNBOOK, files={"runbooks/systems.yaml": farm.systems})


def test_a_deploy_stops_after_the_batch_of_a_broken_host_and_only_what_was_switched_is_switched_back(
    farm: Farm, tmp_path: Path
) -> None:
    broken = farm.homes[6]
    (broken / "releases" / "4.9.3" / "bin" / "health").write_text(
        "! grep -q 5.0.0 current/VERSION || { echo ill >&2; exit 1; }\n"
    )
    trial = a_trial(tmp_path / "project", farm)
    before = farm.mtimes()
    assert trial.drive().state is RunState.ROLLED_BACK, trial.state()
    told = str([event.data for event in trial.events(step="switch")])
    assert "app-7 ended with exit status 1 instead of 0: ill" in told
    assert "not started: app-10, app-11, app-12, app-13, app-14 ..." in told
    assert trial.state().steps["switch.undo"].state is StepState.PASSED
    assert farm.links == ["releases/4.9.3"] * 20
    touched = [name for name, then, now in zip(HOSTS, before, farm.mtimes(), strict=True) if then != now]
    assert touched == HOSTS[:9]  # the canary, two batches of four, and nobody else
    assert not [home for home in farm.homes if list(home.glob("before.*"))]
    assert not [home for home in farm.homes if (home / "releases" / "5.0.0").exists()]
