"""The one place where an error becomes a clear message and an exit code."""

from __future__ import annotations

import errno
import os
import platform
import shutil
import sys
import tempfile
import textwrap
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import changeover
from changeover.cli.exit_codes import ExitCode
from changeover.errors import ChangeoverError, Mistake

#: Errors with a code of their own, by the name of their class: importing them here would load SQLAlchemy for every command.
CODES: Final[dict[str, ExitCode]] = {
    "JournalUnavailable": ExitCode.JOURNAL_UNAVAILABLE,
    "JournalEmpty": ExitCode.JOURNAL_UNAVAILABLE,
    "JournalTooNew": ExitCode.JOURNAL_UNAVAILABLE,
    "LeaseLost": ExitCode.OWNERSHIP_LOST,
    "RunOwned": ExitCode.OWNED,
}

#: What a full disk or a vanished terminal says.
_UNWRITABLE: Final = frozenset({errno.ENOSPC, errno.EIO, errno.EBADF, errno.EDQUOT})

#: Orange, bold: never red.
_LOUD: Final = "\033[1;38;5;208m"
_FAINT: Final = "\033[2m"
_END: Final = "\033[0m"


def guarded(action: Callable[[], int]) -> int:
    """Run *action* and return its exit code; whatever it raises becomes one message on standard error."""
    try:
        code = action()
        sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001 - the last resort: no traceback ever reaches the screen
        return _explained(error)
    return code


def _explained(error: BaseException) -> int:
    """Explaining can fail too: the findings of a refused runbook go to standard output, which may have gone away."""
    try:
        return explain(error)
    except (OSError, KeyboardInterrupt) as another:
        return explain(another)


def explain(error: BaseException) -> int:
    """Say what went wrong, and what to do next, on standard error; return the exit code."""
    match error:
        case BrokenPipeError():
            silence(sys.stdout)
            return ExitCode.OUTPUT_CLOSED
        case KeyboardInterrupt():
            return ExitCode.INTERRUPTED
        case SystemExit() if isinstance(error.__context__, BrokenPipeError):  # Typer's way to say so
            silence(sys.stdout)
            return ExitCode.OUTPUT_CLOSED
        case SystemExit():
            return error.code if isinstance(error.code, int) else ExitCode.FINE if error.code is None else ExitCode.MISTAKE
        case ChangeoverError():
            if not _shown_as_findings(error):
                complain(str(error), error.hint)
            return code_of(error)
        case OSError() if _refused_by_the_system(error):
            return ExitCode.MISTAKE
    said = _usage(error)
    if said is not None:
        return said
    return _bug(error)


def _refused_by_the_system(error: OSError) -> bool:
    """Say what a file, the output or the working folder has against it; False when nobody outside can mend it."""
    why = (error.strerror or str(error)).lower()
    if error.filename is not None:
        complain(f"{error.filename}: {why}", "")
    elif error.errno in _UNWRITABLE:
        silence(sys.stdout)
        complain(f"the output cannot be written: {why}", "")
    elif error.errno == errno.ENOENT and _folder_is_gone():
        complain("the current folder has been deleted", "go to another one")
    else:
        return False
    return True


def _folder_is_gone() -> bool:
    try:
        Path.cwd()
    except OSError:
        return True
    return False


def _shown_as_findings(error: ChangeoverError) -> bool:
    """Print the findings of a refused runbook as `lint` does; False for any other error."""
    from changeover.runbook.findings import RunbookRefused  # noqa: PLC0415 - only when something has gone wrong

    if not isinstance(error, RunbookRefused):
        return False
    from changeover.cli.findings_view import show  # noqa: PLC0415 - Rich takes a while to load

    show(error.findings, checked=1, without_systems=False)
    complain("with this no run starts; nothing was started", "")
    return True


def code_of(error: ChangeoverError) -> ExitCode:
    """The exit code of an error raised on purpose."""
    for cls in type(error).__mro__:
        if cls.__name__ in CODES:
            return CODES[cls.__name__]
    return ExitCode.MISTAKE if isinstance(error, Mistake) else ExitCode.HELD


def complain(message: str, hint: str) -> None:
    """Print ``error:`` and ``help:``, wrapped to the terminal."""
    say("error:", message, hint)


