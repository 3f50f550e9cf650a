#!/usr/bin/env bats
# An engine whose machine has no FUSE: the device is taken away for a moment, so no other session may start meanwhile.

load lib/common

setup_file() {
    load lib/common
    if ((EUID)) || [[ ! -c /dev/fuse ]]; then skip 'that takes root, and a /dev/fuse to take away'; fi
    user_setup web
}
teardown_file() {
    load lib/common
    if [[ -n ${TPT_ID:-} ]]; then user_teardown; fi
}
# It is brought back whatever becomes of this process. Each try of a test has a name of its own for what it took away:
# another's watcher must not bring it back.
setup() {
    away=/dev/fuse.away.$BATS_TEST_NUMBER.$BATS_TEST_TRY_NUMBER
    mv /dev/fuse "$away"
    # shellcheck disable=SC2016 # for the inner shell
    setsid sh -c 'for try in $(seq 600); do [ -e "$1" ] || exit; [ -d "/proc/$0" ] || break; sleep 0.2; done
        mv "$1" /dev/fuse' "$$" "$away" 3>&- 4>&- >/dev/null 2>&1 </dev/null &
}
teardown() {
    if [[ -e $away ]]; then mv "$away" /dev/fuse; fi
    check_teardown
}

@test "says what is missing and what to do, and leaves nothing" {
    try run --swap-deployment web "$client" sh -c 'echo never'
    equal "$status" 125
    equal "$out" ''
    matches "$err" "the pod's volumes cannot be mounted" '/dev/fuse' 'modprobe fuse' '--volumes copy, or off'
}

@test "--volumes off needs none" {
    try run --volumes off --swap-deployment web "$client" sh -c 'echo fine'
    equal "$status" 0
    equal "$out" fine
}

# The API server itself learns of a change to an account a moment later.
no_token_comes() {
    k run probe --image "$client" --dry-run=server -o json | jq -e '[.spec.containers[].volumeMounts[]?] == []' >/dev/null
}

@test "neither does a pod without volumes, unless they are asked for" {
    k patch serviceaccount default -p '{"automountServiceAccountToken": false}' >/dev/null
    eventually 60 no_token_comes
    try run "$client" sh -c 'echo "[$TELEPRESENCE_MOUNTS][$TELEPRESENCE_ROOT]"'
    equal "$status" 0
    equal "$out" '[][]'
    try run --volumes sshfs "$client" true
    equal "$status" 125
    matches "$err" '/dev/fuse'
}
