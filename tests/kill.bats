#!/usr/bin/env bats
# SIGKILL of the helper in every phase of a session: its guardian undoes it.

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

begin() {
    box=$(name_of)
    session run --verbose --name "$box" --swap-deployment api "$client" "$@"
}
die() {
    kill -KILL "$pid"
    wait_end
    equal "$status" 137
}

locked() { compgen -G "$TPT_STATE/tpdocker/sessions/*.lock" >/dev/null; }
recorded() { compgen -G "$TPT_STATE/tpdocker/sessions/*.json" >/dev/null; }
annotated() { json deployment api | jq -e '.metadata.labels["tpdocker.dev/swap"]'; }
pod_exists() { [[ -n $(agent_pod) ]]; }
sidecar_exists() { [[ -n $(our_containers) ]]; }
sidecar_runs() { [[ -n $(docker ps -q --filter "label=dev.tpdocker.owner=$TPT_OWNER") ]]; }
said() { grep -qE "$1" "$pid_err"; }
container_ended() { fails running "$box"; }

@test "killed at once" {
    begin sleep infinity
    die
}

@test "killed as its lock is taken" {
    begin sleep infinity
    eventually 20 locked
    die
}

@test "killed as its record is written" {
    begin sleep infinity
    eventually 20 recorded
    die
}

@test "killed as the workload is annotated" {
    begin sleep infinity
    eventually 20 annotated
    die
}

@test "killed as it says that the workload is swapped out" {
    begin sleep infinity
    eventually 20 said 'swapped out'
    die
}

@test "killed as the agent's pod appears" {
    begin sleep infinity
    eventually 20 pod_exists
    die
}

@test "killed as the sidecar appears" {
    begin sleep infinity
    eventually 20 sidecar_exists
    die
}

@test "killed as the sidecar runs" {
    begin sleep infinity
    eventually 20 sidecar_runs
    die
}

@test "killed as the sidecar has its link" {
    begin sleep infinity
    eventually 20 said "link's kind"
    die
}

@test "killed as the agent is ready" {
    begin sleep infinity
    eventually 20 said 'the agent .* is ready'
    die
}

@test "killed while the container runs" {
    begin sleep infinity
    until_running "$box"
    die
}

@test "killed while the container runs, with the docker CLI" {
    begin sleep infinity
    until_running "$box"
    mapfile -t all < <(for p in $(ours); do grep -qa guardian "/proc/$p/cmdline" || echo "$p"; done)
    kill -KILL "${all[@]}"
    wait_end
}

@test "killed as the container has ended" {
    begin sh -c 'echo up; sleep 0.2'
    eventually 20 grep -q up "$pid_out"
    eventually 20 container_ended
    kill -KILL "$pid" 2>/dev/null || true
    wait_end
}

# Moments that no event tells of.
@test "killed at six moments between start and end" {
    for ((i = 1; i <= 6; i++)); do
        box=$(name_of "$i")
        session run --name "$box" --swap-deployment api "$client" true
        pause "$((i * 35 / 100)).$((i * 35 % 100 / 10))"
        kill -KILL "$pid" 2>/dev/null || true
        wait_end
        nothing_left
        eventually 150 settled
    done
}
