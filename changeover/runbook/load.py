"""Loads a runbook with everything it refers to. Every problem is a finding; nothing raises."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from changeover.contracts import Kind, Value
from changeover.runbook import ansible, collector, step_reader
from changeover.runbook.bind import bind_with
from changeover.runbook.binder import Binder, Invalid, nearest
from changeover.runbook.bundle import Bundle, Included
from changeover.runbook.codes import finding
from changeover.runbook.findings import Finding
from changeover.runbook.hosts import Layer, resolved
from changeover.runbook.included import included_files
from changeover.runbook.inventory import Inventory
from changeover.runbook.model import Runbook
from changeover.runbook.people import People
from changeover.runbook.position import Position
from changeover.runbook.references import ValueMissing
from changeover.runbook.sources import Sources
from changeover.runbook.systems import Systems, SystemsFile
from changeover.runbook.tree import Mapping_, Node, Scalar, Sequence

_ENVIRONMENT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_PLACEHOLDER: Final = "${environment}"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What loading gave: findings sorted by place, and the bundle if one could be built at all."""

    bundle: Bundle | None
    findings: tuple[Finding, ...]


def load(
    path: Path, *, environment: str | None, kinds: Mapping[str, Kind], root: Path, read: Callable[[str], str] | None = None
) -> Loaded:
    """Load the runbook at *path* with its people, and with the systems of *environment* when one is given.

    *root* is the project's folder. With *read*, *path* is a key of the sources and nothing is read from disk.
    """
    with collector.paused():
        sources = Sources(root, read)
        bundle = _Loading(sources, kinds, environment).load(sources.name(path))
        return Loaded(bundle, tuple(sorted(sources.findings, key=lambda found: (found.at, found.code))))


def load_systems(path: Path, *, root: Path, environment: str = "", foreign: bool = False) -> tuple[Systems, tuple[Finding, ...]]:
    """The systems file at *path* alone, or with *foreign* an Ansible inventory as if a systems file named it; and findings."""
    with collector.paused():
        sources = Sources(root)
        name = sources.name(path)
        if foreign:
            layer = ansible.imported(sources, name, Position(name, 1, 1))
            report = lambda code, message, hint, at: sources.findings.append(finding(code, message, hint, at))  # noqa: E731
            found = resolved([layer] if layer is not None else [], report)
            systems = Systems(hosts=found.hosts, groups=found.groups, at=Position(name, 1, 1))
        else:
            loading = _Loading(sources, {}, environment)
            systems, _ = loading.systems_of(name, Position(name, 1, 1), Binder(sources.findings))
        return systems, tuple(sorted(sources.findings, key=lambda found: (found.at, found.code)))


@dataclass(frozen=True, slots=True)
class _FileValues:
    """What a systems file may refer to."""

    environment: str
    values: Mapping[str, str]

    def lookup(self, path: tuple[str, ...]) -> Value:
        if path == ("environment",):
            return self.environment
        if path[:1] == ("values",) and len(path) == 2:  # noqa: PLR2004 - ${values.NAME}
            if path[1] in self.values:
                return self.values[path[1]]
            near = nearest(path[1], self.values)
            raise ValueMissing(
                ".".join(path), "the values file has no such value", f"did you mean ${{values.{near}}}?" if near else ""
            )
        raise ValueMissing(".".join(path), "a systems file knows only ${values.NAME} and ${environment}")


