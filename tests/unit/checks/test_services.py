from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING, Any

from changeover.contracts import Answer, Completed, Uploaded
from changeover.remote.errors import HostSetback, HostVerdict
from changeover.testing import FakeContext
from checks.services import healthy, version_of_services, version_on_hosts

if TYPE_CHECKING:
    from tests.unit.checks.conftest import Pages


@dataclass(frozen=True, slots=True)
class FakeHost:
    name: str
    answer: Completed

    def run(
        self, command: str, *, stdin: bytes = b"", timeout: float | None = None, output: Callable[[str], None] | None = None
    ) -> Completed:
        return self.answer

    def upload(self, content: bytes | Path, target: str, *, mode: int = 0o644) -> Uploaded:
        raise NotImplementedError


def hosts(**answers: Completed) -> FakeContext:
    return FakeContext(host_names={name: FakeHost(name, answer) for name, answer in answers.items()})


def test_the_same_version_everywhere_passes_as_n_of_n() -> None:
    context = hosts(a=Completed(0, "5.0.0\n", ""), b=Completed(0, "5.0.0", ""))
    verdict = version_on_hosts(context, hosts=["a", "b"], version="5.0.0")
    assert (verdict.answer, verdict.summary) == (Answer.PASSED, "2 of 2 run 5.0.0")


def test_one_host_with_another_version_fails_by_name() -> None:
    context = hosts(a=Completed(0, "5.0.0", ""), b=Completed(0, "4.9.3", ""), c=Completed(1, "", "no such file"))
    verdict = version_on_hosts(context, hosts=["a", "b", "c"], version="5.0.0")
    assert (verdict.answer, verdict.found, verdict.expected) == (Answer.FAILED, 1, 3)
    assert verdict.summary == "1 of 3 run 5.0.0; b: 4.9.3; c: exit 1: no such file"


@dataclass(frozen=True, slots=True)
class Silent(FakeHost):
    """A host that nobody reaches."""

    def run(self, command: str, **_: Any) -> Completed:
        raise HostSetback(self.name, HostVerdict.UNREACHABLE, "cannot connect")


def test_a_host_that_does_not_answer_is_not_verifiable_unless_another_one_is_wrong() -> None:
    good, other = FakeHost("a", Completed(0, "5.0.0", "")), FakeHost("b", Completed(0, "4.9.3", ""))
    silent = Silent("c", Completed(0, "", ""))
    context = FakeContext(host_names={"a": good, "b": other, "c": silent})
    verdict = version_on_hosts(context, hosts=["a", "c"], version="5.0.0")
    assert (verdict.answer, verdict.found, verdict.expected) == (Answer.NOT_VERIFIABLE, 1, 2)
    assert verdict.summary == "1 of 2 run 5.0.0; c: cannot connect (unreachable)"
    assert version_on_hosts(context, hosts=["a", "b", "c"], version="5.0.0").answer is Answer.FAILED


def test_all_hosts_are_asked_at_once() -> None:
    together = Barrier(12, timeout=20)  # who is asked alone waits here in vain

    @dataclass(frozen=True, slots=True)
    class Waiting(FakeHost):
        def run(self, command: str, **_: Any) -> Completed:
            together.wait()
            return self.answer

    context = FakeContext(host_names={f"h{number}": Waiting(f"h{number}", Completed(0, "5", "")) for number in range(12)})
    assert version_on_hosts(context, hosts=[f"h{number}" for number in range(12)], version="5").answer is Answer.PASSED


def test_nobody_asked_is_not_verifiable(context: FakeContext) -> None:
    assert version_on_hosts(context, hosts=[], version="1").answer is Answer.NOT_VERIFIABLE
    assert version_of_services(context, services=[], version="1").answer is Answer.NOT_VERIFIABLE
    assert healthy(context, services=[]).answer is Answer.NOT_VERIFIABLE


def test_services_tell_their_version(context: FakeContext, pages: Pages) -> None:
    pages.answers["/health"] = (200, {"release": "5.0.0"})
    assert version_of_services(context, services=[pages.url], version="5.0.0").answer is Answer.PASSED
    verdict = version_of_services(context, services=[pages.url, f"{pages.url}/x"], version="5.0.0")
    assert verdict.answer is Answer.FAILED
    assert "answers 404" in verdict.summary


def test_an_ill_service_is_named(context: FakeContext, pages: Pages) -> None:
    pages.answers["/health"] = (200, {})
    assert healthy(context, services=[pages.url]).summary == "1 of 1 service healthy"
    pages.answers["/health"] = (500, {})
    verdict = healthy(context, services=[pages.url])
    assert (verdict.answer, verdict.summary) == (Answer.FAILED, f"{pages.url}/health answers 500")
