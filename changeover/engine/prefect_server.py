"""Whether a Prefect server is meant, without importing Prefect: that takes seconds."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from changeover.errors import Mistake


@dataclass(eq=False)
class PrefectAway(Mistake):
    """Prefect was asked for by name, and does not answer."""

    url: str

    def __str__(self) -> str:
        return f"the Prefect server at {self.url} does not answer" if self.url else "no Prefect server is configured"

    @property
    def hint(self) -> str:
        return "start it (`prefect server start`) and set PREFECT_API_URL, or use --engine local"


def wanted(engine: Literal["auto", "local", "prefect"]) -> bool:
    """Whether Prefect should be used if it answers: asked for by name, or a server is configured."""
    return engine == "prefect" or (engine == "auto" and bool(configured_url()))


def configured_url() -> str:
    """The API of the configured server: PREFECT_API_URL, or the active profile's; empty when there is none."""
    url = os.environ.get("PREFECT_API_URL", "").strip()
    if url:
        return url
    home = Path(os.environ.get("PREFECT_HOME", "~/.prefect")).expanduser()
    profiles = Path(os.environ.get("PREFECT_PROFILES_PATH", str(home / "profiles.toml"))).expanduser()
    try:
        written = tomllib.loads(profiles.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return ""
    active = os.environ.get("PREFECT_PROFILE") or written.get("active", "")
    profile = written.get("profiles", {}).get(active, {}) if isinstance(active, str) else {}
    return str(profile.get("PREFECT_API_URL", "")).strip() if isinstance(profile, dict) else ""


def answers(seconds: float = 3.0) -> bool:
    """Whether the configured server answers within *seconds*."""
    import httpx  # noqa: PLC0415 - only when a server is configured

    url = configured_url()
    if not url:
        return False
    try:
        return httpx.get(f"{url.rstrip('/')}/health", timeout=seconds).status_code < httpx.codes.INTERNAL_SERVER_ERROR
    except (httpx.HTTPError, httpx.InvalidURL):
        return False
