"""Steps as tasks of Prefect: seen there, never decided there.

Importing this module imports Prefect, which takes seconds. Whatever Prefect does or fails to do, the journal is right:
work runs exactly once, its outcome is recorded before Prefect hears of it, and the engine ends in bounded time.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any, Final

os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", "30")
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "ERROR")  # the journal tells; Prefect's own lines would only repeat it

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas import State
from prefect.context import FlowRunContext, TagsContext, TaskRunContext, tags
from prefect.states import Completed, Failed

from changeover.contracts import RunState
from changeover.engine.endings import Ending, Outcome
from changeover.engine.executors import Executor, LocalExecutor
from changeover.engine.options import Ended, Options
from changeover.errors import Setback
from changeover.journal.records import RunRecord
from changeover.plan.model import PlannedStep

#: Runs the whole incarnation, with the executor it is given.
Conduct = Callable[[Executor], Awaitable[Ended]]
_NOISY: Final = ("prefect._internal", "prefect.events", "prefect.client", "prefect.task_engine", "prefect.flow_engine")


@dataclass(eq=False)
class EngineGone(Setback):
    """The thread that drove the run ended without saying how."""

    def __str__(self) -> str:
        return "the engine ended without saying how; the run can be resumed"


@dataclass(slots=True)
class PrefectExecutor:
    """One task run for each attempt, named after its step.

    A task run gets its tags only once it has begun: for each tag that it has before, Prefect asks its server for a slot,
    which costs a round trip and would put somebody's concurrency limit, or a server that is gone, in the way of a step.
    Of its tags it has two: the server stores each tag of each event of each task run in a row of its own.
    """

    record: RunRecord
    options: Options
    _task: Any = None  # one for all steps: making one costs more than running it
    _work: dict[str, tuple[PlannedStep, Callable[[], Awaitable[Outcome]]]] = field(default_factory=dict)
    _begun: set[str] = field(default_factory=set)
    _errors: dict[str, BaseException] = field(default_factory=dict)
    _warned: bool = False

    def __post_init__(self) -> None:
        async def body(step: str) -> State[Any]:
            self._begun.add(step)
            planned, work = self._work[step]
            run = TaskRunContext.get()
            if run is not None:
                run.task_run.tags = [f"run:{self.record.id}", f"stage:{planned.stage}"]
            try:
                return _state_of(await work())
            except BaseException as error:
                self._errors[step] = error
                raise

        self._task = task(
            name="step",
            task_run_name="{step}",
            persist_result=False,
            cache_policy=NO_CACHE,
            retries=0,
        )(body)

    async def perform(self, planned: PlannedStep, work: Callable[[], Awaitable[Outcome]]) -> None:
        """Run *work* exactly once; inside a task run when Prefect can."""
        key = planned.key
        self._work[key] = planned, work
        self._begun.discard(key)
        try:
            await self._task(key, return_state=True)
        except Exception as error:  # noqa: BLE001 - Prefect is best effort, whatever it raises
            if key not in self._errors:
                self._warn(error)
        finally:
            del self._work[key]
        if key in self._errors:
            raise self._errors.pop(key)
        if key not in self._begun:
            await work()

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            self.options.tell(f"Prefect does not follow any more ({type(error).__name__}); the run goes on")


@dataclass(slots=True)
class PrefectFlow:
    """One incarnation of the engine as a flow run, or as part of the flow run that called it."""

    record: RunRecord
    epoch: int
    options: Options
    _ended: list[Ended] = field(default_factory=list)
    _error: list[BaseException] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def run(self, conduct: Conduct) -> Ended:
        """Run *conduct*. Prefect gets ``options.drain`` seconds once it is over; then it is left alone."""
        for name in _NOISY:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        context = copy_context()
        thread = threading.Thread(target=lambda: context.run(self._work, conduct), name="prefect-flow", daemon=True)
        thread.start()
        while not self._over.wait(0.5):
            if not thread.is_alive() and not self._over.is_set():
                raise EngineGone
        until = time.monotonic() + self.options.drain
        thread.join(self.options.drain)
        drained = drain(max(0.5, until - time.monotonic()))
        if thread.is_alive() or not drained:
            self.options.tell("Prefect did not take the end of the run in time; the journal has it")
        if self._error:
            raise self._error[0]
        return self._ended[0]

    def _work(self, conduct: Conduct) -> None:
        try:
            asyncio.run(self._choose(conduct))
        except BaseException as error:  # noqa: BLE001 - the run is over already, or the error is raised where it is waited for
            if not self._over.is_set():
                self._error.append(error)
        finally:
            self._over.set()

    async def _choose(self, conduct: Conduct) -> None:
        executor = PrefectExecutor(self.record, self.options)
        if FlowRunContext.get() is not None:  # a deployment's flow run: its tasks are ours
            with TagsContext(current_tags=set()):
                await self._conduct(conduct, executor)
            return
        begun = False

        async def incarnation() -> State[Any]:
            nonlocal begun
            begun = True
            _spare_the_events(FlowRunContext.get())
            with TagsContext(current_tags=set()):  # those of the flow run are not its tasks'
                return _end_of(await self._conduct(conduct, executor))

        why = ""
        name = f"{self.record.id}#{self.epoch}"
        named = flow(name="cutover", flow_run_name=name, retries=0, persist_result=False)(incarnation)
        try:
            with tags(*_tags(self.record), f"epoch:{self.epoch}"):
                await named(return_state=True)
        except Exception as error:
            if self._over.is_set():
                return
            if begun:
                raise
            why = f" ({type(error).__name__})"
        if not begun:  # it raised, or gave back a state of its own
            self.options.tell(f"Prefect could not begin a flow run{why}; steps run in this process")
            await self._conduct(conduct, LocalExecutor())

    async def _conduct(self, conduct: Conduct, executor: Executor) -> Ended:
        try:
            ended = await conduct(executor)
        except BaseException as error:
            self._error.append(error)
            self._over.set()
            raise
        self._ended.append(ended)
        self._over.set()
        return ended


def _spare_the_events(current: FlowRunContext | None) -> None:
    """Keep the flow run's tags, which the server has, out of every event of every task run: a fifth of its work for us."""
    if current is not None and current.flow_run is not None:
        current.flow_run.tags = []


