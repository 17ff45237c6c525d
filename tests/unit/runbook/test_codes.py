"""Codes are stable, each is said somewhere, and each has its page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from changeover.plan.lint import TIME_CODES
from changeover.runbook.codes import CODES, finding
from changeover.runbook.position import NOWHERE

ROOT = Path(__file__).parents[3]
PAGES = ROOT / "docs" / "findings"
ALL = {**CODES, **TIME_CODES}


@pytest.mark.parametrize("slug", sorted(ALL))
def test_every_code_has_a_page_that_says_what_why_wrong_and_right(slug: str) -> None:
    page = (PAGES / f"{slug}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {slug}\n")
    assert ALL[slug].why.rstrip(".").lower() in " ".join(page.split()).lower()
    for head in ("## Why it matters", "## Wrong", "## Right"):
        assert head in page
    assert f"**{ALL[slug].severity.value}**" in page


def test_no_page_is_about_a_code_that_nobody_knows() -> None:
    assert {page.stem for page in PAGES.glob("*.md")} - {"README"} == set(ALL)


def test_the_index_lists_every_code() -> None:
    index = (PAGES / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\[([a-z0-9-]+)\]\(\1\.md\)", index)) == set(ALL)


def test_every_code_is_said_somewhere() -> None:
    package = ROOT / "changeover"
    text = "".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py") if path.name != "codes.py")
    built = {f"unknown-{what}" for what in ("database", "service", "channel", "host", "person")}
    assert [slug for slug in CODES if f'"{slug}"' not in text and slug not in built] == []


def test_a_code_that_nobody_registered_is_a_fault() -> None:
    with pytest.raises(KeyError):
        finding("no-such-code", "", "", NOWHERE)
