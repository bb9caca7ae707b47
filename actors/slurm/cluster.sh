# The cluster's side: functions for a POSIX shell on a host where Slurm's commands are. Sent after host.sh, never a file.
#
# Set before: mqi_ws (workspace, which every node of the partition sees under the same path), mqi_boot (empty),
# mqi_mount (where its disk ought to be mounted; empty: not known).
# A run directory is passed as its absolute path. Answers are lines on standard output.
#
# RUN_DIR/submit.lock   held while it is looked up and submitted: two of us never ask at once
# RUN_DIR/submitted     number of the job, once sbatch has told it
# RUN_DIR/tried         sbatch was asked: a lost answer is looked for before it is asked again

# What a user's profile may say would hide jobs of ours, or submit others than are meant.
unset SQUEUE_FORMAT SQUEUE_FORMAT2 SQUEUE_STATES SQUEUE_SORT SQUEUE_PARTITION SQUEUE_ACCOUNT SQUEUE_QOS SQUEUE_NAMES
unset SQUEUE_USERS SQUEUE_LICENSES SQUEUE_ARRAY SACCT_FORMAT SLURM_TIME_FORMAT SBATCH_WAIT SBATCH_ARRAY_INX
mqi_fields='JobID:|,Name:|,State:|,Reason:|,RestartCnt:|,StartTime:|,EndTime:|,SubmitTime:|'

limited() { # "$2"... for no longer than $1 s, where there is a timeout
    if command -v timeout >/dev/null; then timeout -k 2 "$@"; else shift && "$@"; fi
}

bare() { # a command, whose environment a job is given whole: of this one only what finds programs, Slurm, and the user
    # sbatch --export=NAMES says the same, but has each node run a login shell of the user's before each job: a second's
    # work, and a job that fails, or is held, where that shell does not do well
    for entry in $(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_%()]*\)=.*/\1/p'); do
        case $entry in PATH | HOME | LANG | USER | LOGNAME | SLURM_* | SBATCH_*) ;; *) set -- -u "$entry" "$@" ;; esac
    done
    limited "$mqi_patience" env "$@"
}

answered() { # what a Slurm command said: "$1 LINE" for each line, then "$1-code CODE"; $1 word, the rest the command
    word=$1
    shift
    said=$(limited "$mqi_patience" "$@" 2>&1 </dev/null)
    code=$?
    [ -n "$said" ] && printf '%s\n' "$said" | sed "s/^/$word /"
    echo "$word-code $code"
    return "$code"
}

queue() { # all jobs of ours that Slurm still remembers, oldest first, in one question; and the clock of their times
    echo "clock $(date +%Y-%m-%dT%H:%M:%S)"
    answered job squeue -h -a --me -t all -S i -O "$mqi_fields"
}

books() { # what the accounting knows of the jobs named $1 (with commas between), since $2
    answered past sacct -n -P -X -S "$2" --name "$1" -o JobIDRaw,JobName,State,End
}

run_facts() { # run number $1 in directory $2, as far as files tell; the log is told apart
    echo "run $1"
    if [ -d "$2/claim" ]; then
        echo "claim made"
        { IFS= read -r line <"$2/claim/started.json"; } 2>/dev/null && printf 'started %s\n' "$line"
        { IFS= read -r line <"$2/claim/slurm"; } 2>/dev/null && printf 'slurm %s\n' "$line"
        [ -e "$2/claim/void" ] && echo "void"
    elif absent "$2"; then
        echo "claim absent"
        [ -d "$2" ] && echo "folder"
    else
        echo "claim unknown"
    fi
    { IFS= read -r line <"$2/exit.json"; } 2>/dev/null && printf 'exit %s\n' "$line"
    { IFS= read -r line <"$2/submitted"; } 2>/dev/null && printf 'submitted %s\n' "$line"
    return 0
}

lock_of() { # "held", "free" or "unknown": the lock of run $1; free is believed only on the host where it began
    probe "$1/claim/lock"
    if [ "$lock" = free ]; then
        line= && { IFS= read -r line <"$1/claim/started.json"; } 2>/dev/null
        read -r boot </proc/sys/kernel/random/boot_id
        case $line in *'"lock": "none"'*) lock=unknown ;; *"\"boot_id\": \"$boot\""*) ;; *) lock=unknown ;; esac
    fi
    echo "lock $lock"
}

log_text() { # new text of the log of run $1 in directory $2 from byte $3; of a flood only the newest part
    { [ -f "$2/engine.log" ] && ! [ -L "$2/engine.log" ]; } || return 0
    size=$(stat -c %s -- "$2/engine.log" 2>/dev/null) && [ "$size" -gt "$3" ] || return 0
    from=$3
    [ $((size - from)) -gt 16384 ] && from=$((size - 16384))
    echo "log $1 $from"
    tail -c "+$((from + 1))" "$2/engine.log" | base64
    echo .
}

keep() { # the text $2 as file $1, whole or not at all, and on the disk
    place_file "$1" "$2" >/dev/null && sync "$1" 2>/dev/null
    [ -s "$1" ]
}