def warn(message: str, hint: str = "") -> None:
    """Print ``warning:`` and ``help:``, wrapped to the terminal."""
    say("warning:", message, hint)


def say(label: str, message: str, hint: str) -> None:
    """Print *message* after a loud *label*, and ``help:`` when there is some."""
    _print(label, message, _LOUD)
    if hint:
        _print("  help:", hint, _FAINT)


def open_standard_streams() -> None:
    """Give descriptors 0 to 2 something to stand for when they are closed, lest the journal's file become standard output."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
    if sys.stdin is None:
        sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)


def silence(stream: object) -> None:
    """Send what is still to be written to a closed pipe nowhere, so that the interpreter's own flush at exit is quiet."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())  # type: ignore[attr-defined]
        os.close(nowhere)
    except (OSError, ValueError, AttributeError):
        return  # it has no descriptor (captured, or closed already): then there is nothing to flush either


def _print(label: str, message: str, style: str) -> None:
    stream = sys.stderr
    if stream is None or stream.closed:
        return
    terminal = stream.isatty()
    coloured = terminal and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    lines = list(_wrapped(f"{label} {message}", terminal=terminal))
    if coloured:
        lines[0] = lines[0].replace(label, f"{style}{label}{_END}", 1)
    try:
        stream.write("\n".join(lines) + "\n")
        stream.flush()
    except (BrokenPipeError, OSError):
        silence(stream)


def _wrapped(text: str, *, terminal: bool) -> Iterator[str]:
    width = shutil.get_terminal_size().columns if terminal else 0
    for number, line in enumerate(text.splitlines() or [""]):
        indent = "" if number == 0 else "  "
        if not width:
            yield indent + line
            continue
        yield from textwrap.wrap(
            line,
            max(width - 1, 20),
            initial_indent=indent,
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]


def _usage(error: BaseException) -> int | None:
    """What Typer says about a wrong command line. Its error classes moved between versions; what they can say did not."""
    if type(error).__name__ == "Abort":
        sys.stderr.write("\n")  # the question stands on the line
        complain("no answer was given; nothing was done", "")
        return ExitCode.INTERRUPTED
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()  # type: ignore[attr-defined]
        return ExitCode.MISTAKE
    say = getattr(error, "format_message", None)
    if say is None:
        return None
    message = " ".join(str(say()).split()).rstrip(".").replace(": Value error, ", ": ")
    context = getattr(error, "ctx", None)
    hint = f"see `{context.command_path} --help`" if context is not None else ""
    complain(message[:1].lower() + message[1:], hint)
    return ExitCode.MISTAKE


def _bug(error: BaseException) -> int:
    kind = type(error).__name__
    first = (str(error).splitlines() or [""])[0][:200]
    what = f"this is a bug in changeover: {kind}: {first}" if first else f"this is a bug in changeover: {kind}"
    try:
        file = _crash_file(error)
    except OSError as problem:
        complain(what, f"please report it; what a developer needs could not be written: {problem.strerror or problem}")
        return ExitCode.BUG
    complain(
        what,
        f"please report it with the file {file}; read it first, it may name your systems. "
        "A run that was under way is safe in the journal: `changeover resume RUN`",
    )
    return ExitCode.BUG


def _crash_file(error: BaseException) -> Path:
    """Write the traceback where only its owner can read it."""
    now = datetime.now(UTC)
    handle, name = tempfile.mkstemp(prefix=f"{now:%Y%m%d-%H%M%S}-", suffix=".txt", dir=_crash_folder())
    with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
        file.write(f"changeover {changeover.__version__}, Python {platform.python_version()}, {platform.platform()}\n")
        file.write(f"{now.isoformat(timespec='seconds')}\n{' '.join(sys.argv)}\nin {Path.cwd()}\n\n")
        file.write("".join(traceback.format_exception(error)))
    return Path(name)


def _crash_folder() -> str:
    state = Path.cwd() / ".changeover"
    if not state.is_dir() or not os.access(state, os.W_OK):
        return tempfile.gettempdir()
    folder = state / "crashes"
    folder.mkdir(mode=0o700, exist_ok=True)
    return str(folder)
