# Shared by the scripts in tests/setup and tests/cluster; sourced, never run.
# shellcheck shell=bash

set -euo pipefail

# The seconds since the shell started, with milliseconds and no fork.
now_ms() {
    local t=${EPOCHREALTIME/[.,]/}
    echo "${t%???}"
}

say() { printf '==> %s\n' "$*" >&2; }

die() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    shift
    if (($#)); then printf '    %s\n' "$@" >&2; fi
    exit 1
}

# step TEXT COMMAND... - say what is being done, do it, say how long it took.
# The command's output goes to a log that is shown only when it fails, or as
# it comes with V=1. (The command sees step's locals, hence their names.)
step() {
    local _text=$1 _log='' _rc=0 _ms
    local -i _started
    shift
    _started=$(now_ms)
    printf '==> %s ... ' "$_text" >&2
    if [[ ${V:-} == 1 ]]; then
        echo >&2
        "$@" >&2 || _rc=$?
    else
        _log=$(mktemp)
        "$@" >"$_log" 2>&1 || _rc=$?
    fi
    _ms=$(($(now_ms) - _started))
    printf -v _ms '%d.%d s' $((_ms / 1000)) $((_ms % 1000 / 100))
    if ((_rc)); then
        echo "failed after $_ms" >&2
        if [[ -n $_log ]]; then tail -n 40 "$_log" | sed 's/^/    | /' >&2; fi
    else
        echo "$_ms" >&2
    fi
    if [[ -n $_log ]]; then rm -f "$_log"; fi
    return "$_rc"
}

# wait_for SECONDS COMMAND... - run the command until it succeeds.
wait_for() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        if ((SECONDS >= deadline)); then
            echo "gave up waiting for: $*" >&2
            "$@" || true
            return 1
        fi
        read -rt 0.1 <> <(:) || true
    done
}

is_debian() { [[ -r /etc/debian_version ]] && command -v dpkg-query apt-get >/dev/null; }

# Where this host gets Debian from is where its images and tools can get it, too.
debian_mirror() {
    local mirror=${TPDOCKER_DEBIAN_MIRROR:-}
    if [[ -z $mirror ]]; then
        # shellcheck disable=SC2016 # apt's own $(SITE)
        mirror=$(apt-get indextargets --format '$(SITE)' 2>/dev/null | grep -m 1 'debian/\?$' || true)
    fi
    echo "${mirror:-http://deb.debian.org/debian}"
}

engine_answers() { timeout 10 docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

have_image() { docker image inspect "$1" >/dev/null 2>&1; }

# build_image TAG FOLDER [DOCKER BUILD OPTIONS...] - what the host needs to
# reach the outside (a proxy in the environment) is handed to the build.
build_image() {
    local tag=$1 folder=$2 name args=()
    shift 2
    for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
        if [[ -n ${!name:-} ]]; then args+=(--build-arg "$name"); fi
    done
    docker build --quiet=false ${args[@]+"${args[@]}"} --tag "$tag" "$@" "$folder"
}
