"""The forms of Ansible's documented inventories, in files of our own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.contracts import Kind
from changeover.runbook.ansible import imported
from changeover.runbook.hosts import resolved
from changeover.runbook.load import Loaded, load
from changeover.runbook.position import NOWHERE
from changeover.runbook.sources import Sources
from changeover.runbook.systems import Systems

RUNBOOK = """changeover: 1
id: move
systems: systems.yaml
stages:
  only:
    steps: [{id: go, shell: 'true'}]
    rollback: {none: a test}
"""
Import = Callable[[str, str], Loaded]


@pytest.fixture
def ansible(tmp_path: Path, kinds: dict[str, Kind]) -> Import:
    """Loads an inventory of that name."""

    def write(name: str, text: str) -> Loaded:
        for file, content in {"runbook.yaml": RUNBOOK, "systems.yaml": f"ansible: [{name}]\n", name: text}.items():
            (tmp_path / file).write_text(content, encoding="utf-8")
        return load(tmp_path / "runbook.yaml", environment="test", kinds=kinds, root=tmp_path)

    return write


def sound(loaded: Loaded) -> Systems:
    assert [f"{found.at}: {found.message}" for found in loaded.findings] == []
    assert loaded.bundle is not None
    return loaded.bundle.systems


INI = """
# hosts before any group
mail.telecom.example

[web]
foo.telecom.example
bar.telecom.example:2222      # a port behind the name
www[01:05:2].telecom.example  # a step

[db]
db-[a:c].telecom.example
jumper ansible_port=5555 ansible_host=192.0.2.50
[2001:db8::7]:2022 ansible_user=root

[east:children]
web
db

[east:vars]
ntp = ntp.east.telecom.example
some_server=foo.telecom.example
escape_pods="2"
ansible_user=deploy

[db:vars]
ansible_become=yes
ansible_become_user=postgres
ntp=ntp.db.telecom.example
"""
YAML = """
all:
  hosts:
    mail.telecom.example:
  children:
    web:
      hosts:
        foo.telecom.example:
        bar.telecom.example:
          ansible_port: 2222
        www[01:05:2].telecom.example:
    east:
      children:
        web:
        db:
      vars:
        ntp: ntp.east.telecom.example
        some_server: foo.telecom.example
        escape_pods: '2'
        ansible_user: deploy
    db:
      hosts:
        db-[a:c].telecom.example:
        jumper: {ansible_port: 5555, ansible_host: 192.0.2.50}
        2001:db8::7: {ansible_port: 2022, ansible_user: root}
      vars:
        ansible_become: yes
        ansible_become_user: postgres
        ntp: ntp.db.telecom.example
"""


@pytest.mark.parametrize(("name", "text"), [("hosts", INI), ("hosts.ini", INI), ("hosts.yml", YAML)])
def test_both_spellings_mean_the_same_hosts_groups_and_logins(ansible: Import, name: str, text: str) -> None:
    systems = sound(ansible(name, text))
    web = ("foo.telecom.example", "bar.telecom.example", *(f"www0{number}.telecom.example" for number in (1, 3, 5)))
    db = (*(f"db-{letter}.telecom.example" for letter in "abc"), "jumper", "2001:db8::7")
    assert systems.members("web") == web
    assert systems.members("db") == db
    assert systems.members("east") == (*web, *db)
    assert systems.members("ungrouped") == ("mail.telecom.example",)
    assert set(systems.members("all")) == {"mail.telecom.example", *web, *db}
    hosts = systems.hosts
    assert (hosts["jumper"].address, hosts["jumper"].port) == ("192.0.2.50", 5555)
    assert hosts["bar.telecom.example"].port == 2222
    assert (hosts["2001:db8::7"].port, hosts["2001:db8::7"].user) == (2022, "root")
    assert hosts["foo.telecom.example"].user == "deploy"
    assert (hosts["db-a.telecom.example"].become, hosts["db-a.telecom.example"].become_user) == (True, "postgres")
    assert hosts["mail.telecom.example"].user == ""
    assert hosts["foo.telecom.example"].vars == {
        "ntp": "ntp.east.telecom.example",
        "some_server": "foo.telecom.example",
        "escape_pods": "2",
    }
    assert hosts["jumper"].vars["ntp"] == "ntp.db.telecom.example"


def test_values_beside_a_host_are_literals_and_those_of_a_section_are_texts(ansible: Import) -> None:
    text = "a flag=FALSE number=7 list='[1, 2]' words='two words' quoted=\"it's\" yes=True\n[all:vars]\nother=7\n"
    assert sound(ansible("hosts.ini", text)).hosts["a"].vars == {
        "flag": "FALSE",
        "number": 7,
        "list": [1, 2],
        "words": "two words",
        "quoted": "it's",
        "yes": True,
        "other": "7",
    }


def test_child_groups_win_over_parents_then_priority_then_the_alphabet_then_the_host(ansible: Import) -> None:
    text = """
