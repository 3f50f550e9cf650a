#!/usr/bin/env bats
# A session whose process is PID 1 of the sidecar's container: no program and no engine's socket of the host's.

load lib/common

setup_file() {
    load lib/common
    user_setup api
}
teardown_file() {
    load lib/common
    user_teardown
}
teardown() {
    if [[ -z ${BATS_TEST_COMPLETED:-} ]]; then docker logs "$(name_of net)" || true; fi
    docker ps -aq --filter "label=tpt=$TPT_ID" | xargs -r docker stop -t 40 >/dev/null
    docker ps -aq --filter "label=tpt=$TPT_ID" | xargs -r docker rm -f >/dev/null
    check_teardown && eventually 150 settled
}

# What the usage text says, and the cluster's network.
needs=(--user 0 --cap-add NET_ADMIN --tmpfs '/run/tpdocker:mode=0700,exec')
create() { # [DOCKER'S OPTIONS...] -- ARGS...
    local options=()
    while [[ $1 != -- ]]; do options+=("$1") && shift; done
    shift
    net=$(name_of net)
    docker run -d --label "tpt=$TPT_ID" --name "$net" --hostname "$(name_of h)" --network tpdocker-test \
        -v "$TPT_KUBECONFIG:/kube/config:ro" --health-cmd '/usr/lib/tpdocker/tpdocker-sidecar health' --health-interval 1s \
        "${options[@]}" "$sidecar_image" session "$@" >/dev/null
}
healthy() { equal "$(docker inspect -f '{{.State.Health.Status}}' "$net")" healthy; }
join() { docker run --rm --label "tpt=$TPT_ID" --network "container:$net" "$client" "$@"; }
exited() { equal "$(docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' "$net")" "exited $1"; }
replicas() { json deployment api | jq -r .spec.replicas; }
log() { docker logs "$net" 2>&1; }

@test "it swaps, is healthy, gives others the cluster, and docker stop restores" {
    create "${needs[@]}" -- --swap-deployment api
    eventually 60 healthy
    equal "$(replicas)" 0
    equal "$(docker exec "$net" /usr/lib/tpdocker/tpdocker-sidecar health)" ready
    matches "$(join dig +short +search api)" '^10\.'
    matches "$(join curl -sSm 10 http://kubernetes.default.svc:443/ 2>&1)" 'HTTP|400|Client sent'
    # its own way to the API server is not theirs
    fails join ping -c 1 -W 1 "$(k config view --minify -o 'jsonpath={.clusters[0].cluster.server}' | sed 's|.*//||; s|:.*||')"
    matches "$(docker exec "$net" /usr/lib/tpdocker/tpdocker ps)" '^session +ready .*deployment/api'
    # no other processes than those it needs, and no dead ones
    lacks "$(docker top "$net" -o stat,args)" '^Z'
    docker stop -t 40 "$net" >/dev/null
    exited 0
    matches "$(log)" 'the session ends: Terminated'
    eventually 150 settled
}

@test "the agent's pod goes: it ends, with its reason" {
    create "${needs[@]}" --
    eventually 60 healthy
    k delete pod "$(agent_pod)" --wait=false >/dev/null
    eventually 30 exited 125
    matches "$(log)" 'the agent pod .* was deleted or has ended'
}

@test "killed, and started again: what was left is undone first" {
    create "${needs[@]}" -- --swap-deployment api
    eventually 60 healthy
    docker kill "$net" >/dev/null
    equal "$(replicas)" 0
    docker start "$net" >/dev/null
    eventually 60 healthy
    matches "$(log)" 'cleaning up after the session'
    equal "$(our_pods | wc -l)" 1
    docker stop -t 40 "$net" >/dev/null
    exited 0
}

@test "what it needs, and how to give it" {
    create --
    eventually 10 exited 125
    matches "$(log)" 'it has to be root there' 'docker run --user 0 --cap-add NET_ADMIN --tmpfs'
    docker rm -f "$net" >/dev/null
    create --user 0 --tmpfs /run/tpdocker --
    eventually 10 exited 125
    matches "$(log)" 'lacks the capability NET_ADMIN'
    docker rm -f "$net" >/dev/null
    create --user 0 --cap-add NET_ADMIN --
    eventually 10 exited 125
    matches "$(log)" 'is no tmpfs'
    docker rm -f "$net" >/dev/null
    create "${needs[@]}" -- -v /a:/b
    eventually 10 exited 125
    matches "$(log)" 'go before the image'
    try session
    equal "$status" 125
    matches "$err" "for the sidecar.s image alone" 'tpdocker up'
}

@test "a credential plugin that is not in the image: the other way is named" {
    local config=$BATS_TEST_TMPDIR/config
    jq '.users[0].user = {exec: {apiVersion: "client.authentication.k8s.io/v1beta1", command: "aws-iam-authenticator"}}' \
        "$TPT_KUBECONFIG" >"$config"
    create "${needs[@]}" -v "$config:/other:ro" -e KUBECONFIG=/other --
    eventually 10 exited 125
    matches "$(log)" 'aws-iam-authenticator' 'tpdocker up. on the host'
}
