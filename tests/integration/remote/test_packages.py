"""Debian packages as docs/how-to/packages.md has them: installed by batches, put back only where they were changed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from changeover.contracts import RunState
from changeover.sandbox.servers import ssh
from changeover.testing import Trial

SCRIPTS = Path(__file__).parents[3] / "docs" / "how-to" / "packages"
RUNBOOK = """changeover: 1
id: packages
title: A package for four hosts
systems: systems.yaml
stages:
  deploy:
    steps:
      - id: install
        script: {on: apps, file: scripts/install-package.sh, arguments: [crm-app, '2.0', '${run.id}'], batches: [1, 2]}
        on_failure: roll-back
        undo: {script: {on: apps, file: scripts/restore-package.sh, arguments: [crm-app, '${run.id}']}}
    rollback: {policy: restore}
"""


@dataclass
class Machine:
    """A host whose packages live in a folder of their own: dpkg and apt are the real ones."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        root = self.folder / "root"
        return {
            "APT_CONFIG": str(self.folder / "apt.conf"),
            "DPKG_ROOT": str(root),
            "DPKG_ADMINDIR": str(root / "var/lib/dpkg"),
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        }

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def make(self, repository: Path, *installed: str) -> Machine:
        root = self.folder / "root"
        for folder in (
            *(f"var/lib/dpkg/{name}" for name in ("updates", "info", "triggers")),
            *("var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "var/log/apt", "tmp"),
            *(f"etc/apt/{name}.d" for name in ("apt.conf", "preferences", "sources.list")),
        ):
            (root / folder).mkdir(parents=True)
        self.home.mkdir()
        (root / "var/lib/dpkg/status").touch()
        (root / "etc/apt/sources.list").write_text(f"deb [trusted=yes] file:{repository} ./\n")
        (self.folder / "apt.conf").write_text(
            f'Dir "{root}";\nDir::State::status "{root}/var/lib/dpkg/status";\n'
            'Dir::Bin::Methods "/usr/lib/apt/methods";\nDir::Bin::dpkg "/usr/bin/dpkg";\n'
        )
        self.does("apt-get", "update", "-qq")
        for version in installed:
            self.does("apt-get", "install", "-qq", f"crm-app={version}")
        return self

    def does(self, *words: str | Path, fine: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, cwd=self.home, env=self.environment, check=fine, capture_output=True, text=True)

    @property
    def version(self) -> str:
        """As the file of the package tells it; empty when there is none."""
        file = self.folder / "root/opt/crm/VERSION"
        return file.read_text() if file.exists() else ""

    @property
    def touched(self) -> int:
        return (self.folder / "root/var/lib/dpkg/status").stat().st_mtime_ns


@pytest.fixture(autouse=True)
def allowed() -> None:
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: this is no Debian")
    if os.geteuid() != 0:
        pytest.skip("only root may install packages, into a folder too")


def repository(folder: Path, *versions: str) -> Path:
    folder.mkdir()
    index = []
    for version in versions:
        package = folder / "build" / version
        (package / "DEBIAN").mkdir(parents=True)
        (package / "opt/crm").mkdir(parents=True)
        (package / "opt/crm/VERSION").write_text(version)
        control = (
            f"Package: crm-app\nVersion: {version}\nArchitecture: all\nMaintainer: us <us@telecom.example>\nDescription: CRM\n"
        )
        (package / "DEBIAN/control").write_text(control)
        file = folder / f"crm-app_{version}_all.deb"
        subprocess.run(["dpkg-deb", "--root-owner-group", "-b", package, file], check=True, capture_output=True)
        digest = subprocess.run(["sha256sum", file], check=True, capture_output=True, text=True).stdout.split()[0]
        index.append(f"{control}Filename: ./{file.name}\nSize: {file.stat().st_size}\nSHA256: {digest}\n")
    (folder / "Packages").write_text("\n".join(index))
    return folder


@pytest.fixture
def both(tmp_path: Path) -> Path:
    return repository(tmp_path / "both", "1.0", "2.0")


@pytest.fixture
def serve(server_folder: Path, sshd: Any) -> Iterator[Any]:
    """A real sshd for a machine; its entry in the systems file."""
    assert sshd, "skips, or fails, when there is none"
    with ExitStack() as closing:

        def start(machine: Machine) -> dict[str, Any]:
            folder = server_folder / f"packages-{machine.folder.name}"
            server = ssh.start(folder, home=machine.home, exported=machine.environment)
            closing.callback(ssh.stop, server.process, server.folder)
            told = {"address": server.address, "port": server.port, "user": server.user, "key": str(server.key)}
            return {**told, "known_hosts": str(server.known_hosts)}

        yield start


def test_a_package_is_put_back_on_the_hosts_that_changed_and_on_no_other(both: Path, tmp_path: Path, serve: Any) -> None:
    """The third host's repository lacks the new version; the fourth is never begun; the second had no such package."""
    machines = {f"app-{number}": Machine(tmp_path / f"app-{number}") for number in range(1, 5)}
    only_old = repository(tmp_path / "only-old", "1.0")
    for name, machine in machines.items():
        machine.make(only_old if name == "app-3" else both, *(["1.0"] if name != "app-2" else []))
    before = {name: machine.touched for name, machine in machines.items()}
    systems = {
        "production": False,
        "hosts": {name: serve(machine) for name, machine in machines.items()},
        "groups": {"apps": list(machines)},
    }
    project = tmp_path / "project"
    shutil.copytree(SCRIPTS, project / "scripts")
    trial = Trial(project, RUNBOOK, files={"runbooks/systems.yaml": json.dumps(systems)})
    assert trial.drive().state is RunState.ROLLED_BACK, trial.state()
    told = str([event.data for event in trial.events(step="install")])
    assert "1 of 4 hosts" in told or "2 of 4 hosts" in told
    assert "app-3" in told
    assert {name: machine.version for name, machine in machines.items()} == {
        "app-1": "1.0",
        "app-2": "",
        "app-3": "1.0",
        "app-4": "1.0",
    }
    assert [name for name, machine in machines.items() if machine.touched != before[name]] == ["app-1", "app-2"]
    assert not [left for machine in machines.values() for left in machine.home.glob("before.*")]


def test_a_package_that_could_not_be_put_back_is_not_replaced(both: Path, tmp_path: Path) -> None:
    machine = Machine(tmp_path / "app").make(both, "1.0")
    (both / "crm-app_1.0_all.deb").unlink()
    shutil.rmtree(machine.folder / "root/var/cache/apt")
    before = machine.touched
    ended = machine.does("/bin/sh", SCRIPTS / "install-package.sh", "crm-app", "2.0", "run-1", fine=False)
    assert ended.returncode == 1
    assert "crm-app 1.0, which is here now, cannot be had again: nothing was changed" in ended.stderr
    assert (machine.version, machine.touched) == ("1.0", before)


def test_installing_twice_still_leads_back_to_what_was_there_first(both: Path, tmp_path: Path) -> None:
    machine = Machine(tmp_path / "app").make(both, "1.0")
    for said in ("crm-app 1.0 -> 2.0", "crm-app 2.0 is installed already"):
        assert machine.does("/bin/sh", SCRIPTS / "install-package.sh", "crm-app", "2.0", "run-1").stdout.endswith(f"{said}\n")
    (both / "crm-app_1.0_all.deb").unlink()  # the way back needs no repository
    assert machine.does("/bin/sh", SCRIPTS / "restore-package.sh", "crm-app", "run-1").stdout.endswith("crm-app is 1.0 again\n")
    assert machine.version == "1.0"
    assert (
        machine.does("/bin/sh", SCRIPTS / "restore-package.sh", "crm-app", "run-1").stdout
        == "this run has changed nothing here\n"
    )
