# Sourced by the other scripts here: sets up $root/.venv from the pinned requirements on first use, and again when they change.
# Needs Python 3.11 or newer; as root on Debian or Ubuntu it installs what Python's own venv lacks, otherwise it says what to ask for.

root=$(dirname -- "$(dirname -- "$(readlink -f -- "$0")")") # a link to a script elsewhere is followed
venv=${MQI_VENV:-$root/.venv}

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "mqi-actors: $1"
    say "  $2"
    exit 2
}

find_python() {
    for name in python3.11 python3.12 python3.13 python3 python; do
        if command -v "$name" >/dev/null 2>&1 && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return 0
        fi
    done
    return 1
}

may_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; }

apt_install() {
    say "mqi-actors: installing Debian packages: $*"
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null 2>&1 && return 0
    apt-get update -qq >/dev/null 2>&1
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null 2>&1
}

make_venv() {
    rm -rf "$venv"
    "$1" -m venv "$venv" >/dev/null 2>&1 && return 0
    # Debian splits ensurepip off into a package of its own, named after the Python version
    version=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    rm -rf "$venv"
    if may_install && apt_install "python$version-venv" && "$1" -m venv "$venv" >/dev/null 2>&1; then return 0; fi
    fail "cannot make a virtual environment in $venv" \
        "Ask an administrator for: apt-get install python$version-venv (and check that the folder is writable)."
}

# install_requirements FILE...: one stamp per set of files, so that nothing is done when nothing changed
install_requirements() {
    wanted=$(cat "$@" | cksum | tr -d ' ')
    stamp="$venv/.ready-$(basename "$1" .txt)"
    [ -x "$venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && return 0
    python=$(find_python) || fail "no Python 3.11 or newer was found" "Ask an administrator for: apt-get install python3 python3-venv"
    # a failing redirection of exec would end the shell without a word, so ask first
    (: >>"$venv.lock") 2>/dev/null || fail "$venv cannot be written" "Set MQI_VENV to a folder that can be, such as \$HOME/.cache/mqi-venv."
    exec 8>>"$venv.lock"
    if command -v flock >/dev/null 2>&1; then flock 8; fi
    if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
        [ -x "$venv/bin/python" ] || { say "mqi-actors: first use: setting up $venv (a minute or two)"; make_venv "$python"; }
        files=''
        for file in "$@"; do files="$files -r $file"; done
        # word splitting is wanted: the names are ours, relative to $root
        # shellcheck disable=SC2086
        (cd "$root" && "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input $files 2>"$venv/pip.log") || {
            tail -n 3 "$venv/pip.log" >&2
            fail "the pinned packages could not be installed" \
                "Check the network or pip's index settings (pip config list); the whole story is in $venv/pip.log"
        }
        site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
        printf '%s\n' "$root" >"$site/mqi-communicator.pth"
        printf '%s\n' "$wanted" >"$stamp"
    fi
    exec 8>&-
}
