#!/usr/bin/env bats
# The API server is gone for ten seconds. Alone, as all other tests need it.

load lib/common

setup_file() {
    load lib/common
    if [[ -n $own_cluster ]]; then return; fi
    user_setup api
    start_stray
}
teardown_file() {
    load lib/common
    if [[ -n $own_cluster ]]; then return; fi
    stop_stray
    docker exec "$node" start-component kube-apiserver
    user_teardown
}
setup() { needs_node; }
teardown() {
    if [[ -n $own_cluster ]]; then return; fi
    docker exec "$node" start-component kube-apiserver
    eventually 30 admin get namespaces
    check_teardown && eventually 150 settled
}

begin() {
    box=$(name_of)
    session run --name "$box" --swap-deployment api "$client" "$@"
    until_running "$box"
}
stop_server() { docker exec "$node" stop-component kube-apiserver; }
server_answers() { admin get --raw /readyz >/dev/null; }
start_server() {
    docker exec "$node" start-component kube-apiserver
    eventually 120 server_answers
}
calls() { docker exec "$box" curl -sSm 2 http://echo.other:8080/; }
broken() { grep -q 'link .* broke' "$pid_err"; }

@test "the session lives through it, and nothing escapes meanwhile" {
    begin sleep infinity
    calls
    stop_server
    since=$SECONDS
    eventually 15 broken
    # no name is answered by somebody else, no packet takes another way
    before=$(stray_log)
    docker exec "$box" sh -c "echo x | nc -uw 1 $stray $stray_port; curl -sm 2 http://$stray:$stray_port/; ping -c 1 -W 1 $stray" || true
    equal "$(stray_log)" "$before"
    fails calls
    fails docker exec "$box" curl -sSm 2 http://www.outside.test/
    while ((SECONDS - since < 10)); do pause; done
    running "$box"
    start_server
    eventually 30 calls
    running "$box"
    eventually 5 grep -q 'is back' "$pid_err"
    equal "$(grep -c 'link .* broke' "$pid_err")" 1
    equal "$(grep -c 'is back' "$pid_err")" 1
    docker kill "$box"
    wait_end
    equal "$status" 137
}

@test "the container ends meanwhile" {
    begin sleep infinity
    stop_server
    docker kill "$box"
    pause 3
    [[ -d /proc/$pid ]] || fail 'the helper gave up'
    matches "$(cat "$pid_err")" 'cluster cannot be cleaned up yet'
    start_server
    wait_end 30
    equal "$status" 137
}

@test "the helper is killed meanwhile" {
    begin sleep infinity
    stop_server
    kill -KILL "$pid"
    wait_end
    containers_gone() { [[ -z $(our_containers) ]]; }
    eventually 10 containers_gone
    start_server
    nothing_left 15
}

@test "it is gone while the session begins" {
    box=$(name_of)
    session run --name "$box" --swap-deployment api "$client" sleep infinity
    eventually 60 grep -q 'swapped out' "$pid_err"
    stop_server
    pause 2
    start_server
    # either way is right: it gets up all the same, or it says why not and undoes it
    done_with() { running "$box" || ended "$pid"; }
    eventually 60 done_with
    if running "$box"; then docker kill "$box"; fi
    wait_end 60
    [[ $status == 137 || $status == 125 ]]
}
