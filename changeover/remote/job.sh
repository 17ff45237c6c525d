#!/bin/sh
# Runs a command on this host exactly once, whoever asks how often, and keeps its result; nothing stays installed.
# usage: VERB SLOT ATTEMPT [ARGUMENTS]; $script holds this text. Verbs may be repeated blindly. The claim decides
# everything: one file, linked into place atomically, that says who runs the attempt, or that nobody ever will.
set -u
umask 077
verb=$1 slot=${CHANGEOVER_JOBS:-${HOME:?}/.changeover/jobs}/$2 attempt=$3
job=$slot/$attempt
shift 3

fail() { echo "$1" >&2; exit 9; }
durable() { sync "$@" 2>/dev/null || sync; }
uptime() { read -r seconds _ </proc/uptime; echo "${seconds%%.*}"; }
read -r boot </proc/sys/kernel/random/boot_id 2>/dev/null || fail "it has no /proc: only Linux hosts can keep jobs"

started() { # when process $1 started; nothing when it is gone
  { IFS= read -r line <"/proc/$1/stat"; } 2>/dev/null || return 0
  # shellcheck disable=SC2086 # split into its fields
  set -- ${line##*) }
  case $1 in Z | X) ;; *) echo "${20}" ;; esac
}

members() { # all that carry the job's name, or live in its session without being the runner's own
  grep -lszxF "CHANGEOVER_JOB=$job" /proc/[0-9]*/environ | while IFS=/ read -r _ _ process _; do echo "$process"; done
  for folder in /proc/[0-9]*; do
    { IFS= read -r line <"$folder/stat"; } 2>/dev/null || continue
    # shellcheck disable=SC2086 # split into its fields
    set -- ${line##*) }
    [ "$4" = "$runner" ] && [ "$1" != Z ] && ! grep -qszxF "CHANGEOVER_KEEPS=$job" "$folder/environ" && echo "${folder#/proc/}"
  done
}

sweep() { # TERM, then KILL, to every member; whether all are gone
  for signal in TERM KILL; do
    for turn in 1 2 3 4 5 6 7 8 9 10; do
      found=$(members)
      [ -n "$found" ] || return 0
      # shellcheck disable=SC2086 # one word each
      case $signal$turn in TERM1 | KILL*) kill -s $signal $found 2>/dev/null ;; esac
      sleep 0.1
    done
  done
  return 1
}

look() { # sets state, and digest of what was claimed
  digest='-' runner='' state=absent
  [ -e "$job/claim" ] || return 0
  IFS=. read -r runner start booted digest <"$job/claim"
  if [ "$runner" = fenced ]; then digest='-' state=fenced && return; fi
  for turn in 1 2; do
    if [ -f "$job/result" ]; then
      read -r result <"$job/result"
      state="done $result"
      return
    fi
    [ "$booted" = "$boot" ] || { state='lost the host was restarted' && return; }
    # the result may have been written between two looks
    [ "$turn" = 1 ] && [ "$(started "$runner")" = "$start" ] && { state=running && return; }
  done
  if [ -n "$(members)" ]; then state=running; else state='lost its runner was killed'; fi
}

claim() { # attempt $1, by writing $2; false when it has been claimed before
  { mkdir -p "$slot/$1" && echo "$2" >"$slot/$1/claim.$$"; } 2>/dev/null || fail "cannot keep its jobs in $slot"
  ln "$slot/$1/claim.$$" "$slot/$1/claim" 2>/dev/null
  claimed=$?
  rm -f "$slot/$1/claim.$$"
  [ -e "$slot/$1/claim" ] || fail "cannot keep its jobs in $slot: it makes no hard links"
  return $claimed
}

fence() { # no attempt up to $1 will ever begin
  number=1
  while [ "$number" -le "$1" ]; do
    [ -e "$slot/$number/claim" ] || claim "$number" fenced
    number=$((number + 1))
  done
  durable "$slot"/*/claim "$slot"/* "$slot" "${slot%/*}"
}

start() { # the command's size, digest, shell, limit and room; the command stands on standard input
  mkdir -p "$job" 2>/dev/null || fail "cannot keep its jobs in $slot"
  [ "$attempt" = 1 ] || fence $((attempt - 1))
  [ -e "$job/claim" ] && return
  for program in setsid base64; do
    command -v $program >/dev/null || fail "cannot keep jobs on it: it lacks the program $program"
  done
  cat >"$job/command.$$"
  if [ "$(wc -c <"$job/command.$$")" -ne "$1" ]; then rm -f "$job/command.$$" && fail 'its command did not arrive whole'; fi
  # shellcheck disable=SC2016,SC2154 # expanded there; assigned by whoever runs this text
  CHANGEOVER_KEEPS=$job setsid /bin/sh -c 'script=$1; shift; eval "$script"' changeover \
    "$script" run "${slot##*/}" "$attempt" "$job/command.$$" "$2" "$3" "$4" "$5" </dev/null >/dev/null 2>&1 &
  while [ ! -e "$job/claim" ] && kill -0 $! 2>/dev/null; do sleep 0.01 2>/dev/null || sleep 1; done
  find "${slot%/*}" -mindepth 1 -maxdepth 1 -mtime +90 -exec rm -rf {} + 2>/dev/null
}

