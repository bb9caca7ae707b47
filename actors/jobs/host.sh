# The host's side of control: functions for a POSIX shell with coreutils. Sent before each script; never a file there.
#
# Set before: mqi_ws (workspace, absolute, without a slash at its end), mqi_boot (boot id, or empty), mqi_mount (where
# the disk of the workspace ought to be mounted; empty or unset: not known).
# A run directory is passed as its absolute path. Answers are lines on standard output.

unset MQI_ATTEMPT MQI_RUN_DIR CDPATH ENV BASH_ENV
PATH=$PATH:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
mqi_nl='
'

nap() { sleep 0.05 2>/dev/null || sleep 1; }

ticks_of() { # start time of process $1 into $ticks; false when there is none but a zombie
    { IFS= read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    # shellcheck disable=SC2086
    set -- ${stat##*) }
    case $1 in Z | X) return 1 ;; esac
    ticks=${20}
}

same_process() { # pid $1 is the living process that began at tick $2
    [ -n "$1" ] && ticks_of "$1" && [ "$ticks" = "$2" ]
}

mount_point() { # where the disk of the workspace is mounted, into $mounted; empty where that cannot be told
    mounted= above=$mqi_ws
    while ! [ -d "$above" ] && [ -n "$above" ]; do above=${above%/*}; done
    above=$(cd -P -- "$above/" 2>/dev/null && pwd -P) && [ -r /proc/self/mountinfo ] || return 0
    while read -r _ _ _ _ at _; do
        case $at in *\\*) at=$(printf '%b.' "$at") at=${at%.} ;; esac # a space is written as \040
        top=${at%/} # not within the pattern: of an empty word bash makes none there
        case ${above%/}/ in "$top"/*) [ "${#at}" -gt "${#mounted}" ] && mounted=$at ;; esac
    done </proc/self/mountinfo
    return 0
}

away() { # the disk of the workspace is not mounted: what is (not) seen there now says nothing of any run
    [ -n "${mqi_mount-}" ] && mount_point && [ -n "$mounted" ] && [ "${#mounted}" -lt "${#mqi_mount}" ]
}

absent() { # run $1 has no claim, and we could have seen it: a workspace that is not mounted holds no claim either
    ! away && [ -x "$mqi_ws/.wrappers" ] && { ! [ -e "$1" ] || [ -x "$1" ]; } && ! [ -d "$1/claim" ]
}

below() { # $1 lies in the workspace, also after every symbolic link on its way; else says so and ends the script
    place=${1%/*}
    while ! [ -d "$place" ] && [ -n "$place" ]; do place=${place%/*}; done
    real=$(cd -P -- "$mqi_ws" 2>/dev/null && pwd -P) || { echo "error the workspace cannot be entered"; exit 0; }
    place=$(cd -P -- "$place/" 2>/dev/null && pwd -P) || place=
    case $place/ in "$real"/*) ;; *) echo outside; exit 0 ;; esac
}

probe() { # is the lock $1 held by anybody? into $lock
    lock=free
    [ -e "$1" ] || return 0
    lock=unknown
    [ -r "$1" ] || return 0
    flock -n -s 9 9<"$1" 2>/dev/null
    case $? in 0) lock=free ;; 1) lock=held ;; esac
}

json_word() { # the number after "$2": in $1, into $word
    word=${1##*\"$2\": }
    word=${word%%[!0-9]*}
}

living_wrapper() { # pid and ticks of run $1's wrapper, if it lives in this boot, into $pid $born; needs $started
    pid=
    case $started in *"\"boot_id\": \"$mqi_boot\""*) ;; *) return 1 ;; esac
    json_word "$started" start_ticks
    then=$word
    json_word "$started" pid
    same_process "$word" "$then" && pid=$word born=$ticks
}

members() { # living processes of run $1 into $left: those that carry its mark, and the engine's group and session
    left= engine= began=
    for proc in $(LC_ALL=C grep -lszxF -e "MQI_RUN_DIR=$1" /proc/[0-9]*/environ 2>/dev/null); do
        proc=${proc#/proc/}
        ticks_of "${proc%/environ}" && left="$left ${proc%/environ}"
    done
    case $started in *"\"boot_id\": \"$mqi_boot\""*) ;; *) return 0 ;; esac
    { read -r engine began <"$1/claim/engine"; } 2>/dev/null || return 0
    ticks_of "$engine" && [ "$ticks" != "$began" ] && return 0 # the number went to a stranger
    for proc in /proc/[0-9]*; do
        { IFS= read -r stat <"$proc/stat"; } 2>/dev/null || continue
        # shellcheck disable=SC2086
        set -- ${stat##*) }
        case $1 in Z | X) continue ;; esac
        { [ "$3" = "$engine" ] || [ "$4" = "$engine" ]; } && [ -O "$proc" ] && left="$left ${proc#/proc/}"
    done
}

