from __future__ import annotations

from typing import Any

import pytest

from changeover.contracts import OnUnknown
from changeover.runbook.values import ParametersRefused


def test_the_token_finds_a_flow_run_again(bound: Any) -> None:
    assert bound("prefect", "nightly/production").on_unknown is OnUnknown.PROBE


@pytest.mark.parametrize("deployment", ["nightly", "a/b/c", "/x", "a/"])
def test_a_deployment_is_a_flow_and_a_name(bound: Any, deployment: Any) -> None:
    with pytest.raises(ParametersRefused, match="flow/name"):
        bound("prefect", deployment)