keep() { # standard input into file $1 while there is room, and its end beside it
  (trap '' XFSZ && ulimit -f "$2" && exec cat) >"$1" 2>/dev/null
  exec tail -c 65536 >"$1.end"
}

run() { # in a session of its own: the command's file, digest, shell, limit and room
  claim "$attempt" "$$.$(started $$).$boot.$2" || { rm -f "$1" && exit; }
  mv "$1" "$job/command"
  durable "$job/claim" "$job/command" "$job" "$slot" "${slot%/*}"
  mkfifo "$job/1" "$job/2"
  keep "$job/out" "$5" <"$job/1" &
  keepers=$!
  keep "$job/err" "$5" <"$job/2" &
  keepers="$keepers $!" began=$(uptime) limit='' word=''
  text=$(cat "$job/command" && echo .)
  if [ "$4" -gt 0 ]; then limit="timeout -k 10 $4"; fi
  if [ "$3" = - ]; then set -- "$1" "$2" "${SHELL:-/bin/sh}" "$4"; fi
  # shellcheck disable=SC2086 # split into its words
  (
    unset CHANGEOVER_KEEPS CHANGEOVER_JOBS
    export CHANGEOVER_JOB="$job"
    if [ -e "$job/killed" ]; then exit 143; fi
    exec $limit "$3" -c "${text%.}"
  ) >"$job/1" 2>"$job/2"
  code=$? runner=$$
  if [ "$4" -gt 0 ] && [ $(($(uptime) - began)) -ge "$4" ]; then word=time-out && sweep; fi
  [ -e "$job/killed" ] && word=killed
  for turn in 1 2 3 4 5 6 7 8 9 10; do # what it left in the background may hold its output for ever
    # shellcheck disable=SC2086 # one word each
    kill -0 $keepers 2>/dev/null || break
    sleep 0.05 2>/dev/null || sleep 1
  done
  echo "$code $word" >"$job/result.part"
  durable "$job/result.part"
  mv "$job/result.part" "$job/result"
  durable "$job"
  rm -f "$job/1" "$job/2"
}

print() { # what is new in file $2 from byte $3, as stream $1; sets at
  at=$3 size=0
  [ -e "$2" ] && size=$(wc -c <"$2")
  while [ "$at" -lt "$size" ]; do
    piece=$((size - at < 262144 ? size - at : 262144))
    echo "@$1 $(tail -c +$((at + 1)) "$2" | head -c "$piece" | base64 | tr -d '\n')"
    at=$((at + piece))
  done
}

follow() { # from byte $1 of its output and $2 of its errors, until it ends or $3 seconds have passed
  out=$1 err=$2 until=$(($(uptime) + $3)) nap=02
  while :; do
    look
    print o "$job/out" "$out"
    [ "$at" = "$out" ] || nap=02
    out=$at
    print e "$job/err" "$err"
    err=$at
    if [ "$state" != running ] || [ "$(uptime)" -ge "$until" ]; then break; fi
    sleep "0.$nap" 2>/dev/null || sleep 1
    case $nap in 02) nap=05 ;; 05) nap=1 ;; 1) nap=2 ;; 2) nap=5 ;; *) nap=99 ;; esac
  done
  case $state in done*) # what did not fit: a little of its end was kept
    for name in o:out e:err; do
      [ -s "$job/${name#*:}.end" ] && echo "@${name%:*}+ $(base64 <"$job/${name#*:}.end" | tr -d '\n')"
    done ;;
  esac
  echo "@= $attempt $digest $state"
}

case $verb in
start) start "$1" "$2" "$3" "$4" "$5" && follow 0 0 "$6" ;;
run) run "$@" ;;
tail) follow "$@" ;;
fence)
  fence "$attempt"
  last=$attempt attempt=1
  while [ "$attempt" -le "$last" ]; do
    job=$slot/$attempt
    look
    echo "@= $attempt $digest $state"
    attempt=$((attempt + 1))
  done
  ;;
kill)
  [ -e "$job/claim" ] || claim "$attempt" fenced
  look
  if [ "$state" = running ]; then
    : >"$job/killed"
    for turn in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do # it may only be about to begin
      sweep || fail "some of it cannot be ended: $(members | tr '\n' ' ')"
      look
      [ "$state" = running ] || break
      sleep 0.1
    done
  fi
  follow "$1" "$2" 0
  ;;
esac