facts() { # all that one look at run $1 finds; what proves most is read last. "all" as $2: who lives, whatever is found
    started= ended= lock=unknown left= pid=
    if ! [ -d "$1/claim" ]; then
        if absent "$1"; then
            echo "claim absent"
            [ -d "$1" ] && echo "folder"
        else
            echo "claim unknown"
        fi
        if [ -n "${2-}" ]; then
            members "$1"
            echo "left$left"
        fi
        return 0
    fi
    echo "claim made"
    { IFS= read -r started <"$1/claim/started.json"; } 2>/dev/null
    probe "$1/claim/lock"
    { IFS= read -r ended <"$1/exit.json"; } 2>/dev/null
    [ -n "$started" ] && printf 'started %s\n' "$started" && living_wrapper "$1" && echo "wrapper $pid"
    [ -n "$ended" ] && printf 'exit %s\n' "$ended"
    [ -e "$1/claim/void" ] && echo "void"
    echo "lock $lock"
    case "${2-}$lock:$ended" in
    held:* | unknown:* | free:?*) case $started in *'"lock": "none"'*) ;; *) return 0 ;; esac ;;
    esac
    members "$1"
    echo "left$left"
}

void() ( # take the claim of run $1, or one that nobody holds and nobody began, so that it never begins
    mkdir "$1/claim" 2>/dev/null
    true 2>/dev/null >>"$1/claim/lock" || { echo "error cannot write in $1/claim"; exit 1; }
    exec 9>>"$1/claim/lock"
    flock -n 9 2>/dev/null
    [ $? -ne 1 ] && ! [ -e "$1/claim/started.json" ] || { echo begun; exit 1; }
    true 2>/dev/null >"$1/claim/void" || { echo "error cannot write in $1/claim"; exit 1; }
    sync "$1/claim/void" 2>/dev/null
    echo voided
)

install_wrapper() { # the text $2 as file $1 of the workspace, whole or not at all
    mkdir -p -- "$mqi_ws/.wrappers" 2>/dev/null || { echo "error cannot make $mqi_ws/.wrappers"; return 1; }
    [ -f "$mqi_ws/.wrappers/$1" ] && [ "$(cat "$mqi_ws/.wrappers/$1")" = "$2" ] && return 0
    part=$mqi_ws/.wrappers/.$1.$$
    if printf '%s\n' "$2" 2>/dev/null >"$part" && [ "$(cat "$part")" = "$2" ] && mv -f -- "$part" "$mqi_ws/.wrappers/$1"; then
        return 0
    fi
    rm -f -- "$part"
    echo "error cannot write in $mqi_ws/.wrappers (no space, or not ours to write)"
    return 1
}

place_file() { # the text $2 as file $1, whole or not at all
    printf '%s' "$2" 2>/dev/null >"$1.$$" && mv -f -- "$1.$$" "$1" 2>/dev/null && return 0
    rm -f -- "$1.$$" 2>/dev/null
    echo "error cannot write $1 (no space, or not ours to write)"
    return 1
}

launch() { # run $1 by wrapper $2, with the texts of job.json $3 and job.sh $4; safe to repeat
    away && { echo "away"; return 0; } # it may be claimed: nothing is known
    below "$1"
    if ! [ -d "$1/claim" ]; then
        [ -f "$mqi_ws/.wrappers/$2" ] || { echo "no wrapper"; return 0; }
        mkdir -p -- "$1" 2>/dev/null || { echo "error cannot make the run directory"; return 0; }
        place_file "$1/job.json" "$3" && place_file "$1/job.sh" "$4" || return 0
        if command -v setsid >/dev/null; then
            set -- "$1" setsid sh "$mqi_ws/.wrappers/$2" "$1"
        else # the wrapper says itself what is missing
            set -- "$1" sh "$mqi_ws/.wrappers/$2" "$1"
        fi
        line=$({ run=$1; shift; "$@" </dev/null 2>&1 & } | head -n 1)
        printf 'answer %s\n' "$line"
        case $line in started | taken | void* | refused*) ;; *) void "$1" ;; esac
    fi
    tries=0
    while ! [ -e "$1/claim/started.json" ] && ! [ -e "$1/claim/void" ] && [ -d "$1/claim" ] && [ "$tries" -lt 40 ]; do
        nap
        tries=$((tries + 1))
    done
    facts "$1"
}

