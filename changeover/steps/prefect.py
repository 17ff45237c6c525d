"""``prefect``: a deployment of a Prefect server, run to its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from changeover.contracts import Context, OnUnknown, Probe, Result, Value, key, step_kind
from changeover.steps.dry_run import would


@step_kind("prefect", shorthand="deployment", timeout=timedelta(hours=1))
@dataclass(frozen=True, slots=True)
class Prefect:
    """Run a Prefect deployment and wait for its end.

    The attempt's token is the flow run's idempotency key: however often it is asked for, it exists once. When the step
    has to stop, the flow run is cancelled.

    Output: `{flow_run, name, state}`.

    Dry run: the deployment must exist.

    It may have happened: the flow run with the token is looked up; one that still runs is waited for.
    """

    deployment: str = key("the deployment, `flow/name`")
    parameters: Mapping[str, Value] = key("its parameters", default_factory=dict)

    @property
    def on_unknown(self) -> OnUnknown:
        """The token finds it."""
        return OnUnknown.PROBE

    def problems(self) -> Iterable[str]:
        """A flow and a name."""
        if "${" not in self.deployment and len([part for part in self.deployment.split("/") if part.strip()]) != 2:  # noqa: PLR2004
            yield f"a deployment is written flow/name; {self.deployment!r} is not"

    def run(self, context: Context) -> Result:
        """Create the flow run, or find it, and wait."""
        from changeover.steps.flow_run import run_to_its_end  # noqa: PLC0415 - loads Prefect

        return run_to_its_end(context, self.deployment, self.parameters)

    def dry_run(self, context: Context) -> Result:  # noqa: ARG002 - the protocol's
        """See that it exists."""
        from changeover.steps.flow_run import require_deployment  # noqa: PLC0415 - loads Prefect

        require_deployment(self.deployment)
        return would(f"run the deployment {self.deployment}")

    def probe(self, context: Context) -> Probe:
        """Look for the flow run of the attempt in doubt."""
        from changeover.steps.flow_run import look_for  # noqa: PLC0415 - loads Prefect

        return look_for(context, self.deployment)