[a_parent:children]
b_child
[b_child]
one
two mine=host
[c_child]
one
two
[d_first]
one
[all:vars]
mine=all
least=all
[a_parent:vars]
mine=parent
[b_child:vars]
mine=b
[c_child:vars]
mine=c
ansible_group_priority=10
[d_first:vars]
mine=d
"""
    hosts = sound(ansible("hosts.ini", text)).hosts
    assert hosts["two"].vars == {"mine": "host", "least": "all"}
    assert hosts["one"].vars["mine"] == "b"


def test_a_jump_host_of_the_inventory_is_found_by_name_or_address(ansible: Import) -> None:
    text = """
bastion ansible_host=192.0.2.1 ansible_ssh_private_key_file=~/.ssh/ops ansible_python_interpreter=/usr/bin/python3
[far]
app-1 ansible_ssh_common_args='-o ProxyJump="ops@192.0.2.1:22"'
app-2 ansible_ssh_common_args='-J bastion'
"""
    hosts = sound(ansible("hosts.ini", text)).hosts
    assert (hosts["app-1"].jump, hosts["app-2"].jump) == ("bastion", "bastion")
    assert hosts["bastion"].private_key == "~/.ssh/ops"
    assert hosts["bastion"].vars == {"ansible_python_interpreter": "/usr/bin/python3"}


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("a ansible_connection=docker", "inventory-not-understood", "`ansible_connection` is not understood: 'docker'"),
        ("a ansible_become_method=su", "inventory-not-understood", "'su' means nothing to us"),
        ("a ansible_shell_type=powershell", "inventory-not-understood", "'powershell'"),
        ("a ansible_port=99999", "inventory-not-understood", "'99999' is not what it has to be"),
        ("a ansible_ssh_common_args='-o ProxyCommand=nc'", "inventory-not-understood", "ProxyCommand"),
        ("a x='{{ y }}'", "inventory-not-understood", "`x` is not understood: templates are not filled in"),
        ("a ansible_password='{{ vault_p }}'", "inventory-not-understood", "secrets of a vault are not read"),
        ("a ansible_ssh_pass=hunter2", "secret-in-clear", "`ansible_ssh_pass` stands here in clear"),
        ("a ansible_become_password=hunter2", "secret-in-clear", "`ansible_become_password` stands here in clear"),
        ("[a:things]\nb", "inventory-not-understood", "below a section of a sort that Ansible does not have"),
    ],
)
def test_what_is_not_understood_is_named_with_its_place(ansible: Import, line: str, code: str, says: str) -> None:
    (found,) = ansible("hosts.ini", f"{line}\n").findings
    assert found.code == code
    assert says in found.message
    assert found.at.file == "hosts.ini"
    assert "hunter2" not in found.message


def test_folders_of_variables_are_named(ansible: Import, tmp_path: Path) -> None:
    (tmp_path / "group_vars").mkdir()
    (found,) = ansible("hosts.ini", "a\n").findings
    assert (found.code, "`group_vars/` stands beside" in found.message) == ("inventory-not-understood", True)


@given(st.text(alphabet="ab[]:=1 \n#;'\"{}-", max_size=80), st.sampled_from(["x.ini", "x.yml"]))
def test_any_text_is_read_or_refused_with_a_place(text: str, name: str) -> None:
    sources = Sources(Path("/nowhere"), lambda _name: text)
    layer = imported(sources, name, NOWHERE)
    if layer is not None:
        resolved([layer], lambda code, message, hint, at: None)
    assert all(found.at.line >= 0 and found.message for found in sources.findings)
