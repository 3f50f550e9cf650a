#!/usr/bin/env bats
# The commands that start no session.

load lib/common

setup_file() {
    load lib/common
    user_setup
}
teardown_file() {
    load lib/common
    user_teardown
}
teardown() { check_teardown; }

@test "version" {
    try version
    equal "$status" 0
    matches "$out" "$version"
    try --version
    equal "$status" 0
}

@test "help, of all and of each command" {
    try help
    equal "$status" 0
    matches "$out" run cleanup version help
    for command in run cleanup version; do
        try help "$command"
        equal "$status" 0
        matches "$out" "tpdocker $command"
        help=$out
        try "$command" --help
        equal "$status" 0
        equal "$out" "$help"
    done
}

@test "help names every option of ours" {
    try help run
    matches "$out" --swap-deployment --new-deployment --deployment --context --namespace --kubeconfig --serviceaccount \
        --image --port-forward --also-proxy --never-proxy --timings --verbose --quiet
}

@test "nothing given, something unknown" {
    try
    matches "$out" 'Usage: tpdocker COMMAND'
    try help nothing
    equal "$status" 125
    matches "$err" nothing
}

@test "cleanup with nothing to clean up" {
    try cleanup
    equal "$status" 0
}

@test "a damaged record does no harm" {
    mkdir -p "$TPT_STATE/tpdocker/sessions"
    head -c 300 /dev/urandom >"$TPT_STATE/tpdocker/sessions/bbbbbbbbbb.json"
    try run "$client" true
    rm -f "$TPT_STATE"/tpdocker/sessions/bbbbbbbbbb.*
    equal "$status" 0
}
