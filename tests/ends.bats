#!/usr/bin/env bats
# Every end of a session that is not somebody's SIGKILL (kill.bats), the API
# server's or the engine's (serial-*.bats).

load lib/common

setup_file() {
    load lib/common
    user_setup api
}
teardown_file() {
    load lib/common
    user_teardown
}
teardown() { check_teardown && eventually 150 settled; }

# A session in the background whose container says when it begins.
begin() { # [OPTIONS...] -- COMMAND...
    local options=()
    while [[ $1 != -- ]]; do options+=("$1") && shift; done
    shift
    box=$(name_of)
    session run --name "$box" --swap-deployment api "${options[@]}" "$client" "$@"
    until_running "$box"
}
# A program that ends as it is asked to: 7 at SIGTERM, 8 at SIGINT, 9 at SIGHUP.
polite='trap "exit 7" TERM; trap "exit 8" INT; trap "exit 9" HUP; echo up; while :; do sleep 0.1; done'

up() { grep -q up "$pid_out"; }

@test "it ends with 0" {
    try run --swap-deployment api "$client" true
    equal "$status" 0
}

@test "it ends with 3" {
    try run --swap-deployment api "$client" sh -c 'exit 3'
    equal "$status" 3
}

@test "SIGTERM of the helper reaches the container, whose code counts" {
    begin -- bash -c "$polite"
    eventually 10 up
    kill -TERM "$pid"
    wait_end
    equal "$status" 7
}

@test "SIGINT likewise" {
    begin -- bash -c "$polite"
    eventually 10 up
    kill -INT "$pid"
    wait_end
    equal "$status" 8
}

@test "SIGHUP likewise" {
    begin -- bash -c "$polite"
    eventually 10 up
    kill -HUP "$pid"
    wait_end
    equal "$status" 9
}

@test "SIGTERM that the container does not heed: killed after 10 s" {
    begin -- sh -c 'trap "" TERM; echo up; while :; do sleep 1; done'
    eventually 10 up
    before=$SECONDS
    kill -TERM "$pid"
    wait_end 25
    ((SECONDS - before >= 9)) || fail 'too soon'
    equal "$status" 137
}

@test "SIGINT twice stops a container that does not heed the first" {
    begin -- bash -c 'trap "" INT; trap "exit 5" TERM; echo up; while :; do sleep 0.2; done'
    eventually 10 up
    kill -INT "$pid"
    eventually 5 running "$box"
    kill -INT "$pid"
    wait_end
    equal "$status" 5
}

# At which point a signal comes: what the helper has said by then.
interrupted_at() { # SIGNAL PATTERN CODE
    box=$(name_of)
    session run --verbose --name "$box" --swap-deployment api "$client" sleep infinity
    eventually 20 grep -qE "$2" "$pid_err"
    kill "-$1" "$pid"
    wait_end
    equal "$status" "$3"
    fails running "$box"
}

@test "SIGINT while the workload is swapped out" {
    interrupted_at INT 'swapped out' 130
}

@test "SIGTERM while the agent's pod comes up" {
    interrupted_at TERM 'waiting for the agent pod|swapped out' 143
}

@test "SIGINT while the tunnel comes up" {
    interrupted_at INT "the agent .* is ready|the link's kind" 130
}


@test "SIGINT at the very beginning" {
    session run --swap-deployment api "$client" true
    pause 0.05
    kill -INT "$pid"
    wait_end
    equal "$status" 130
}

@test "the container is stopped from elsewhere" {
    begin -- sleep infinity
    docker stop -t 0 "$box"
    wait_end
    equal "$status" 137
}

@test "the container is removed from elsewhere" {
    begin -- sleep infinity
    docker rm -f "$box"
    wait_end
    equal "$status" 137
}

@test "the agent's pod is deleted, with --on-disconnect exit" {
    begin --on-disconnect exit -- sleep infinity
    k delete pod "$(agent_pod)" --wait=false
    wait_end 30
    equal "$status" 125
    matches "$(cat "$pid_err")" 'agent pod' 'deleted|ended|gone'
}

@test "the agent's pod is deleted while the session begins" {
    box=$(name_of)
    session run --name "$box" --swap-deployment api "$client" sleep infinity
    eventually 20 agent_exists
    k delete pod "$(agent_pod)" --wait=false --grace-period=0 --force
    wait_end 40
    equal "$status" 125
}
agent_exists() { [[ -n $(agent_pod) ]]; }

@test "the sidecar is killed" {
    begin -- sleep infinity
    docker kill "$(sidecar_of "$box")"
    wait_end 30
    equal "$status" 125
    matches "$(cat "$pid_err")" sidecar
}

@test "the sidecar is removed" {
    begin -- sleep infinity
    docker rm -f "$(sidecar_of "$box")"
    wait_end 30
    equal "$status" 125
}

@test "the link breaks and is dialled again, the container lives on" {
    begin -- sleep infinity
    docker exec "$(sidecar_of "$box")" sh -c 'kill $(pidof ssh)' ||
        docker exec "$(sidecar_of "$box")" pkill -x ssh
    calls() { docker exec "$box" curl -sSm 3 http://echo.other:8080/; }
    eventually 30 calls
    running "$box"
    matches "$(cat "$pid_err")" 'link .* broke' 'is back'
    docker kill "$box"
    wait_end
}

@test "--rm=false keeps the container, and nothing else" {
    box=$(name_of)
    try run --rm=false --name "$box" --swap-deployment api "$client" sh -c 'echo kept >/file; exit 4'
    equal "$status" 4
    equal "$(docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' "$box")" 'exited 4'
    docker cp "$box:/file" - | tar -xO | grep -q kept
    docker rm "$box"
    # the gate's volume went with the container that could have been started again
    try cleanup
}

@test "-d: the ID is printed, the session lives until the container ends" {
    box=$(name_of)
    try run -d --name "$box" --swap-deployment api "$client" sh -c 'until [ -e /end ]; do sleep 0.1; done; exit 2'
    equal "$status" 0
    equal "$out" "$(docker inspect -f '{{.Id}}' "$box")"
    matches "$(docker exec "$box" curl -sSm 10 http://echo.other:8080/)" '^hello'
    docker exec "$box" touch /end
}

@test "a session in the background: its helper is killed" {
    box=$(name_of)
    try run -d --name "$box" --swap-deployment api "$client" sleep infinity
    equal "$status" 0
    for helper in $(ours); do
        if ! grep -qa guardian "/proc/$helper/cmdline"; then kill -KILL "$helper"; fi
    done
}

@test "a session in the background: its helper gets a SIGTERM" {
    box=$(name_of)
    try run -d --name "$box" --swap-deployment api "$client" sh -c 'trap "exit 0" TERM; echo up; while :; do sleep 0.1; done'
    equal "$status" 0
    # before that, its first process takes no notice of the signal
    is_up() { docker logs "$box" | grep -q up; }
    eventually 20 is_up
    for helper in $(ours); do
        if ! grep -qa guardian "/proc/$helper/cmdline"; then kill -TERM "$helper"; fi
    done
}
