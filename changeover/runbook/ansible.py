"""Reads Ansible inventories, INI and YAML, as hosts and groups of ours. What is not understood is named, never dropped."""

from __future__ import annotations

import posixpath
from typing import Final

from changeover.contracts import Value
from changeover.runbook.ansible_tree import AnsibleGroup, read_ini, read_tree
from changeover.runbook.ansible_words import Told
from changeover.runbook.codes import finding
from changeover.runbook.hosts import Layer
from changeover.runbook.inventory import Inventory, WrittenGroup, WrittenHost
from changeover.runbook.position import Position
from changeover.runbook.ranges import RangeInvalid, expanded
from changeover.runbook.sources import Sources
from changeover.runbook.tree import Node, Scalar, tree_of

_ALL, _UNGROUPED = "all", "ungrouped"
_PRIORITY: Final = "ansible_group_priority"
_FOLDERS: Final = ("group_vars", "host_vars")
_YAML: Final = (".yaml", ".yml", ".json")


def imported(sources: Sources, name: str, wanted_at: Position) -> Layer | None:
    """The hosts of the inventory called *name*; None, with findings, when there are none."""
    if name.endswith(_YAML):
        tree = sources.tree(name, wanted_at)
        if tree is None:
            return None
        groups = read_tree(tree, sources.findings)
    else:
        text = sources.text(name, wanted_at)
        if text is None:
            return None
        groups = read_ini(text, name, sources.findings)
    for folder in _FOLDERS:
        beside = sources.beside(name, folder)
        if sources.read is None and (sources.root / beside).is_dir():
            message = f"`{beside}/` stands beside `{posixpath.basename(name)}`, and its variables are not read"
            hint = "write what matters of it below `defaults` or `groups` of an inventory of ours"
            sources.findings.append(finding("inventory-not-understood", message, hint, Position(name, 1, 1)))
    return _Import(sources, name, groups).layer()


class _Import:
    """One inventory on its way."""

    def __init__(self, sources: Sources, name: str, groups: dict[str, AnsibleGroup]) -> None:
        self._sources = sources
        self._groups = groups
        self._at = Position(name, 1, 1)
        self._places: dict[str, Position] = {}
        self._vars: dict[str, dict[str, Node]] = {}
        self._direct: dict[str, list[str]] = {group: [] for group in groups}

    def layer(self) -> Layer:
        """The inventory as ours: every host with all that its groups say, by Ansible's own order."""
        for group in self._groups.values():
            self._spread(group)
        self._know_children()
        depths = self._depths()
        hosts: dict[str, WrittenHost] = {}
        told = Told(self._sources.findings, {})
        logins: dict[str, tuple[dict[str, object], dict[str, Value]]] = {}
        for name in self._vars:
            logins[name] = told.settings(self._merged(name, depths))
        known = {name: str(settings.get("address", name)) for name, (settings, _) in logins.items()}
        for name, (settings, values) in logins.items():
            told.through(settings, values, known)
            hosts[name] = WrittenHost(**{"address": name, **settings}, vars=values, at=self._places[name])  # type: ignore[arg-type]
        return Layer(Inventory(hosts=hosts, groups=self._ours(hosts)), tree_of({}, self._at), shared=(_ALL, _UNGROUPED))

    def _spread(self, group: AnsibleGroup) -> None:
        for written, (words, at) in group.hosts.items():
            try:
                names = expanded(written)
            except RangeInvalid as problem:
                self._sources.findings.append(finding("bad-range", str(problem), problem.hint, at))
                continue
            for name in names:
                self._places.setdefault(name, at)
                self._vars.setdefault(name, {}).update(words)
                if name not in self._direct[group.name]:
                    self._direct[group.name].append(name)

    def _know_children(self) -> None:
        for group in list(self._groups.values()):
            for child, at in group.children.items():
                if child not in self._groups:
                    message = f"group `{group.name}` has the child `{child}`, which is described nowhere"
                    self._sources.findings.append(finding("unknown-host", message, "describe it, or remove it", at))

    def _above(self, name: str) -> set[str]:
        """Every group that contains the host *name*, `all` included."""
        found = {group for group, members in self._direct.items() if name in members}
        while True:
            more = {group.name for group in self._groups.values() if found & set(group.children)} - found
            if not more:
                return found | {_ALL}
            found |= more

    def _depths(self) -> dict[str, int]:
        depths = dict.fromkeys(self._groups, 1)
        for _ in self._groups:
            for group in self._groups.values():
                for child in group.children:
                    if child in depths and group.name != _ALL:
                        depths[child] = min(max(depths[child], depths[group.name] + 1), len(depths) + 1)
        return {**depths, _ALL: 0}

    def _merged(self, name: str, depths: dict[str, int]) -> dict[str, Node]:
        """Parents before children, then by priority, then by the alphabet; the host itself last."""

        def order(group: str) -> tuple[int, int, str]:
            said = self._groups[group].vars.get(_PRIORITY)
            text = said.text if isinstance(said, Scalar) else ""
            return depths[group], int(text) if text.isdecimal() else 1, group

        found: dict[str, Node] = {}
        for group in sorted((group for group in self._above(name) if group in self._groups), key=order):
            found |= {word: value for word, value in self._groups[group].vars.items() if word != _PRIORITY}
        return found | self._vars[name]

    def _ours(self, hosts: dict[str, WrittenHost]) -> dict[str, WrittenGroup]:
        grouped = {name for group, members in self._direct.items() if group not in {_ALL, _UNGROUPED} for name in members}
        groups = {
            group.name: WrittenGroup(
                members=(*self._direct[group.name], *(c for c in group.children if c in self._groups)), at=group.at
            )
            for group in self._groups.values()
            if group.name not in {_ALL, _UNGROUPED}
        }
        alone = tuple(name for name in hosts if name not in grouped)
        if alone:
            groups[_UNGROUPED] = WrittenGroup(members=alone, at=self._at)
        return {**groups, _ALL: WrittenGroup(members=tuple(hosts), at=self._at)}
