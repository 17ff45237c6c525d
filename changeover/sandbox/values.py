"""What differs from machine to machine, for ``systems/sandbox.yaml``: ports, paths, addresses."""

from __future__ import annotations

import json
import re

from changeover.sandbox.hosts import Reached
from changeover.sandbox.servers import place
from changeover.sandbox.state import State


def write(state: State, reached: Reached) -> None:
    """Write ``values.yaml``: one name and one text a line (JSON texts are YAML texts)."""
    facts: dict[str, str] = {}
    for name, url in state.databases.items():
        password = re.search(r"//[^/:@]+:([^@]+)@", url)
        facts[f"{_word(name)}_url"] = url.replace(f":{password[1]}@", "@") if password else url
        facts[f"{_word(name)}_password"] = f"file:{state.folder / 'secrets' / name}" if password else ""
    facts |= {"ssh_user": reached.user, "ssh_key": str(reached.key), "known_hosts": str(reached.known_hosts)}
    facts |= {f"{_word(name)}_port": str(port) for name, port in reached.ports.items()}
    facts |= {_word(name): address for name, address in state.addresses.items()}
    lines = ["# Written by `orchestrate.py sandbox start`; gone with `sandbox stop`.\n"]
    lines += [f"{name}: {json.dumps(value, ensure_ascii=False)}\n" for name, value in facts.items()]
    place.write_private(state.folder / "values.yaml", "".join(lines), None)


def _word(name: str) -> str:
    return name.replace("-", "_")
