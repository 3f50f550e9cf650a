#!/usr/bin/env bats
# The node's kubelet restarts, or is away. Alone, as all other tests need it.

load lib/common

setup_file() {
    load lib/common
    if [[ -n $own_cluster ]]; then return; fi
    user_setup api
}
teardown_file() {
    load lib/common
    if [[ -n $own_cluster ]]; then return; fi
    docker exec "$node" start-component kubelet
    user_teardown
}
setup() { needs_node; }
teardown() {
    if [[ -n $own_cluster ]]; then return; fi
    docker exec "$node" start-component kubelet
    check_teardown && eventually 150 settled
}

begin() { # OPTIONS...
    box=$(name_of)
    session run --name "$box" "$@" "$client" sleep infinity
    until_running "$box"
    started=$(docker inspect -f '{{.Id}} {{.State.StartedAt}}' "$box")
}
said() { grep -qE -e "$1" "$pid_err"; }
calls() { docker exec "$box" curl -sSm 3 http://echo.other:8080/; }
back() {
    eventually 40 said 'is back'
    eventually 5 calls
    equal "$(docker inspect -f '{{.Id}} {{.State.StartedAt}}' "$box")" "$started"
    equal "$(grep -c 'link .* broke' "$pid_err")" 1
    equal "$(grep -c 'is back' "$pid_err")" 1
    docker kill "$box"
    wait_end
    equal "$status" 137
}

@test "the kubelet restarts" {
    begin --swap-deployment api
    uid=$(json pods "$(agent_pod)" | jq -r .metadata.uid)
    docker exec "$node" stop-component kubelet
    eventually 10 said 'link to the cluster broke'
    docker exec "$node" start-component kubelet
    # the pod is none the worse for it
    equal "$(json pods "$(agent_pod)" | jq -r .metadata.uid)" "$uid"
    back
}

@test "the agent is deleted while the kubelet is away: it hangs, and goes by force" {
    begin
    agent=$(agent_pod)
    uid=$(json pods "$agent" | jq -r .metadata.uid)
    docker exec "$node" stop-component kubelet
    eventually 10 said 'link to the cluster broke'
    k delete pod "$agent" --wait=false
    eventually 40 made_again "$agent" "$uid"
    docker exec "$node" start-component kubelet
    back
}
