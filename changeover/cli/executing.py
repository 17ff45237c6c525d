"""Driving a run from the command line: the engine in the main thread, display and chat beside it, Ctrl-C understood."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, Literal

from changeover.cli import render
from changeover.cli.exit_codes import ExitCode
from changeover.cli.failing import complain, say, silence, warn
from changeover.cli.live import Follower, LineView, LiveView, View, terminal_is_large_enough
from changeover.cli.session import Session, open_session
from changeover.cli.summary import print_summary
from changeover.cli.watch import is_alone
from changeover.cli.wording import command
from changeover.contracts import RunState
from changeover.notify.chat import chat_for
from changeover.notify.notifier import Notifier
from changeover.status.as_json import as_json

if TYPE_CHECKING:
    from changeover.engine.options import Ended
    from changeover.journal.records import RunRecord
    from changeover.status.model import RunStatus

Engine = Literal["auto", "prefect", "local"]

#: Seconds that chat gets at the end to tell the rest.
DRAIN: Final = 8.0

_END_CODES: Final = {
    RunState.SUCCEEDED: ExitCode.FINE,
    RunState.ROLLED_BACK: ExitCode.ROLLED_BACK,
    RunState.ABORTED: ExitCode.ABORTED,
}


@dataclass(frozen=True, slots=True)
class Execution:
    """How a run is driven and shown."""

    engine: Engine = "auto"
    wait: bool = True
    as_json: bool = False
    lines: bool = False
    who: str = ""
    takeover: bool = False
    takeover_why: str = ""
    accept_change: str = ""  # the person who accepts it


def execute(session: Session, record: RunRecord, execution: Execution) -> int:
    """Drive *record* until it ends, or until it is told to stop; show it meanwhile. The exit code."""
    already = session.journal.changed(record.id).seq
    follower = Follower(partial(_view, record.id, execution, already), lambda: _again(session), record.id)
    with ExitStack() as stack:
        chat = _chat(session, record, follower.note)
        follower.start()
        stack.callback(follower.stop)
        if chat is not None:
            chat.start()
            stack.callback(_drain, chat, follower.note)
        stop = stack.enter_context(interruptible(record.id, follower.note))
        ended = _drive(session, record, execution, stop, follower.note)
    if follower.failure is not None:
        warn(
            f"the display failed: {follower.failure!r}; the run was not affected", "this is a bug in changeover; please report it"
        )
    code = exit_code(ended)
    _last_words(session, record, execution, ended, code)
    return code


def exit_code(ended: Ended) -> ExitCode:
    """The code for how an engine ended."""
    if ended.lost:
        return ExitCode.OWNERSHIP_LOST
    if ended.state in _END_CODES:
        return _END_CODES[ended.state]
    if ended.interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.ROLLBACK_FAILED if ended.rollback_failed else ExitCode.HELD


def _drive(
    session: Session, record: RunRecord, execution: Execution, stop: threading.Event, tell: Callable[[str], None]
) -> Ended:
    from changeover.engine.drive import drive  # noqa: PLC0415 - the engine is loaded when something is to be driven
    from changeover.engine.options import Options  # noqa: PLC0415

    options = Options(
        engine=execution.engine,
        wait=execution.wait,
        accept_change=execution.accept_change,
        takeover=execution.takeover,
        takeover_why=execution.takeover_why,
        root=session.project.root,
        clock=session.clock,
        who=execution.who,
        kinds=session.kinds,
        tell=tell,
    )
    return drive(session.project.journal_url, record.id, options, stop=stop)


@contextmanager
def interruptible(run: str, tell: Callable[[str], None]) -> Iterator[threading.Event]:
    """An event that Ctrl-C (or SIGTERM) sets: once stops cleanly, twice leaves at once. A closed terminal stops nothing."""
    stop = threading.Event()
    resume = command("resume", run)

    def interrupted(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            _leave(resume)
        stop.set()
        tell(f"stopping: no new step starts, running ones get 10 s. Ctrl-C again leaves at once. Go on later: {resume}")

    handlers: dict[int, Any] = {signal.SIGINT: interrupted, signal.SIGTERM: interrupted, signal.SIGHUP: signal.SIG_IGN}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(resume: str) -> None:
    """End this process now. What the journal holds is durable; what runs on targets is found again on resuming."""
    if sys.stdout.isatty():
        os.write(sys.stdout.fileno(), b"\x1b[?1049l\x1b[?25h\r\n")  # leave the live screen, show the cursor
    message = f"error: left at once; nothing that was recorded is lost\n  help: go on with `{resume}`\n"
    os.write(2, message.encode())
    os._exit(ExitCode.INTERRUPTED)


def _view(run: str, execution: Execution, already: int, session: Session) -> View:
    alone = is_alone(session.journal, run)
    if execution.as_json or execution.lines or not terminal_is_large_enough():
        return LineView(
            session, run, as_json=execution.as_json, alone=alone, after=0 if execution.as_json else already, driving=True
        )
    return LiveView(alone=alone, driving=True)


@contextmanager
def _again(session: Session) -> Iterator[Session]:
    """The same project with a journal connection of its own."""
    with open_session(session.project.root) as own:
        yield own


def _chat(session: Session, record: RunRecord, tell: Callable[[str], None]) -> Notifier | None:
    return chat_for(
        session.project.journal_url,
        record,
        session.reader(record.id).bundle,
        root=session.project.root,
        clock=session.clock,
        kinds=session.kinds,
        report=lambda text, hint: tell(f"{text} ({hint})" if hint else text),
    )


def _drain(chat: Notifier, tell: Callable[[str], None]) -> None:
    if not chat.stop(DRAIN):
        tell("chat has not been told everything; it follows as soon as an engine runs again")


def _last_words(session: Session, record: RunRecord, execution: Execution, ended: Ended, code: ExitCode) -> None:
    status = session.reader(record.id).refresh()
    try:
        if execution.as_json:
            document = {
                "run": record.id,
                "exit": int(code),
                "why": ended.why,
                "waiting": list(ended.waiting),
                "status": as_json(status),
            }
            sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
        else:
            print_summary(render.console(), status)
        sys.stdout.flush()
    except OSError:
        silence(sys.stdout)
    _explain(status, ended, code, told_not_to_wait=not execution.wait)


def _explain(status: RunStatus, ended: Ended, code: ExitCode, *, told_not_to_wait: bool) -> None:
    """Why this engine ended before the run did."""
    resume = f"go on with `{command('resume', status.id)}`"
    if code is ExitCode.INTERRUPTED:
        complain("interrupted; the run stands where it was, and nothing is lost", resume)
    elif code is ExitCode.OWNERSHIP_LOST:
        complain("another engine took the run over; this one stopped at once", f"see it with `{command('watch', status.id)}`")
    elif code is ExitCode.HELD and told_not_to_wait and ended.waiting:
        say("open:", ended.why or "; ".join(ended.waiting), resume)
    elif code in {ExitCode.HELD, ExitCode.ROLLBACK_FAILED}:
        complain(ended.why or "the run is not over", resume)