@dataclass(slots=True)
class _Loading:
    sources: Sources
    kinds: Mapping[str, Kind]
    environment: str | None
    trail: tuple[str, ...] = ()  # the runbooks that include each other down to this one
    known: dict[str, Included] = field(default_factory=dict)  # by file, so that each is loaded once

    def load(self, name: str) -> Bundle | None:
        tree = self.sources.tree(name)
        if tree is None:
            return None
        if not isinstance(tree, Mapping_) or "changeover" not in tree.entries:
            hint = "a runbook begins with `changeover: 1`, the version of the language"
            message = "this is not a runbook: " + (
                "the key `changeover` is missing" if isinstance(tree, Mapping_) else "it is no mapping"
            )
            self._report("missing-key" if isinstance(tree, Mapping_) else "wrong-type", message, hint, tree.at)
            if not isinstance(tree, Mapping_):
                return None
            one = Scalar(1, "1", tree.at)
            tree = Mapping_({"changeover": one, **tree.entries}, {"changeover": tree.at, **tree.keys}, tree.at)
        version = tree.entries["changeover"]
        if isinstance(version, Scalar) and type(version.value) is int and version.value > 1:
            message = f"this runbook is written in version {version.value} of the language; this program reads version 1"
            self._report("wrong-type", message, "update changeover, or write the runbook for version 1", version.at)
            return None
        binder = Binder(self.sources.findings, self.kinds, late=False)
        runbook = bind_with(binder, tree, Runbook)
        if isinstance(runbook, Invalid):
            return None
        runbook = self._checked(runbook, tree, binder)
        people = self._file(runbook.people, name, _place(tree, "people"), People, binder) or People()
        systems, values = self._systems(runbook, name, _place(tree, "systems"), binder)
        texts, included = self.sources.texts, self._included(runbook, name)
        return Bundle(runbook, people, systems, self.environment or "", texts, values, included, binder.traces)

    def _included(self, runbook: Runbook, name: str) -> dict[str, Included]:
        """The runbooks that this one includes, as far as they are there. A run's journal holds none of them."""
        trail = (*self.trail, name)
        found = {}
        for file in included_files(runbook, self.kinds):
            other = posixpath.normpath(file)
            if other in trail:
                found[file] = Included(None, circle=(*trail[trail.index(other) :], other))
            elif self.sources.exists(other):
                if other not in self.known:
                    self.known[other] = self._other(other, trail)
                found[file] = self.known[other]
        return found

    def _other(self, name: str, trail: tuple[str, ...]) -> Included:
        sources = Sources(self.sources.root, self.sources.read)
        bundle = _Loading(sources, self.kinds, self.environment, trail, self.known).load(name)
        inside = bundle.included.values() if bundle is not None else ()
        circle = next((included.circle for included in inside if included.circle), ())
        return Included(bundle, tuple(sources.findings), circle)

    def _checked(self, runbook: Runbook, tree: Mapping_, binder: Binder) -> Runbook:
        step_reader.check_id(binder, runbook.id, _place(tree, "id"), "a runbook")
        window = runbook.window
        if window is not None and window.closes.local <= window.opens.local:
            at = _place(tree, "window", "closes")
            self._report("times-reversed", "the window closes before it opens", "exchange the two, or correct the day", at)
            runbook = replace(runbook, window=None)  # so that nobody says that nothing fits into it
        try:
            ZoneInfo(runbook.timezone)
        except (LookupError, ValueError, OSError):
            hint = "write an IANA name such as Europe/Budapest or UTC"
            self._report("unknown-timezone", f"there is no time zone `{runbook.timezone}`", hint, _place(tree, "timezone"))
            return replace(runbook, timezone="UTC")
        return runbook

    def _file(self, file: str, beside: str, at: Position, python: type[T], binder: Binder) -> T | None:
        if not file:
            return None
        tree = self.sources.tree(self.sources.beside(beside, file), at)
        if tree is None:
            return None
        found = bind_with(binder, tree, python)
        return None if isinstance(found, Invalid) else found

    def _systems(self, runbook: Runbook, name: str, at: Position, binder: Binder) -> tuple[Systems, dict[str, str]]:
        if not runbook.systems or self.environment is None:
            return Systems(), {}
        if not _ENVIRONMENT.fullmatch(self.environment):
            message = f"`{self.environment}` cannot be the name of an environment"
            self._report("unknown-environment", message, "use letters, digits and hyphens", at)
            return Systems(), {}
        source = self.sources.beside(name, runbook.systems.replace(_PLACEHOLDER, self.environment))
        if _PLACEHOLDER in runbook.systems and not self.sources.exists(source):
            self._unknown_environment(runbook.systems, source, at)
            return Systems(), {}
        return self.systems_of(source, at, binder)

    def systems_of(self, source: str, at: Position, binder: Binder) -> tuple[Systems, dict[str, str]]:
        """The systems of the file *source*, and the values of this machine that it names."""
        tree = self.sources.tree(source, at)
        if tree is None:
            return Systems(), {}
        values = self._values(tree, source)
        names = None if values is None else _FileValues(self.environment or "", values)
        bound = Binder(self.sources.findings, self.kinds, names, nodes=binder.nodes)
        written = bind_with(bound, tree, SystemsFile)
        if isinstance(written, Invalid):
            return Systems(), values or {}
        return self._with_hosts(written, tree, source, bound), values or {}

    def _with_hosts(self, written: SystemsFile, tree: Node, source: str, binder: Binder) -> Systems:
        """The systems with the hosts of the file itself and of every inventory that it names."""
        layers = [Layer(written, tree)]
        for number, file in enumerate(written.inventory):
            inside = self.sources.tree(self.sources.beside(source, file), _place(tree, "inventory", number))
            inventory = None if inside is None else bind_with(binder, inside, Inventory)
            if inside is not None and isinstance(inventory, Inventory):
                layers.append(Layer(inventory, inside))
        for number, file in enumerate(written.ansible):
            imported = ansible.imported(self.sources, self.sources.beside(source, file), _place(tree, "ansible", number))
            if imported is not None:
                layers.append(imported)
        found = resolved(layers, self._report)
        return Systems(
            production=written.production,
            databases=written.databases,
            hosts=found.hosts,
            groups=found.groups,
            limits=found.limits,
            services=written.services,
            channels=written.channels,
            at=written.at,
        )

    def _unknown_environment(self, pattern: str, source: str, at: Position) -> None:
        before, _, after = Path(pattern).name.partition(_PLACEHOLDER)
        folder = (self.sources.root / source).parent
        known: list[str] = []
        if self.sources.read is None and folder.is_dir():
            files = (entry.name for entry in folder.iterdir() if entry.name.startswith(before) and entry.name.endswith(after))
            known = sorted(name[len(before) : len(name) - len(after)] for name in files)
        hint = "known are " + ", ".join(f"`{name}`" for name in known) if known else f"create `{source}`"
        self._report("unknown-environment", f"there is no environment `{self.environment}`: `{source}` is missing", hint, at)

    def _values(self, tree: Node, source: str) -> dict[str, str] | None:
        """The values of this machine; None when their file is missing, so that ``${values.X}`` stay as they are."""
        named = tree.entries.get("values") if isinstance(tree, Mapping_) else None
        if not isinstance(named, Scalar) or not isinstance(named.value, str):
            return {}
        file = named.text.replace(_PLACEHOLDER, self.environment or "")
        candidates = (self.sources.beside("", file), self.sources.beside(source, file))
        found = next((name for name in candidates if self.sources.exists(name)), None)
        if found is None:
            hint = "it is made on each machine; for the sandbox by `changeover sandbox start`"
            self._report("values-missing", f"the values file `{candidates[0]}` is missing", hint, named.at)
            return None
        flat = self.sources.tree(found, named.at)
        if flat is None:
            return None
        values: Any = bind_with(Binder(self.sources.findings), flat, Mapping[str, str])
        return None if isinstance(values, Invalid) else values

    def _report(self, code: str, message: str, hint: str, at: Position) -> None:
        self.sources.findings.append(finding(code, message, hint, at))


def _place(tree: Node, *words: str | int) -> Position:
    node = tree
    for word in words:
        if isinstance(node, Mapping_) and word in node.entries:
            node = node.entries[str(word)]
        elif isinstance(node, Sequence) and isinstance(word, int) and word < len(node.items):
            node = node.items[word]
        elif not isinstance(node, Scalar):
            break
    return node.at
