"""Do all of them, not most of them, run the right version and feel well?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from changeover.api import Answer, Context, Host, Value, Verdict, counted, on_each
from checks.web import ANSWER_WITHIN_S, visit


def version_on_hosts(
    context: Context, *, hosts: str | Sequence[str], version: str, command: str = "cat current/VERSION", timeout_s: float = 30
) -> Verdict:
    """*command* says *version* on every host: N of N, all asked at once. One that does not answer is one that is not known.

    Args:
        context: given by the engine.
        hosts: hosts and groups.
        version: what it must say.
        command: what tells the version.
        timeout_s: seconds that a host has for it.
    """

    def told(host: Host) -> str:
        answer = host.run(command, timeout=timeout_s, output=lambda _piece: context.check_stopped())
        return answer.stdout.strip() if answer.exit == 0 else f"exit {answer.exit}: {answer.stderr.strip()}"

    outcomes = on_each(context.hosts([hosts] if isinstance(hosts, str) else list(hosts)), told)
    silent = {name for name, outcome in outcomes.items() if outcome.value is None}
    return _all_of_them({name: outcome.value or outcome.detail for name, outcome in outcomes.items()}, version, silent)


def version_of_services(
    context: Context,
    *,
    services: Sequence[str],
    version: str,
    path: str = "health",
    field: str = "release",
    within_s: float = ANSWER_WITHIN_S,
) -> Verdict:
    """Every service says that it is *version*: N of N.

    Args:
        context: given by the engine.
        services: names of services, or URLs.
        version: what each must say.
        path: where a service tells.
        field: in which field of its JSON.
        within_s: seconds after which a service counts as not answering.
    """
    figures: dict[str, Value] = {}
    for name in services:
        page = visit(context, name, path, within_s=within_s)
        known = page.content if isinstance(page.content, dict) else {}
        figures[name] = str(known.get(field, "")) if page.status == 200 else page.told()  # noqa: PLR2004 - the one good answer
    return _all_of_them(figures, version)


def healthy(
    context: Context, *, services: Sequence[str], path: str = "health", status: int = 200, within_s: float = ANSWER_WITHIN_S
) -> Verdict:
    """Every service answers its health question with *status*.

    Args:
        context: given by the engine.
        services: names of services, or URLs.
        path: where a service tells how it is.
        status: the answer of a healthy one.
        within_s: seconds after which a service counts as not answering.
    """
    figures: dict[str, Value] = {}
    ill = []
    for name in services:
        page = visit(context, name, path, within_s=within_s)
        figures[name] = page.status
        if page.status != status:
            ill.append(page.told())
    good = len(figures) - len(ill)
    if not figures:
        return Verdict(Answer.NOT_VERIFIABLE, "no service is named", 0, 0)
    summary = "; ".join(ill) or f"{good} of {counted(len(figures), 'service')} healthy"
    return Verdict.of(not ill, summary, expected=len(figures), found=good, **figures)


def _all_of_them(figures: Mapping[str, Value], version: str, silent: Collection[str] = ()) -> Verdict:
    """*silent*: of whom nothing is known; their figures say why."""
    if not figures:
        return Verdict(Answer.NOT_VERIFIABLE, "nobody was asked", 0, 0)
    others = {name: found for name, found in figures.items() if found != version or name in silent}
    good = len(figures) - len(others)
    summary = f"{good} of {len(figures)} run {version}"
    if others:
        summary += "; " + "; ".join(str(found) if name in silent else f"{name}: {found}" for name, found in others.items())
    wrong = others.keys() - set(silent)
    answer = Answer.FAILED if wrong else Answer.NOT_VERIFIABLE if others else Answer.PASSED
    return Verdict(answer, summary, len(figures), good, figures)
