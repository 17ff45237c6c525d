"""Findings as compilers show them: place, source line, caret, why, help."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len
from rich.text import Text

from changeover.cli.render import CARE, DONE, FAINT, FINE, LOUD, console
from changeover.plan.lint import TIME_CODES
from changeover.runbook.codes import CODES, Code
from changeover.runbook.findings import Finding, Severity
from changeover.runbook.yaml_text import lines_of

if TYPE_CHECKING:
    from rich.console import Console

_WORD: Final = re.compile(r"""'[^']*'|"[^"]*"|\$\{[^}]*\}|[^\s,:\[\]{}]+""")
_NARROWEST: Final = 20


def show(findings: Sequence[Finding], *, checked: int, without_systems: bool) -> None:
    """Print *findings* and a summary; plain text without a terminal, and unwrapped, so that programs can read it."""
    screen = console()
    sources: dict[str, list[str]] = {}
    for finding in findings:
        if finding.at.file not in sources:
            sources[finding.at.file] = _lines(finding.at.file)
        for line in lines(finding, sources[finding.at.file], screen.width if screen.is_terminal else 0):
            _print(screen, line)
        _print(screen, Text())
    _print(screen, summary(findings, checked))
    if without_systems:
        _print(screen, Text("Systems were not looked at: add --environment NAME.", style=FAINT))


def lines(finding: Finding, source: Sequence[str], width: int) -> list[Text]:
    """One finding; *width* is that of the terminal, 0 for no limit."""
    loud = LOUD if finding.severity is Severity.ERROR else CARE
    head = Text(f"{finding.at}: ")
    head.append(f"{finding.severity.value}[{finding.code}]", style=loud).append(f": {finding.message}")
    found = [head]
    if 1 <= finding.at.line <= len(source) and source[finding.at.line - 1].strip():
        found += _excerpt(finding, source[finding.at.line - 1], width, loud)
    code = _codes().get(finding.code)
    if code is not None:
        found.append(Text("  = why: ", style=FAINT).append(code.why, style="default"))
    if finding.hint:
        found.append(Text("  = help: ", style=DONE).append(finding.hint, style="default"))
    return found


def summary(findings: Sequence[Finding], checked: int) -> Text:
    """How many of what."""
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    counts = [_counted(number, word) for number, word in ((errors, "error"), (len(findings) - errors, "warning")) if number]
    said = f"{_counted(checked, 'runbook')} checked: {', '.join(counts) or 'nothing to find fault with'}."
    return Text(said, style=LOUD if errors else CARE if counts else FINE)


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _excerpt(finding: Finding, line: str, width: int, style: str) -> list[Text]:
    number = str(finding.at.line)
    column = min(finding.at.column, len(line) + 1) - 1
    match = _WORD.match(line, column)
    marked = match.end() - column if match is not None else 1
    room = max(_NARROWEST, width - len(number) - 6) if width else max(cell_len(line), 1) + 1
    start = max(0, column - room // 2) if cell_len(line[: column + marked]) > room else 0
    shown = _clean(line[start:])
    while cell_len(shown) > room:
        shown = shown[:-1]
    before = cell_len(_clean(line[start:column]))
    carets = max(1, min(cell_len(_clean(line[column : column + marked])), room - before))
    gutter = " " * len(number)
    return [
        Text(f"  {number} | ", style=FAINT).append(shown, style="default"),
        Text(f"  {gutter} | ", style=FAINT).append(" " * before).append("^" * carets, style=style),
    ]


def _clean(text: str) -> str:
    """One cell for each tab and for what no terminal should be sent."""
    return "".join(character if character.isprintable() else " " for character in text)


def _lines(file: str) -> list[str]:
    try:
        path = Path(file)
        return lines_of(path.read_text(encoding="utf-8-sig", errors="replace")) if path.is_file() else []
    except OSError:
        return []


def _codes() -> Mapping[str, Code]:
    return {**CODES, **TIME_CODES}


def _print(screen: Console, line: Text) -> None:
    screen.print(line, soft_wrap=not screen.is_terminal)