submit() { # run $1 by wrapper $2 with job.json $3 and job.sh $4, as job named $5, tried since $6; the rest: for sbatch
    away && { echo "unclear the workspace's disk $mqi_mount is not mounted"; return 0; }
    below "$1"
    run=$1 wrapper=$mqi_ws/.wrappers/$2 name=$5 since=$6
    [ -f "$wrapper" ] || { echo "no wrapper"; return 0; }
    mkdir -p -- "$run" 2>/dev/null || { echo "error cannot make the run directory"; return 0; }
    true 2>/dev/null >>"$run/submit.lock" || { echo "error cannot write in $run"; return 0; }
    exec 8>>"$run/submit.lock"
    flock -w 20 8 2>/dev/null || flock -n 8 2>/dev/null # busybox has no -w
    [ $? -ne 1 ] || { echo "unclear another submission of this run is still under way"; return 0; }
    if ! [ -d "$run/claim" ] && ! [ -s "$run/submitted" ]; then
        # once sbatch was asked, nothing that fails here proves that there is no job
        [ -e "$run/tried" ] || { place_file "$run/job.json" "$3" && place_file "$run/job.sh" "$4"; } || return 0
        shift 6
        ask_sbatch "$@" || return 0
    fi
    run_facts 0 "$run"
}

ask_sbatch() { # never before a lost answer was looked for; false: nothing more is to be said
    if [ -e "$run/tried" ]; then
        known=$(answered job squeue -h -a --me -t all -S i -n "$name" -O "$mqi_fields")
        printf '%s\n' "$known"
        case $known in *"job-code 0"*) ;; *) echo "unclear Slurm does not say whether it has this job"; return 1 ;; esac
        number=$(printf '%s\n' "$known" | sed -n "s/^job \([0-9][0-9]*\)|$name|.*/\1/p" | head -n 1)
        if [ -z "$number" ]; then
            number=$(limited "$mqi_patience" sacct -n -P -X -S "$since" --name "$name" -o JobIDRaw 2>/dev/null </dev/null |
                sed -n 's/^\([0-9][0-9]*\)$/\1/p' | head -n 1)
        fi
        [ -n "$number" ] && note_number && return 0
    else
        keep "$run/tried" "$(date +%Y-%m-%dT%H:%M:%S)
" || { echo "error cannot write in $run (no space?)"; return 1; }
    fi
    # it holds the lock: one that outlives this script is waited for, before anybody asks again
    said=$(bare sbatch --parsable --job-name="$name" --chdir="$run" "$@" "$wrapper" "$run" 2>&1 </dev/null)
    code=$?
    number=$(printf '%s\n' "$said" | sed -n 's/^\([0-9][0-9]*\)\(;.*\)\{0,1\}$/\1/p' | tail -n 1)
    [ "$code" = 0 ] && [ -n "$number" ] && note_number && return 0
    printf '%s\n' "$said" | sed 's/^/sbatch /'
    echo "sbatch-code $code"
    return 1
}

note_number() { # the job is known; where that cannot be written down it is found by its name
    keep "$run/submitted" "$number
" || echo "submitted $number"
}

cancel() { # job named $1 with number $2, further options after: a Slurm that lost its state numbers from 1 again
    name=$1 number=$2
    shift 2
    answered cancel scancel --me "--name=$name" "$@" "$number"
}

give_up() { # run $1: it never begins from here on; job $2 (if any) named $3 is told to cancel, "now" as $4: is ended
    below "$1"
    [ -d "$1" ] && ! [ -e "$1/claim/started.json" ] && void "$1"
    if [ "${4-}" = now ]; then # where its node is this very host, what Slurm cannot find is ended as well
        read -r mqi_boot </proc/sys/kernel/random/boot_id && end_run "$1" KILL
    fi
    case $2 in '' | *[!0-9]*) return 0 ;; esac
    if [ "${4-}" = now ] || ! [ -e "$1/claim/started.json" ]; then
        cancel "$3" "$2"
    else
        cancel "$3" "$2" --batch --signal=USR2 # the wrapper ends the engine and says so in exit.json
    fi
}

waiting() { # numbers, names and keys of all jobs of ours that wait
    answered waiting squeue -h -a --me -t PENDING -O 'JobID:|,Name:|,Comment:255'
}

order_jobs() { # "hold" | "release" | "nice N": for the waiting jobs that follow
    case $1 in
    nice)
        value=$2
        shift 2
        for number in "$@"; do answered order scontrol update "jobid=$number" "nice=$value"; done
        ;;
    *) answered order scontrol "$@" ;;
    esac
}

examine() { # what `check` asks: commands, controller, accounting, and whether a job with these options would be taken
    for tool in sbatch squeue scancel scontrol; do
        command -v "$tool" >/dev/null && echo "has $tool" || echo "lacks $tool"
    done
    command -v sbatch >/dev/null || return 0
    answered version sbatch --version
    answered ping scontrol ping
    queue
    answered books sacct -n -X -S now-1hours -o JobIDRaw
    printf '#!/bin/sh\ntrue\n' | answered_script trial sbatch --test-only --job-name=mqi-check "$@"
}

answered_script() { # as answered, with the script of the job on standard input
    word=$1
    shift
    said=$(limited "$mqi_patience" "$@" 2>&1)
    code=$?
    [ -n "$said" ] && printf '%s\n' "$said" | sed "s/^/$word /"
    echo "$word-code $code"
}