def drain(seconds: float) -> bool:
    """Give Prefect's services *seconds* to send what they have; whether they did. What is left is dropped, not waited for."""
    from prefect.events.worker import EventsWorker  # noqa: PLC0415 - only at the end
    from prefect.logging.handlers import APILogWorker  # noqa: PLC0415 - only at the end

    drained = True
    until = time.monotonic() + seconds
    for service in (EventsWorker, APILogWorker):
        instances = tuple(getattr(service, "_instances", {}).values())
        service.drain_all(timeout=max(0.1, until - time.monotonic()))
        for instance in instances:
            drained = _let_go(instance) and drained
    return drained


def _let_go(service: Any) -> bool:
    """See to it that the interpreter's exit does not wait for *service*: it would wait for ever for a server that is gone."""
    done, loop = getattr(service, "_done_event", None), getattr(service, "_loop", None)
    if done is None or loop is None or done.is_set():
        return True
    loop.call_soon_threadsafe(done.set)
    return False


def _tags(record: RunRecord) -> Iterator[str]:
    yield f"run:{record.id}"
    yield f"mode:{record.mode.value}"


def _state_of(outcome: Outcome) -> State[Any]:
    """How an attempt's end looks in Prefect."""
    if outcome.ending in {Ending.PASSED, Ending.SKIPPED}:
        return Completed(message=outcome.text, name=outcome.ending.value.title())
    return Failed(message=outcome.text, name=outcome.ending.value.title())


def _end_of(ended: Ended) -> State[Any]:
    """How the end of this incarnation looks in Prefect."""
    if ended.state is RunState.SUCCEEDED:
        return Completed(message="the run succeeded")
    name = ended.state.value.replace("_", " ").capitalize() if ended.state.final else "Waiting"
    return Failed(message=ended.why or "; ".join(ended.waiting) or f"the run is {ended.state.value}", name=name)
