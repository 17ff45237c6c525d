"""Ends an attached command at its host, and says whether it is known to have ended.

SSH has a message for that, which OpenSSH ignores for root and for forced commands. Then a second session of the same
connection looks for the command: both are children of the same server process.
"""

from __future__ import annotations

import shlex
import time
from typing import Final

import paramiko
from paramiko.common import cMSG_CHANNEL_REQUEST

from changeover.remote.cut import LOSSES, answers, let_go
from changeover.remote.login import Deadlines

_ENDED: Final = b"ended"
_LOOK_EVERY: Final = 0.01

#: Runs in the second session. With several commands on the connection it cannot tell which one is meant, and ends none.
_SCRIPT: Final = """\
members() {  # $1: 2 for the parent, 3 for the process group; $2: which one
  for folder in /proc/[0-9]*; do
    { read -r stat < "$folder/stat"; } 2>/dev/null || continue
    process=${folder#/proc/} wanted=$2 field=$1
    set -- ${stat##*) }
    [ $field = 2 ] && value=$2 || value=$3
    [ "$value" = "$wanted" ] && [ "$process" != $$ ] && [ "$1" != Z ] && echo "$process"
    set -- $field $wanted
  done
}
case $(cat "/proc/$PPID/comm") in sshd*) ;; *) exit 1 ;; esac
set -- $(members 2 $PPID)
[ $# = 0 ] && { echo ended; exit; }
[ $# = 1 ] || exit 1
for signal in TERM KILL; do
  kill -s $signal -- -$1
  for turn in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    [ -z "$(members 3 $1)" ] && { echo ended; exit; }
    sleep 0.1
  done
done
exit 1
"""


def end(transport: paramiko.Transport, channel: paramiko.Channel, deadlines: Deadlines) -> bool:
    """TERM, then KILL, to the process group of the command of *channel*; whether it is known to have ended."""
    try:
        if _told(transport, channel, "TERM", deadlines.ending / 2):
            return answers(transport, deadlines.sign_of_life)
        if _hunted(transport, deadlines):
            return True
        return _told(transport, channel, "KILL", deadlines.ending) and answers(transport, deadlines.sign_of_life)
    except LOSSES:
        return False


def _told(transport: paramiko.Transport, channel: paramiko.Channel, signal: str, seconds: float) -> bool:
    message = paramiko.Message()
    message.add_byte(cMSG_CHANNEL_REQUEST)
    message.add_int(channel.remote_chanid)
    message.add_string("signal")
    message.add_boolean(False)  # noqa: FBT003 - no answer wanted
    message.add_string(signal)
    transport._send_user_message(message)  # type: ignore[attr-defined]  # noqa: SLF001 - there is no public way
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        # Unread output would keep the end of the stream, and with it the news, from coming.
        while channel.recv_ready():
            channel.recv(65536)
        while channel.recv_stderr_ready():
            channel.recv_stderr(65536)
        if channel.closed:  # by the server, or because the connection was cut; a command may end its streams and go on
            return True
        time.sleep(_LOOK_EVERY)
    return False


def _hunted(transport: paramiko.Transport, deadlines: Deadlines) -> bool:
    if not transport.is_active():
        return False
    second = transport.open_session(timeout=deadlines.channel)
    try:
        second.settimeout(deadlines.channel)
        second.exec_command(f"exec /bin/sh -c {shlex.quote(_SCRIPT)}")
        return second.recv(len(_ENDED)) == _ENDED
    finally:
        let_go(second)
