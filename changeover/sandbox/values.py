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
    facts |= _door(state)
    lines = ["# Written by `changeover sandbox start`; gone with `sandbox stop`.\n"]
    lines += [f"{name}: {json.dumps(value, ensure_ascii=False)}\n" for name, value in facts.items()]
    place.write_private(state.folder / "values.yaml", "".join(lines), None)


def _door(state: State) -> dict[str, str]:
    """How the web shop's door is switched: haproxy's map, or the resource of the shop itself. Empty is not written."""
    balancer = state.folder / "haproxy"
    if not balancer.exists():
        own = {"adapter": "http", "url": f"{state.addresses['web-shop-staff']}/door"}
        return {**{f"web_shop_{word}": "" for word in ("socket", "map", "says_map", "backend")}, **_named(own)}
    paths = {"socket": "runtime.sock", "map": "channels.map", "says_map": "says.map"}
    files = {word: str(balancer.resolve() / name) for word, name in paths.items()}
    return _named({"adapter": "haproxy", "url": "", "backend": "web-shop", **files})


def _named(facts: dict[str, str]) -> dict[str, str]:
    return {f"web_shop_{word}": value for word, value in facts.items()}


def _word(name: str) -> str:
    return name.replace("-", "_")
