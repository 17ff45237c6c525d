"""The same work on many hosts at once. Every host gets a verdict, also those that nobody got round to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from changeover.contracts import Host
from changeover.errors import ChangeoverError, Stopped, Unclear
from changeover.remote.errors import HostSetback, HostUnclear, HostVerdict

#: Hosts worked on at once.
AT_ONCE: Final = 50

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What became of one host."""

    verdict: HostVerdict
    detail: str = ""
    value: T | None = None
    unclear: bool = False  # something was sent, and nobody can say how it ended
    hint: str = ""


def on_each(hosts: Sequence[Host], work: Callable[[Host], T], *, at_once: int = AT_ONCE) -> dict[str, Outcome[T]]:
    """Do *work* on every host, *at_once* at a time, and return each one's outcome in the order of *hosts*.

    Raises:
        Stopped: the work on some host was asked to stop; all others have ended by then.
    """
    if not hosts:
        return {}
    with ThreadPoolExecutor(max_workers=min(at_once, len(hosts)), thread_name_prefix="host") as pool:
        futures = {host.name: pool.submit(_outcome, host, work) for host in hosts}
    return {name: future.result() for name, future in futures.items()}


def _outcome(host: Host, work: Callable[[Host], T]) -> Outcome[T]:
    try:
        return Outcome(HostVerdict.OK, value=work(host))
    except Stopped:
        raise
    except HostUnclear as error:
        return Outcome(error.verdict, str(error), unclear=True, hint=error.hint)
    except HostSetback as error:
        return Outcome(error.verdict, str(error), hint=error.hint)
    except Unclear as error:
        return Outcome(HostVerdict.LOST, str(error), unclear=True, hint=error.hint)
    except ChangeoverError as error:
        return Outcome(HostVerdict.FAILED, str(error), hint=error.hint)
