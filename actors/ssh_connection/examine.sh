# What `check` asks of a host, after host.sh. Words: command of the engine as $1, then the command that tells its version.

examine() {
    echo "shell $0"
    why=$(mkdir -p -- "$mqi_ws/.wrappers" 2>&1) || {
        printf 'unusable %s\n' "${why%%"$mqi_nl"*}"
        return 0
    }
    probe=$mqi_ws/.wrappers/.check.$$
    if why=$({ echo probe >"$probe" && mkdir -- "$probe.d" && mv -f -- "$probe" "$probe.d/file"; } 2>&1); then
        echo writable
    else
        printf 'unusable %s\n' "${why%%"$mqi_nl"*}"
    fi
    [ "$(stat -c %d -- "$mqi_ws/")" = "$(stat -c %d -- "$mqi_ws/.wrappers/")" ] && echo "one file system"
    : >"$probe.d/lock" && flock -n "$probe.d/lock" true 2>/dev/null && echo locks
    rm -rf -- "$probe" "$probe.d"
    for tool in base64 chmod cat cp date dd df find grep head kill ls mkdir mktemp mv rm sed sha256sum sleep sort stat stdbuf sync tail timeout touch tr wc \
        setsid python3 perl flock; do
        command -v "$tool" >/dev/null && echo "tool $tool"
    done
    [ -r /proc/self/stat ] && echo "tool /proc"
    standing
    program=${1-}
    [ -n "$program" ] || return 0
    shift
    command -v "$program" >/dev/null && printf 'program %s\n' "$(command -v "$program")"
    [ $# -gt 0 ] || return 0
    if command -v timeout >/dev/null; then set -- timeout -s KILL 20 "$@"; fi
    version=$("$@" 2>&1 </dev/null) && printf 'version %s\n' "${version%%"$mqi_nl"*}" || printf 'no version %s\n' "${version%%"$mqi_nl"*}"
}

interpreter() { # the release of the interpreter that the Python $1 runs; what it said instead
    command -v "$1" >/dev/null || { echo absent; return 0; }
    set -- "$1" -m actors.interpreter --release
    if command -v timeout >/dev/null; then set -- timeout -s KILL 60 "$@"; fi
    said=$("$@" 2>&1 </dev/null) && printf '%s\n' "$said" || printf 'failed %s\n' "${said##*"$mqi_nl"}"
}
