#!/bin/sh
# One attempt of one beam, on the host, out of reach of the link and of the daemon.
#
#   sh wrapper.sh RUN_DIR            (RUN_DIR absolute, on the host; started detached, see job_files.launch_command)
#
# Reads  RUN_DIR/job.sh       written by us: values and one function, every word of it quoted
# Writes RUN_DIR/claim/       made by one mkdir: whoever makes it runs the attempt, any other start changes nothing
#          lock               exclusively locked for the life of this script and, by inheritance, of the engine and
#                             its children: a free lock proves that all of them are gone
#          started.json       pid, start time (clock ticks since boot), boot id; before the engine
#          engine             "pid ticks" of the engine: leader of a session and process group of its own
#          slurm              "job restarts", where Slurm started this
#          void               (made by an observer) this attempt must never begin
#        RUN_DIR/out/ engine.log
#        RUN_DIR/exit.json    renamed into place last, once no process of the run is left
# Says one line on standard output: "started", "taken" (claimed before), "void", or "refused WHY".
#
# Signals: USR2 cancels, USR1 means that the wall-clock limit has passed; both end the engine and write exit.json.
# TERM (the host shuts down) ends the engine and leaves no exit.json: the attempt counts as killed.
#
# Needs a POSIX shell, coreutils (or busybox) and, for a full service, util-linux.  Fall-backs: without flock, or
# where the file system has no locks, started.json says lock "none" and liveness is asked of pid and start time;
# setsid falls back to python3, then perl; without any of them the run is refused.  Without stdbuf the engine's
# log may come late; without /proc/PID/environ, children that left the session are found by the lock only.

set -u
trap '' HUP PIPE

say() { # the launcher may be gone already: never an error
    printf '%s\n' "$*" 2>/dev/null
    return 0
}

refuse() {
    say "refused $*"
    exit 73
}

nap() { # a twentieth of a second where sleep can; nobody who sleeps may hold the lock
    sleep 0.05 2>/dev/null 9>&- || sleep 1 9>&-
}

