"""The two spellings of an Ansible inventory, INI and YAML, as groups with hosts, variables and children."""

from __future__ import annotations

import ast
import ipaddress
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from changeover.runbook.codes import finding
from changeover.runbook.findings import Finding
from changeover.runbook.position import Position
from changeover.runbook.tree import Mapping_, Node, Scalar, Sequence, tree_of

#: Variables of a host or a group: name -> value with its place.
Words = dict[str, Node]

_SECTION: Final = re.compile(r"\[([^:\]\s]+)(?::(\w+))?\]\s*(?:[#;].*)?")
_PORT: Final = "ansible_port"


@dataclass(slots=True)
class AnsibleGroup:
    """A group as it is written. A host is spelled as written, ranges and all."""

    name: str
    at: Position
    hosts: dict[str, tuple[Words, Position]] = field(default_factory=dict)
    vars: Words = field(default_factory=dict)
    children: dict[str, Position] = field(default_factory=dict)

    def add(self, host: str, words: Words, at: Position) -> None:
        """Add a host, or more about it. A port may stand behind its name."""
        name, port = _with_port(host)
        said: Words = {_PORT: Scalar(port, port, at)} if port else {}
        before, first = self.hosts.get(name, ({}, at))
        self.hosts[name] = ({**before, **said, **words}, first)


def read_ini(text: str, file: str, findings: list[Finding]) -> dict[str, AnsibleGroup]:
    """The groups of an INI inventory. Hosts before the first section are in `ungrouped`."""
    groups: dict[str, AnsibleGroup] = {}
    section, sort = "ungrouped", "hosts"
    for number, line in enumerate(text.splitlines(), start=1):
        written = line.strip()
        at = Position(file, number, len(line) - len(line.lstrip()) + 1)
        if not written or written[0] in "#;":
            continue
        match = _SECTION.fullmatch(written)
        if match is not None:
            section, sort = match[1], match[2] or "hosts"
            groups.setdefault(section, AnsibleGroup(section, at))
            continue
        try:
            _LINES.get(sort, _strange_line)(groups.setdefault(section, AnsibleGroup(section, at)), line, at)
        except ValueError as problem:
            hint = "a line is `name variable=value`, `[group]`, `[group:vars]` or `[group:children]`"
            findings.append(finding("inventory-not-understood", f"this line cannot be read: {problem}", hint, at))
    return groups


def _host_line(group: AnsibleGroup, line: str, at: Position) -> None:
    name, *pieces = shlex.split(line, comments=True)
    words: Words = {}
    for piece in pieces:
        word, equals, value = piece.partition("=")
        if not equals:
            raise ValueError(f"`{piece}` is no variable")
        place = Position(at.file, at.line, max(line.find(f"{word}="), 0) + 1)
        words[word] = _literal(value, place)
    group.add(name, words, at)


def _vars_line(group: AnsibleGroup, line: str, at: Position) -> None:
    word, equals, value = line.partition("=")
    if not equals:
        raise ValueError(f"`{line.strip()}` is no variable")
    text = value.strip()
    unquoted = text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text
    group.vars[word.strip()] = Scalar(unquoted, unquoted, at)


def _child_line(group: AnsibleGroup, line: str, at: Position) -> None:
    for name in shlex.split(line, comments=True)[:1]:
        group.children[name] = at


def _strange_line(_group: AnsibleGroup, _line: str, _at: Position) -> None:
    raise ValueError("it stands below a section of a sort that Ansible does not have")


_LINES: Final[Mapping[str, Callable[[AnsibleGroup, str, Position], None]]] = {
    "hosts": _host_line,
    "vars": _vars_line,
    "children": _child_line,
}


def _literal(text: str, at: Position) -> Node:
    """Variables beside a host are Python literals where they can be; everything else is text."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return Scalar(text, text, at)
    if isinstance(value, (dict, list, tuple)):
        return tree_of(value, at)
    return Scalar(value if isinstance(value, (str, int, float, bool)) else text, text, at)


def read_tree(tree: Node, findings: list[Finding]) -> dict[str, AnsibleGroup]:
    """The groups of a YAML inventory: a mapping of groups, each with hosts, vars and children."""
    groups: dict[str, AnsibleGroup] = {}
    for name, at, node in _entries(tree, "groups by name", findings):
        _group(name, at, node, groups, findings)
    return groups


def _group(name: str, at: Position, node: Node, groups: dict[str, AnsibleGroup], findings: list[Finding]) -> None:
    group = groups.setdefault(name, AnsibleGroup(name, at))
    for word, place, inside in _entries(node, "`hosts`, `vars` and `children`", findings):
        if word == "hosts":
            for host, where, words in _entries(inside, "hosts by name", findings):
                group.add(host, _words(words, findings), where)
        elif word == "vars":
            group.vars |= _words(inside, findings)
        elif word == "children":
            for child, where, below in _entries(inside, "groups by name", findings):
                group.children[child] = where
                _group(child, where, below, groups, findings)
        else:
            hint = "a group has `hosts`, `vars` and `children`"
            findings.append(finding("inventory-not-understood", f"`{word}` of group `{name}`", hint, place))


def _words(node: Node, findings: list[Finding]) -> Words:
    return {word: value for word, _, value in _entries(node, "variables by name", findings)}


def _entries(node: Node, what: str, findings: list[Finding]) -> Iterator[tuple[str, Position, Node]]:
    if isinstance(node, Scalar) and node.value is None:
        return  # a host or a group of which nothing is said
    if not isinstance(node, Mapping_):
        found = "a list" if isinstance(node, Sequence) else f"`{node.text}`"
        findings.append(finding("inventory-not-understood", f"{found}, where {what} are expected", "write `name:`", node.at))
        return
    for word, value in node.entries.items():
        yield word, node.keys[word], value


def _with_port(host: str) -> tuple[str, str]:
    """The name of a host, and the port behind it. An IPv6 address stands in brackets when it has one."""
    match = re.fullmatch(r"\[([0-9A-Fa-f:.]+)\](?::(\d+))?", host)
    if match is not None and _is_address(match[1]):
        return match[1], match[2] or ""
    if _is_address(host):
        return host, ""
    match = re.fullmatch(r"(.*[^:\[]):(\d+)", host)
    return (match[1], match[2]) if match is not None and match[1].count("[") == match[1].count("]") else (host, "")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
