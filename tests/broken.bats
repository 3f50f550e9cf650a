#!/usr/bin/env bats
# What is found out only when it is tried: the pod cannot come up. It is told in
# the pod's own words, and all of it is undone.

load lib/common

setup_file() {
    load lib/common
    user_setup api
    docker tag "$sidecar_image" "localhost:1/tpt-$TPT_ID:1"
}
teardown_file() {
    load lib/common
    docker rmi "localhost:1/tpt-$TPT_ID:1" >/dev/null
    user_teardown
}
teardown() { check_teardown && eventually 150 settled; }

@test "an image that the cluster cannot get is told within seconds" {
    local before=$SECONDS
    try run --image "localhost:1/tpt-$TPT_ID:1" --swap-deployment api "$client" true
    equal "$status" 125
    matches "$err" "localhost:1/tpt-$TPT_ID:1" 'ErrImagePull|ImagePullBackOff'
    ((SECONDS - before < 40)) || fail 'that took too long'
}

@test "an image that is no agent" {
    try run --image "$client" "$client" true
    equal "$status" 125
    matches "$err" "$client"
}

@test "an init container that fails" {
    k_create deployment broken --image tpdocker-test-app:latest --replicas 0
    k patch deployment broken -p '{"spec": {"template": {"spec": {"initContainers": [{"name": "first",
        "image": "tpdocker-test-app:latest", "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", "echo no luck; exit 4"]}]}}}}' >/dev/null
    try run --swap-deployment broken "$client" true
    equal "$status" 125
    matches "$err" first
}

@test "a secret that is not there" {
    k_create deployment wanting --image tpdocker-test-app:latest --replicas 0
    k patch deployment wanting -p '{"spec": {"template": {"spec": {"containers": [{"name": "tpdocker-test-app",
        "envFrom": [{"secretRef": {"name": "no-such-secret"}}]}]}}}}' >/dev/null
    try run --swap-deployment wanting "$client" true
    equal "$status" 125
    matches "$err" no-such-secret
}

@test "a container beside it that never becomes ready: its session can be ended" {
    k_create deployment slow --image tpdocker-test-app:latest --replicas 0
    k patch deployment slow -p '{"spec": {"template": {"spec": {"containers": [{"name": "beside", "image": "tpdocker-test-app:latest",
        "imagePullPolicy": "IfNotPresent", "env": [{"name": "HTTP_PORT", "value": "81"}, {"name": "ECHO_PORT", "value": "82"},
        {"name": "STREAM_PORT", "value": "83"}], "readinessProbe": {"exec": {"command": ["false"]}}}]}}}}' >/dev/null
    session run --swap-deployment slow:tpdocker-test-app "$client" true
    eventually 30 grep -q 'waiting for the agent pod.*beside' "$pid_err"
    kill -INT "$pid"
    wait_end
    equal "$status" 130
}
