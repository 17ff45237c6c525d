"""The web shop in the night: behind a real haproxy, with customers who come all the time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from changeover.sandbox import fingerprint
from changeover.sandbox.faults import Fault
from changeover.sandbox.servers import haproxy
from tests.conftest import not_installed
from tests.customers import customers

if TYPE_CHECKING:
    from tests.acceptance.conftest import Night, Project

pytestmark = pytest.mark.timeout(500)

PAGE, MAINTENANCE = b"<p>release", b"We are moving our systems and are back on Sunday at 21:00."
REHEARSE = ("rehearse", "runbooks/telecom-crm.yaml", "--environment", "sandbox", "--set", "ticket=CHG-4711", "--who", "zsofia")


@pytest.fixture(autouse=True)
def _needs_haproxy() -> None:
    if haproxy.find() is None:
        not_installed("haproxy")


def test_no_customer_sees_an_error_in_the_whole_night(project: Project, night: Night) -> None:
    state = project.start_sandbox(customers=150)
    assert state.part("web-shop").by == "haproxy"
    with customers(state.addresses["web-shop"], page=PAGE, maintenance=MAINTENANCE, pause=0.02) as them:
        them.settle()
        engine = night.begin(*REHEARSE, "--lines")
        night.until(lambda _: engine.poll() is not None, seconds=450)
        them.settle()
    assert engine.returncode == 0, project.log
    assert them.failed == []
    assert them.served > 100
    assert them.sent_away > 100


def test_after_a_rollback_the_shop_is_exactly_as_it_was(project: Project, night: Night) -> None:
    state = project.start_sandbox(customers=150, fault=Fault.DEPLOY)
    channels = state.folder / "haproxy" / "channels.map"
    before = channels.read_text(), [fact for fact in fingerprint.take(state) if fact.sort == "channel"]
    with customers(state.addresses["web-shop"], page=PAGE, maintenance=MAINTENANCE, pause=0.02) as them:
        engine = night.begin(*REHEARSE, "--lines")
        night.until(lambda _: engine.poll() is not None, seconds=450)
        them.settle()
    assert engine.returncode == 4, project.log
    assert them.failed == []
    assert them.sent_away > 0
    assert (channels.read_text(), [fact for fact in fingerprint.take(state) if fact.sort == "channel"]) == before