end_run() { # send signal $2 to what lives of run $1; "wrapper" as $3: to its wrapper alone
    started=
    { IFS= read -r started <"$1/claim/started.json"; } 2>/dev/null
    if [ "${3-}" = wrapper ]; then
        living_wrapper "$1" && left=$pid || left=
    else
        members "$1"
    fi
    # shellcheck disable=SC2086
    [ -n "$left" ] && kill -s "$2" $left 2>/dev/null
    return 0
}

remove() { # the folder $1 (case, beam or attempt), unless a run in it lives
    away && { echo "error the workspace's disk is not mounted"; return 0; }
    below "$1"
    if [ -L "$1" ]; then
        echo "error it is a symbolic link"
        return 0
    fi
    for claim in "$1"/claim "$1"/*/claim "$1"/*/*/claim; do
        [ -d "$claim" ] || continue
        probe "$claim/lock"
        if [ "$lock" = held ]; then
            printf 'alive %s\n' "${claim%/claim}"
            return 0
        fi
    done
    why=$(rm -rf -- "$1" 2>&1) || printf 'error %s\n' "${why%%"$mqi_nl"*}"
}

standing() { # how the host is
    if away; then # nothing is made in an empty mount point: that would look like a workspace in which nothing runs
        echo "away $mqi_mount"
    else
        why=$(mkdir -p -- "$mqi_ws/.wrappers" 2>&1) || printf 'error the workspace cannot be used: %s\n' "${why%%"$mqi_nl"*}"
        df -Pk -- "$mqi_ws/" 2>/dev/null | while read -r _ _ _ free _; do echo "free $free"; done
        mount_point
        printf 'mount %s\n' "$mounted"
    fi
    read -r load _ </proc/loadavg && echo "load $load"
    read -r boot </proc/sys/kernel/random/boot_id && echo "boot $boot"
    date '+clock %s'
}

ask_gpus() { # nvidia-smi, three questions, no longer than $1 s; "pid ticks" in $2 $3 of a question that was given up
    if same_process "${2-}" "${3-}"; then
        echo "hangs $2 $3"
        return 0
    fi
    command -v nvidia-smi >/dev/null || { echo "absent"; return 0; }
    for place in /dev/shm "${TMPDIR:-/tmp}" "$mqi_ws/.wrappers"; do
        box=$(mktemp -d "$place/mqi-gpus.XXXXXX" 2>/dev/null) && break
    done
    [ -d "$box" ] || { echo "error no place for the answer of nvidia-smi"; return 0; }
    (
        trap '' HUP
        ask_one "$1" gpus "$box" --query-gpu="$mqi_gpu_fields" --format=csv,noheader,nounits &&
            ask_one "$1" apps "$box" --query-compute-apps="$mqi_app_fields" --format=csv,noheader,nounits
        ask_one "$1" more "$box" --query-gpu="$mqi_more_fields" --format=csv,noheader,nounits
        : >"$box/done"
    ) </dev/null >/dev/null 2>&1 &
    asker=$!
    ticks_of "$asker" || ticks=gone
    asked=$ticks
    left=$(($1 * 20 + 20))
    while ! [ -e "$box/done" ] && [ "$left" -gt 0 ]; do
        nap
        left=$((left - 1))
    done
    [ -e "$box/done" ] || echo "hangs $asker $asked"
    for part in gpus apps more; do
        [ -f "$box/$part.code" ] && read -r code <"$box/$part.code" && echo "code $part $code"
        [ -f "$box/$part" ] && sed "s/^/$part /" "$box/$part" && echo
    done
    [ -f "$box/apps" ] && while IFS=' ,' read -r pid _; do owner_of "$pid"; done <"$box/apps"
    rm -rf -- "$box"
}

ask_one() { # question $2 with the answer in folder $3; at most $1 s
    limit=$1 part=$2 box=$3
    shift 3
    if command -v timeout >/dev/null; then set -- timeout -s KILL "$limit" nvidia-smi "$@"; else set -- nvidia-smi "$@"; fi
    "$@" >"$box/$part" 2>&1
    echo $? >"$box/$part.code"
    read -r code <"$box/$part.code"
    [ "$code" = 0 ]
}

owner_of() { # which of our runs process $1 belongs to, by its environment
    case $1 in '' | *[!0-9]*) return 0 ;; esac
    [ -d "/proc/$1" ] || return 0
    if [ -r "/proc/$1/environ" ] && found=$(tr '\0\n' '\n ' 2>/dev/null <"/proc/$1/environ"); then
        case $mqi_nl$found in
        *"${mqi_nl}MQI_ATTEMPT="*)
            found=${mqi_nl}$found
            found=${found#*"${mqi_nl}MQI_ATTEMPT="}
            printf 'owner %s %s\n' "$1" "${found%%"$mqi_nl"*}"
            return 0
            ;;
        esac
    fi
    echo "owner $1"
}
