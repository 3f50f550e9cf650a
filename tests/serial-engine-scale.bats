#!/usr/bin/env bats
# The native engine with many connections: at the same time, and one after another. Memory is that of both its halves.

load lib/common

setup_file() {
    load lib/common
    export BATS_TEST_TIMEOUT=900 # a slow machine may take its time
    user_setup api
    k create configmap crowd --from-file "$lib/crowd.py" >/dev/null
    k create -f - >/dev/null <<YAML
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "crowd"}, "spec": {"terminationGracePeriodSeconds": 1,
 "containers": [{"name": "crowd", "image": "$client", "imagePullPolicy": "IfNotPresent",
    "command": ["python3", "-u", "/crowd/crowd.py", "serve", "7301", "7302", "7303", "7304"],
    "volumeMounts": [{"name": "crowd", "mountPath": "/crowd"}]}],
 "volumes": [{"name": "crowd", "configMap": {"name": "crowd"}}]}}
YAML
    background --volumes off -v "$lib:/lib-of-tests:ro" "$client" sleep infinity
    eventually 60 serves
    server=$(json pod crowd | jq -r .status.podIP)
    agent=$(agent_pod)
    export box server agent
}

teardown_file() {
    load lib/common
    docker kill "$box" >/dev/null
    user_teardown
}

serves() { [[ $(k logs crowd) == ready ]]; }
crowd() { inside timeout 800 python3 -u /lib-of-tests/crowd.py "$@"; }

# KB of both halves: in the sidecar, in the pod.
memory() {
    local rss='for p in /proc/[0-9]*; do if tr "\0" " " <$p/cmdline | grep -qE "$0"; then awk "/^VmRSS/ { print \$2 }" $p/status; fi; done 2>/dev/null | sort -n | tail -n 1'
    docker exec "$(sidecar_of "$box")" sh -c "$rss" '^[^ ]*tpdocker-sidecar redirect '
    k exec "$agent" -- sh -c "$rss" '^[^ ]*tpdocker-agent engine '
}

# grew_at_most KB AFTER BEFORE - each half.
grew_at_most() {
    local most=$1 after=($2) before=($3) i
    [[ ${#after[@]} == 2 && ${#before[@]} == 2 ]] || fail "memory of two halves: ${after[*]}; ${before[*]}"
    echo "# KB before ${before[*]}, after ${after[*]}" >&3
    for i in 0 1; do ((after[i] - before[i] <= most)) || fail "grew from ${before[i]} to ${after[i]} KB"; done
}

@test "5,000 idle and 1,000 active connections at once" {
    before=$(memory)
    mkfifo "$BATS_TEST_TMPDIR/go"
    docker exec -i "$box" timeout 300 python3 -u /lib-of-tests/crowd.py hold "$server" 7301 5000 1000 5 \
        <"$BATS_TEST_TMPDIR/go" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" &
    holder=$!
    exec 7>"$BATS_TEST_TMPDIR/go"
    eventually 200 grep -q held "$BATS_TEST_TMPDIR/out"
    # 6,000 connections: less than 10 KB each, sockets' own buffers are the kernel's
    grew_at_most 60000 "$(memory)" "$before"
    # and another is as good as ever
    equal "$(crowd series "$server" 7302 10 1)" 10
    echo go >&7
    exec 7>&-
    wait "$holder"
    cat "$BATS_TEST_TMPDIR/err"
    equal "$(cat "$BATS_TEST_TMPDIR/out")" $'5000\n5000 held\n5000'
}

@test "100,000 connections one after another: memory stays flat" {
    equal "$(crowd series "$server" 7301,7302,7303,7304 4000 8)" 4000
    before=$(memory)
    equal "$(crowd series "$server" 7301,7302,7303,7304 100000 8)" 100000
    grew_at_most 4000 "$(memory)" "$before"
}
