# The host's side of the watch: answers each order line on standard input; ends with it. After host.sh, in one shell.
#
#   w ID OFFSET DIR/   watch this run            u ID   no more
#   o ID OFFSET        its log is known so far   f ID   look at it as a whole with the next tick
#   v ID               keep it from beginning
#   t                  tick: what is new         T      tick, logs included
#
# A tick is answered by "run ID" with facts, "log ID START" with base64 up to a ".", and at last ";".  A tick on which
# nothing happened costs no process.

mqi_ids= # no function may touch the names that the last loop reads into: order id offset dir

tell_log() { # new text of run $1 in directory $2 from $3, of $4 bytes; of a flood only the newest part
    { [ -f "$2/engine.log" ] && ! [ -L "$2/engine.log" ]; } || return 0
    from=$3
    [ $(($4 - from)) -gt 16384 ] && from=$(($4 - 16384))
    echo "log $1 $from"
    tail -c "+$((from + 1))" "$2/engine.log" | base64
    echo .
}

sizes() { # of the logs of all runs, told where they have grown
    set --
    for run in $mqi_ids; do
        eval "where=\$mqi_dir_$run"
        set -- "$@" "$where/engine.log"
    done
    [ $# -gt 0 ] || return 0
    stat -c '%s %n' -- "$@" 2>/dev/null | while read -r size name; do
        for run in $mqi_ids; do
            eval "where=\$mqi_dir_$run known=\$mqi_off_$run"
            [ "$name" = "$where/engine.log" ] && [ "$size" -gt "$known" ] && tell_log "$run" "$where" "$known" "$size"
        done
    done
}

look() { # at run $1 in directory $2 as a whole, its log to the end after it
    eval "mqi_full_$1= mqi_pid_$1="
    echo "run $1"
    facts "$2"
    if [ -n "$pid" ]; then eval "mqi_pid_$1=$pid mqi_ticks_$1=$born"; fi
    eval "known=\$mqi_off_$1"
    size=$(stat -c %s -- "$2/engine.log" 2>/dev/null) && [ "$size" -gt "$known" ] && tell_log "$1" "$2" "$known" "$size"
}

round() {
    for run in $mqi_ids; do
        eval "where=\$mqi_dir_$run watched=\$mqi_pid_$run began=\$mqi_ticks_$run full=\$mqi_full_$run"
        if [ -n "$full" ] || { [ -n "$watched" ] && ! same_process "$watched" "$began"; }; then look "$run" "$where"; fi
    done
}

forget() {
    mqi_kept=
    for other in $mqi_ids; do [ "$other" = "$1" ] || mqi_kept="$mqi_kept $other"; done
    mqi_ids=$mqi_kept
}

while read -r order id offset dir; do
    case $id$offset in *[!0-9]*) continue ;; esac
    case $order in
    w)
        forget "$id"
        mqi_ids="$mqi_ids $id"
        dir=${dir%/}
        eval "mqi_dir_$id=\$dir mqi_off_$id=\$offset mqi_full_$id=1 mqi_pid_$id= mqi_ticks_$id="
        ;;
    u) forget "$id" ;;
    o) eval "mqi_off_$id=\$offset" ;;
    f) eval "mqi_full_$id=1" ;;
    v)
        eval "dir=\$mqi_dir_$id"
        void "$dir" >/dev/null
        ;;
    t)
        round
        echo ';'
        ;;
    T)
        round
        sizes
        echo ';'
        ;;
    esac
done
