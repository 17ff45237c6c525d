"""Values and commands reach hosts byte for byte, or are refused; nothing in them is ever a command."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from changeover.errors import ChangeoverError
from changeover.testing import FakeContext

_PAYLOADS = (
    *("touch traces", "; touch traces", "|| touch traces", "&& touch traces", "| touch traces", "& touch traces &"),
    *("$(touch traces)", "`touch traces`", "${IFS}touch${IFS}traces", "\ntouch traces\n", "\r\ntouch traces", "<(touch traces)"),
    *("> traces", ">> traces", "2> traces", "< /etc/passwd", "#", "$HOME", "$$", "$0", "$@", "!!", "*", "~", "%s%n", "\\", "\t"),
)
_WRAPPINGS = ("{}", "'{}'", '"{}"', "'; {} ;'", '"; {} ;"', "\\'{}", "\\\\{}", "a\n{}", "ő Їж 😀{}", "-- {}", "EOF\n{}\nEOF")
STRINGS = [
    *(wrapping.format(payload) for wrapping, payload in itertools.product(_WRAPPINGS, _PAYLOADS)),
    *(
        "",
        " ",
        "  a  b  ",
        "\x01\x02\x1b[31m\x7f",
        "\u202e\u2028",
        "a" * 3000,
        "'" * 50,
        '"' * 50,
        "\\" * 51,
        "-n",
        "-e",
        "--help",
    ),
]
#: So many in one command: its length is limited by the system.
_AT_ONCE = 80


def chunks() -> list[list[str]]:
    return [STRINGS[begin : begin + _AT_ONCE] for begin in range(0, len(STRINGS), _AT_ONCE)]


def test_there_are_enough_of_them() -> None:
    assert len(set(STRINGS)) >= 250


@pytest.mark.parametrize("mode", ["attached", "detached"])
@pytest.mark.parametrize("word", ["ssh", "script", "shell"])
def test_values_arrive_byte_for_byte(bound: Any, with_hosts: FakeContext, word: str, mode: str) -> None:
    for number, chunk in enumerate(chunks()):
        with_hosts.step = f"step-{number}"
        names = {f"inputs.w{position}": text for position, text in enumerate(chunk)}
        written = " ".join(f"${{inputs.w{position}}}" for position in range(len(chunk)))
        command = f"printf '%s\\\\0' {written} | od -An -v -tx1"
        match word:
            case "ssh":
                yaml = f'{{on: app-1, run: "{command}", mode: {mode}}}'
            case "script":
                arguments = ", ".join(f"'${{inputs.w{position}}}'" for position in range(len(chunk)))
                text = "printf '%s\\\\0' \\\"$@\\\" | od -An -v -tx1"
                yaml = f'{{on: app-1, text: "{text}", arguments: [{arguments}], mode: {mode}}}'
            case _:
                yaml = f'{{command: "{command}", mode: {mode}}}'
        output = bound(word, yaml, names).run(with_hosts).output
        stdout = output["stdout"] if word == "shell" else output["hosts"]["app-1"]["stdout"]
        assert bytes.fromhex("".join(stdout.split())) == b"".join(text.encode() + b"\0" for text in chunk)
    traces = bound("ssh", "{on: app-1, run: 'ls', changes: false}").run(with_hosts).output["hosts"]["app-1"]["stdout"]
    assert "traces" not in traces.split()
    assert not (with_hosts.folder / "traces").exists()


@pytest.mark.parametrize("mode", ["attached", "detached"])
@pytest.mark.parametrize("word", ["ssh", "shell"])
def test_a_value_with_nul_is_refused_and_nothing_runs(bound: Any, with_hosts: FakeContext, word: str, mode: str) -> None:
    names = {"inputs.text": "a\0; touch traces"}
    where = "on: app-1, run" if word == "ssh" else "command"
    with pytest.raises(ChangeoverError, match="NUL"):
        bound(word, f"{{{where}: 'touch ran; echo ${{inputs.text}}', mode: {mode}}}", names).run(with_hosts)
    listed = bound("ssh", "{on: app-1, run: 'ls', changes: false}").run(with_hosts).output["hosts"]["app-1"]["stdout"]
    assert "ran" not in listed.split()