centiseconds() { # since boot, never set back; into $now
    read -r now _ </proc/uptime
    now=$((${now%.*} * 100 + 1${now#*.} - 100))
}

timestamp() { # ISO 8601 with offset, into $stamp
    stamp=$(date +%Y-%m-%dT%H:%M:%S%z 9>&-)
    stamp=${stamp%??}:${stamp#"${stamp%??}"}
}

ticks_of() { # start time of process $1 into $ticks; false when there is none
    { IFS= read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    # shellcheck disable=SC2086
    set -- ${stat##*) }
    ticks=${20}
}

same_process() { # pid $1 is still the process that began at tick $2
    ticks_of "$1" && [ "$ticks" = "$2" ]
}

undead() { # process $1 exists and is no zombie
    { IFS= read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    stat=${stat##*) }
    [ "${stat%% *}" != Z ]
}

group_lives() { # some member of the engine's group lives; a zombie that nobody reaps does not count
    kill -s 0 -- "-$engine" 2>/dev/null || return 1
    for proc in /proc/[0-9]*; do
        { IFS= read -r stat <"$proc/stat"; } 2>/dev/null || continue
        stat=${stat##*) }
        case $stat in Z*) continue ;; esac
        # shellcheck disable=SC2086
        set -- $stat
        [ "$3" = "$engine" ] && return 0
    done
    return 1
}

find_strays() { # pids that carry this run's mark in their environment, wherever they went; into $strays
    strays=
    for proc in $(LC_ALL=C grep -lszxF -e "$mqi_mark" /proc/[0-9]*/environ 2>/dev/null 9>&-); do
        proc=${proc#/proc/}
        undead "${proc%/environ}" && strays="$strays ${proc%/environ}"
    done
    [ -n "$strays" ]
}

engine_lives() { # also before it has a group and a mark of its own
    same_process "$engine" "$engine_ticks" && undead "$engine"
}

signal_all() { # signal $1 to the engine, to its group and to those who left it
    engine_lives && kill -s "$1" "$engine" 2>/dev/null
    kill -s "$1" -- "-$engine" 2>/dev/null
    # shellcheck disable=SC2086
    find_strays && kill -s "$1" $strays 2>/dev/null
    return 0
}

anyone() { engine_lives || group_lives || find_strays; }

end_run() { # TERM, a grace, KILL: in the background, so that the script itself can wait for the engine
    exec 9>&-
    signal_all TERM
    centiseconds
    until_=$((now + mqi_grace * 100))
    while anyone; do
        centiseconds
        [ "$now" -ge "$until_" ] && signal_all KILL
        nap
    done
}

guard() { # the wall-clock limit; goes on enforcing it if this script is killed
    exec 9>&- # not as a redirection of the call: shells keep a copy of what that closes
    trap '[ "$!" = "$engine" ] || kill "$!" 2>/dev/null; exit 0' TERM # before our first sleep $! is still the engine
    while same_process "$engine" "$engine_ticks"; do
        centiseconds
        left=$(((limit_at - now + 99) / 100))
        if [ "$left" -le 0 ]; then
            if same_process "$me" "$my_ticks"; then kill -s USR1 "$me"; else end_run; fi
            return
        fi
        [ "$left" -gt 5 ] && left=5
        sleep "$left" &
        wait "$!"
    done
}

launch() { # becomes the engine, in a session of its own, with the same pid
    case $session in
    setsid) set -- setsid ;;
    python3) set -- python3 -c 'import os, sys; os.setsid(); os.execvp(sys.argv[1], sys.argv[1:])' ;;
    perl) set -- perl -e 'use POSIX; POSIX::setsid(); exec { $ARGV[0] } @ARGV or exit 127' ;;
    esac
    command -v stdbuf >/dev/null && set -- stdbuf -oL "$@"
    mqi_launch "$@"
}

# -- the claim ---------------------------------------------------------------------------------------------------

case ${1:-} in /*) ;; *) refuse "the run directory must be absolute" ;; esac
cd -- "$1" 2>/dev/null || refuse "no run directory $1"
[ -r job.sh ] || refuse "no job.sh in $1"
for session in setsid python3 perl none; do command -v "$session" >/dev/null && break; done
[ "$session" != none ] || refuse "neither setsid, python3 nor perl is here: install util-linux"
. ./job.sh
if ! mkdir claim 2>/dev/null; then
    [ -d claim ] || refuse "cannot make the claim in $1 (no space, or not ours to write)"
    say taken
    exit 0
fi

forgo() { # ours is the claim, so this attempt will never run
    true 2>/dev/null >>claim/void
    refuse "$@"
}

# Slurm may start the same job again: the claim says which of its starts made it.
if [ -n "${SLURM_JOB_ID-}" ]; then
    printf '%s %s\n' "$SLURM_JOB_ID" "${SLURM_RESTART_COUNT:-0}" 2>/dev/null >claim/slurm || forgo "cannot write in $1/claim"
fi
true 2>/dev/null >>claim/lock || forgo "cannot write in $1/claim"
exec 9>>claim/lock
if flock -w 10 9 2>/dev/null || flock -n 9 2>/dev/null; then lock=held; else lock=none; fi
if [ -e claim/void ]; then
    say void
    exit 0
fi

# -- before the engine -------------------------------------------------------------------------------------------

mkdir -p out 2>/dev/null 9>&- || forgo "cannot make out/ in $1"
true 2>/dev/null >>engine.log || forgo "cannot write engine.log in $1"
# Room for exit.json is taken now: a disk that fills up during the run cannot swallow the evidence of its end.
printf '%-2047s\n' '' 2>/dev/null >claim/exit.tmp || forgo "no space for exit.json in $1"
read -r me _ </proc/self/stat
ticks_of "$me" && my_ticks=$ticks
read -r boot </proc/sys/kernel/random/boot_id
timestamp
started=$stamp
printf '{"key": %s, "epoch": %s, "pid": %s, "start_ticks": %s, "boot_id": "%s", "started": "%s", "lock": "%s", "wrapper": "%s"}\n' \
    "$mqi_key_json" "$mqi_epoch" "$me" "$my_ticks" "$boot" "$started" "$lock" "$mqi_wrapper" \
    2>/dev/null >claim/started.tmp && mv claim/started.tmp claim/started.json 9>&- || forgo "cannot write started.json in $1"

# -- the engine --------------------------------------------------------------------------------------------------

cancelled=false timed_out=false shut_down=false
trap 'cancelled=true' USR2
trap 'shut_down=true' TERM
centiseconds
started_at=$now
limit_at=$((now + mqi_wall_limit * 100))
(
    trap - HUP PIPE TERM USR2
    read -r engine _ </proc/self/stat
    ticks_of "$engine"
    printf '%s %s\n' "$engine" "$ticks" >claim/engine
    launch
) >>engine.log 2>&1 </dev/null 9>&9 &
engine=$!
ticks_of "$engine" && engine_ticks=$ticks || engine_ticks=gone
guard >/dev/null 2>&1 &
guard_pid=$!
trap 'timed_out=true; end_run &' USR1
trap 'cancelled=true; end_run &' USR2
trap 'shut_down=true; end_run &' TERM
say started
exec >/dev/null 2>&1
if $cancelled || $shut_down; then end_run & fi # ordered before the engine had a number

# A trapped signal interrupts wait: go on until the engine is really reaped.
while
    wait "$engine"
    code=$?
    kill -s 0 "$engine" 2>/dev/null
do :; done
centiseconds
duration=$((now - started_at))
timestamp
kill "$guard_pid"
while anyone; do
    signal_all KILL
    nap
done
$shut_down && exit 0

# -- the evidence ------------------------------------------------------------------------------------------------

signal=null
if [ "$code" -gt 128 ] && [ "$code" -le 192 ]; then # the shell's way to say "ended by a signal"
    signal=$((code - 128))
    code=null
fi
cents=$((100 + duration % 100))
while :; do
    printf '%-2047s\n' "{\"key\": $mqi_key_json, \"epoch\": $mqi_epoch, \"exit_code\": $code, \"signal\": $signal, \
\"timed_out\": $timed_out, \"cancelled\": $cancelled, \"started\": \"$started\", \"ended\": \"$stamp\", \
\"duration_s\": $((duration / 100)).${cents#1}, \"boot_id\": \"$boot\"}" 1<>claim/exit.tmp &&
        { sync claim/exit.tmp 9>&- || :; } && mv claim/exit.tmp exit.json 9>&- && exit 0
    sleep 1 9>&- # a full disk or a lost file system: the run stays "running" until its end can be written
done
