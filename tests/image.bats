#!/usr/bin/env bats
# The program in a container: for where only an engine and a kubeconfig are at hand.

load lib/common

setup_file() {
    load lib/common
    user_setup api
}
teardown_file() {
    load lib/common
    user_teardown
}
# Its records and processes are in its container and go with it.
teardown() { eventually 15 nothing_of_it; }
nothing_of_it() {
    local text
    text=$(our_pods; docker ps -a --filter "label=dev.tpdocker.owner=root@$(name_of helper)" --format '{{.Names}}'
        json deployments | jq -r '.items[] | select(.metadata.labels["tpdocker.dev/swap"]) | .metadata.name')
    equal "$text" ''
}

# docker run OPTIONS for the helper; its own host name makes its sessions known.
helper=()
set_helper() {
    local network=(--network host)
    if [[ -z $own_cluster ]]; then network=(--network tpdocker-test); fi
    helper=(docker run --rm --hostname "$(name_of helper)" "${network[@]}"
        -v /var/run/docker.sock:/var/run/docker.sock -v "$TPT_KUBECONFIG:/root/.kube/config:ro")
}
program=tpdocker/tpdocker:$version

@test "a terminal, an exit code, the cluster's names" {
    set_helper
    status=0
    "$lib/terminal.py" --size 33x99 'expect:# $' 'send:until stty size | grep -v "^0 0"; do sleep 0.1; done\r' 'expect:33 99\r\n' 'expect:# $' \
        'send:curl http://api:8080/\r' 'expect:hello from api-' 'expect:# $' \
        'resize:40x90' 'send:until stty size | grep "^40"; do sleep 0.1; done\r' 'expect:40 90\r\n' 'expect:# $' 'send:exit 5\r' -- \
        "${helper[@]}" -it "$program" run -it "$client" sh 3>&- || status=$?
    equal "$status" 5
}

@test "pipes, and the bytes that go through them" {
    set_helper
    head -c 3000000 /dev/urandom >"$BATS_TEST_TMPDIR/data"
    "${helper[@]}" -i "$program" run -i --swap-deployment api "$client" cat <"$BATS_TEST_TMPDIR/data" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err"
    cmp "$BATS_TEST_TMPDIR/data" "$BATS_TEST_TMPDIR/out"
}

@test "Ctrl-C" {
    set_helper
    status=0
    "$lib/terminal.py" 'expect:swapped out' 'send:\x03' -- \
        "${helper[@]}" -it "$program" run -it --swap-deployment api "$client" bash 3>&- || status=$?
    equal "$status" 130
}

@test "docker stop of the helper ends the session" {
    set_helper
    name=$(name_of stopped)
    "${helper[@]}" -d --name "$name" "$program" run --name "$(name_of)" --swap-deployment api "$client" \
        sh -c 'trap "exit 0" TERM; while :; do sleep 0.1; done' >/dev/null
    until_running "$(name_of)"
    docker stop -t 30 "$name"
}

@test "version and help" {
    set_helper
    matches "$("${helper[@]}" "$program" version)" "$version"
    matches "$("${helper[@]}" "$program" help run)" 'swap-deployment'
}
