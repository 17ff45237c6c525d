"""The loop that drives a run: it looks at what has changed, lets begin what may begin, and knows when it is over."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import changeover
from changeover.contracts import Phase, RunState, StepState, Value
from changeover.engine.attempts import Attempts
from changeover.engine.beginning import Beginning
from changeover.engine.commands import Commands
from changeover.engine.decisions import Decisions
from changeover.engine.door import Door
from changeover.engine.endings import Cause
from changeover.engine.executors import Executor
from changeover.engine.failing import doubts, hold, pauses
from changeover.engine.options import Ended
from changeover.engine.recovery import Recovery
from changeover.engine.rollback import WaysOut
from changeover.engine.runtime import Runtime
from changeover.engine.scheduler import Scheduler
from changeover.engine.seconds import Seconds
from changeover.engine.suspensions import Suspensions
from changeover.engine.threads import Worker
from changeover.engine.transitions import BEGINS_IN, SETTLED
from changeover.engine.unwritten import Unwritten
from changeover.engine.waiting import waiting_lines
from changeover.journal.events import CommandRecord, Draft, Event, EventKind, Verb
from changeover.journal.store import Journal, JournalUnavailable, LeaseLost

#: Seconds between two looks for commands of people.
POLL: Final = 0.05
#: Seconds that steps get to let go of what they hold when this engine may record nothing any more.
_LET_GO: Final = 2.0


@dataclass(slots=True)
class Conductor:
    """One incarnation of the engine at work on one run."""

    runtime: Runtime
    journal: Journal
    journal_url: str
    executor: Executor
    engine: str  # local or prefect
    stop: threading.Event
    attempts: Attempts = field(init=False)
    decisions: Decisions = field(init=False)
    scheduler: Scheduler = field(init=False)
    beginning: Beginning = field(init=False)
    recovery: Recovery = field(init=False)
    ways_out: WaysOut = field(init=False)
    commands: Commands = field(init=False)
    seconds: Seconds = field(init=False)
    suspensions: Suspensions = field(init=False)
    unwritten: Unwritten = field(init=False)
    door: Door = field(init=False)
    _reader: Worker = field(default_factory=lambda: Worker("journal-reader"))
    _answered: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.attempts = Attempts(self.runtime, self.executor)
        self.decisions = Decisions(self.runtime)
        self.scheduler = Scheduler(self.runtime)
        self.beginning = Beginning(self.runtime, self.attempts, self.decisions, self.scheduler)
        self.recovery = Recovery(self.runtime, self.attempts, self.decisions, self.scheduler)
        self.ways_out = WaysOut(self.runtime, self.attempts, self.recovery)
        self.seconds = Seconds(self.runtime)
        self.commands = Commands(self.runtime, self.decisions, self.seconds)
        self.suspensions = Suspensions(self.runtime)
        self.unwritten = Unwritten(self.runtime, self.attempts)
        self.door = Door(self.journal_url, self.runtime.run.id, self.unwritten.ask)
        self.attempts.held_back = lambda: self.unwritten.any

    async def conduct(self, events: Sequence[Event], said: Sequence[Draft] = ()) -> Ended:
        """Drive the run until it is over, waits for people and was told not to, is interrupted, or belongs to another."""
        writer = self.runtime.loop.create_task(self.runtime.recorder.run(), name="recorder")
        self.seconds.recall(events)
        self.runtime.doubted.update({key: self.runtime.step(key).reason for key in doubts(events)})
        clock = self.runtime.options.clock
        self.runtime.not_before.update({key: clock.monotonic() + left for key, left in pauses(events, clock.now()).items()})
        poll: asyncio.Task[None] | None = None
        self.door.open()
        try:
            self._open(said)
            mark = await self._take_commands(-1)  # a hold that was asked for while no engine ran holds before anything begins
            poll = self.runtime.loop.create_task(self._poll(mark), name="commands")
            ended = await self._drive()
            if not ended.lost:
                await self._close(ended)
        except LeaseLost as lost:
            return await self._lost(lost)
        else:
            return ended
        finally:
            self.recovery.cancel()
            self.beginning.cancel()
            self.door.close()
            await _cancelled(writer, poll)
            self._reader.close()

    # the loop

    async def _drive(self) -> Ended:
        while True:
            self.runtime.wake.clear()
            self.runtime.timers.fire()
            if self.runtime.recorder.failure is not None or self.runtime.broken is not None:
                return await self._failed()
            if self.stop.is_set():
                return await self._interrupted()
            ended = self._look()
            if ended is not None:
                await self.runtime.recorder.flush()
                return ended
            await self._sleep()

    def _look(self) -> Ended | None:
        """Let happen what may happen now; how the engine ends, when it does."""
        runtime = self.runtime
        match runtime.state:
            case RunState.STOPPING:
                self.ways_out.quiesce()
            case RunState.ABORTING:
                self.ways_out.stop_everything()
            case RunState.RUNNING | RunState.ROLLING_BACK:
                self.suspensions.look()
                self.recovery.resolve(StepState.UNKNOWN)
                self.recovery.look_before_retrying()
                self._begin_steps()
                self._finish()
            case _:
                pass
        if runtime.state.final:
            return self._ended()
        if not runtime.options.wait and self._only_people_can_go_on():
            return self._ended(waits=True)
        return None

    def _begin_steps(self) -> None:
        self.scheduler.offer(self.runtime.projection.take_ready())
        self.scheduler.revive()
        while self._may_begin and self.beginning.under_way < self.runtime.options.parallel:
            planned = self.scheduler.next()
            if planned is None:
                self.scheduler.offer(self.runtime.projection.take_ready())
                if not self.scheduler.queued:
                    return
                continue
            self.beginning.begin(planned)

    @property
    def _may_begin(self) -> bool:
        """Looked at before each step: what became of the one before may have held the run, or turned it back."""
        runtime = self.runtime
        return not runtime.held and not self.unwritten.any and runtime.state is BEGINS_IN[runtime.projection.phase]

    def _finish(self) -> None:
        """Record the end of the run when nothing is left to do and nothing is left switched off."""
        projection = self.runtime.projection
        if projection.readiness.left or self.runtime.busy or self.runtime.held:
            return
        if projection.arrived:
            hold(
                self.runtime,
                f"it is rolled back to {projection.record.rollback_to}: `rollback` goes on from here, `abort` ends here",
            )
            return
        if self.suspensions.keep_open():
            return
        forward = self.runtime.state is RunState.RUNNING
        self.runtime.put(Draft(EventKind.RUN_SUCCEEDED if forward else EventKind.RUN_ROLLED_BACK))

    async def _sleep(self) -> None:
        """Until something has changed, something is due, or it is time to look whether we are to stop."""
        due = self.runtime.timers.next_in()
        try:
            async with asyncio.timeout(POLL if due is None else min(POLL, due)):
                await self.runtime.wake.wait()
        except TimeoutError:
            return

    # commands

    async def _poll(self, mark: int) -> None:
        """Look for commands, and answer each one."""
        while True:
            await asyncio.sleep(POLL)
            try:
                mark = await self._take_commands(mark)
            except Exception as error:  # noqa: BLE001 - reported by the loop
                self.runtime.fault(error)
                return

    async def _take_commands(self, seen: int) -> int:
        """Answer what has been asked since the mark *seen*; the new mark."""
        run = self.runtime.run.id
        try:
            if self.unwritten.any:
                await self._reader.call(lambda: self.unwritten.write(self.journal))
            mark = await self._reader.call(lambda: self.journal.changed(run).command)
            if mark != seen:
                for record in await self._reader.call(lambda: self.journal.commands(run, unanswered=True)):
                    self._act_on(record)
            if self.unwritten.any:  # intents that were on their way before the answer are taken back when they are written
                await self.runtime.recorder.flush()
                self.unwritten.forget_written()
        except JournalUnavailable:
            self.door.open()  # whoever it was taken over from may have had it until now
            return seen  # the recorder says so; commands wait meanwhile, or come in by the door
        return mark

    def _act_on(self, record: CommandRecord) -> None:
        if record.id in self._answered or self.runtime.recorder.failure is not None:
            return
        self._answered.add(record.id)
        reply = self.commands.act_on(record)
        if not reply.accepted:
            return
        key = self.commands.answered(record)
        if key:
            self.beginning.go_on(key)
            return
        planned = self.runtime.projection.planned(record.command.step)
        if planned is None:
            return
        state = self.runtime.step(planned.key).state
        if record.command.verb is Verb.REFUSE and state is StepState.FAILED:
            self.decisions.task_failed(planned.key)
        if state in {StepState.FAILED, *SETTLED}:  # nobody works on it: others of its `for_each` may have its place
            self.scheduler.ended(planned)

    # beginning and end

    def _open(self, said: Sequence[Draft]) -> None:
        data: dict[str, Value] = {
            "engine": self.engine,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "version": changeover.__version__,
        }
        drafts = [*said, Draft(EventKind.ENGINE_STARTED, data=data)]
        if self.runtime.state is RunState.PLANNED:
            drafts.append(Draft(EventKind.RUN_STARTED))
        self.runtime.put(*drafts)
        self.recovery.scan()

    async def _interrupted(self) -> Ended:
        """No new intents; what runs may end within its grace, then it is asked to stop. The run can be resumed."""
        grace = self.runtime.options.quiesce_grace
        self.recovery.cancel()
        await self._until_quiet(grace)
        self.attempts.stop_all(Cause.SHUTDOWN, "the engine was interrupted")
        await self._until_quiet(self.runtime.options.stop_grace + 1)
        await self.runtime.recorder.flush(seconds=5)
        return self._ended(why="interrupted", interrupted=True)

    async def _until_quiet(self, seconds: float) -> None:
        until = self.runtime.options.clock.monotonic() + seconds
        while self.beginning.under_way and self.runtime.options.clock.monotonic() < until:
            self.runtime.timers.fire()
            await self.beginning.wait(POLL)

    async def _close(self, ended: Ended) -> None:
        """Say that this engine has ended, and answer what was asked too late."""
        self.runtime.put(Draft(EventKind.ENGINE_STOPPED, data={"why": ended.why or f"the run is {ended.state.value}"}))
        await self.runtime.recorder.flush(seconds=5 if ended.interrupted else None)
        if ended.state.final:
            await self._take_commands(-1)
            await self.runtime.recorder.flush()

    async def _failed(self) -> Ended:
        """The recorder or the engine itself has failed: nothing more is begun here."""
        failure = self.runtime.recorder.failure or self.runtime.broken
        assert failure is not None  # noqa: S101 - the caller has looked
        if isinstance(failure, LeaseLost):
            return await self._lost(failure)
        await self._let_go("the engine has failed")
        raise failure

    async def _lost(self, lost: LeaseLost) -> Ended:
        who = str(lost.by) if lost.by is not None else "another engine"
        await self._let_go(f"{who} took the run over")
        return Ended(self.runtime.state, why=f"{who} took the run over; this one stopped at once", lost=True)

    async def _let_go(self, why: str) -> None:
        """Nothing is begun or recorded any more; child processes and connections get a moment to be ended."""
        self.attempts.stop_all(Cause.SHUTDOWN, why)
        await self._until_quiet(min(_LET_GO, self.runtime.options.stop_grace))

    def _ended(self, *, why: str = "", waits: bool = False, interrupted: bool = False) -> Ended:
        record, projection = self.runtime.projection.record, self.runtime.projection
        waiting = () if record.state.final else waiting_lines(self.runtime, self.decisions, self.suspensions)
        failed = record.state is RunState.ROLLING_BACK and bool(
            projection.keys(Phase.ROLLBACK, StepState.FAILED, StepState.FAILED_DIRTY, StepState.ASKS_HUMAN)
        )
        reason = why or record.held_why or (waiting[0] if waits and waiting else "")
        return Ended(record.state, record.held, reason, waiting, rollback_failed=failed, interrupted=interrupted)

    def _only_people_can_go_on(self) -> bool:
        """Whether nothing will change until somebody says something."""
        runtime = self.runtime
        if runtime.busy or runtime.doubted or self.scheduler.pausing or self.beginning.under_way or self.recovery.at_work:
            return False
        if self.scheduler.queued and not runtime.held:
            return False
        return bool(waiting_lines(runtime, self.decisions, self.suspensions))


async def _cancelled(*tasks: asyncio.Task[None] | None) -> None:
    """Cancel *tasks*, and wait until they have ended."""
    begun = [task for task in tasks if task is not None]
    for task in begun:
        task.cancel()
    await asyncio.gather(*begun, return_exceptions=True)
