#!/usr/bin/env bats
# An engine that is restarted, killed, or gone: one of its own, beside the one that has the cluster.

load lib/common

setup_file() {
    load lib/common
    if ((EUID)); then return; fi
    user_setup api
    export BATS_TEST_TIMEOUT=180
    engine=/tmp/tpt-engine.$$
    mkdir -p "$engine"
    bridge=tpt$((RANDOM % 10000))
    export engine bridge OUTER_HOST=${DOCKER_HOST:-}
    ip link add "$bridge" type bridge
    ip address add 10.213.54.129/26 dev "$bridge"
    ip link set "$bridge" up
    start_engine
    DOCKER_HOST='' docker save "$sidecar_image" "$client" | docker -H "unix://$engine/sock" load -q >/dev/null
}
teardown_file() {
    load lib/common
    if ((EUID)); then return; fi
    stop_engine TERM
    umount -q "$engine"/root/*/* 2>/dev/null || true
    ip link del "$bridge"
    rm -rf "$engine"
    user_teardown
}
setup() {
    if ((EUID)); then skip 'an engine of its own takes root'; fi
    export DOCKER_HOST=unix://$engine/sock
}
teardown() {
    if ((EUID)); then return; fi
    if ! docker version >/dev/null 2>&1; then start_engine; fi
    check_teardown && eventually 150 settled
}

start_engine() {
    rm -f "$engine/pid" "$engine/exec/containerd/containerd.pid"
    setsid dockerd -H "unix://$engine/sock" --data-root "$engine/root" --exec-root "$engine/exec" -p "$engine/pid" \
        -b "$bridge" >>"$engine/log" 2>&1 </dev/null 3>&- 4>&- &
    eventually 60 docker -H "unix://$engine/sock" version || { tail -n 20 "$engine/log" && return 1; }
}
stop_engine() { # SIGNAL
    local main
    main=$(cat "$engine/pid")
    kill "-$1" "$main"
    eventually 60 ended "$main"
}

begin() {
    box=$(name_of)
    session run --name "$box" --swap-deployment api "$client" sleep infinity
    until_running "$box"
}

@test "a session through another engine" {
    # The cluster's name server may still have to catch up with an API server that was away (serial-apiserver.bats).
    answers() {
        try run "$client" curl -sSm 10 http://api:8080/
        equal "$status" 0
        matches "$out" '^hello from api-'
    }
    eventually 90 answers
}

@test "the engine is restarted" {
    begin
    stop_engine TERM
    start_engine
    wait_end 60
    [[ $status != 0 ]]
}

@test "the engine dies, and comes back" {
    begin
    stop_engine KILL
    start_engine
    wait_end 60
    [[ $status != 0 ]]
}

@test "the engine dies, and is away longer than the helper waits" {
    begin
    stop_engine KILL
    wait_end 90
    equal "$status" 125
    # what can be undone without it is
    eventually 10 swapped_back
    start_engine
    nothing_left 20
}
swapped_back() { json deployment api | jq -e '.metadata.labels["tpdocker.dev/swap"] == null and .spec.replicas == 1'; }
