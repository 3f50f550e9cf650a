#!/usr/bin/env bats
# --deployment: an agent that runs already, and is left as it is.

load lib/common

setup_file() {
    load lib/common
    user_setup
    standing_agent '.spec.template.spec.containers[0].env = [{name: "PURPOSE", value: "stands here"}]' | k create -f - >/dev/null
    k create -f - >/dev/null <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata: {name: other}
spec:
  replicas: 1
  selector: {matchLabels: {app: other}}
  template:
    metadata: {labels: {app: other}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {name: other, image: tpdocker-test-app:latest, imagePullPolicy: IfNotPresent}
YAML
    eventually 150 settled
    remember_workloads
}
teardown_file() {
    load lib/common
    user_teardown
}
teardown() { check_teardown; }

authorized() { k exec deployment/standing -- sh -c 'cat /run/tpdocker/agent-*/authorized_keys' | grep -c tpdocker- || true; }
no_key_left() { equal "$(authorized)" 0; }

@test "without the rights it says which is missing" {
    try run --deployment standing "$client" true
    equal "$status" 125
    matches "$err" 'pods/exec' "$NS"
}

@test "it is used, and left as it was" {
    allow list pods
    allow create,get pods/exec
    uid=$(json pods -l app=standing | jq -r '.items[0].metadata.uid')
    try run --deployment standing "$client" sh -c 'echo "$PURPOSE"; curl -sSm 10 http://api.default:8080/'
    equal "$status" 0
    matches "$out" '^stands here$' '^hello from api-'
    equal "$(json pods -l app=standing | jq -r '.items[] | [.metadata.uid, .status.containerStatuses[0].restartCount] | @csv')" "\"$uid\",0"
    eventually 10 no_key_left
}

@test "two sessions use one agent" {
    session run --name "$(name_of a)" --deployment standing "$client" sleep infinity
    until_running "$(name_of a)"
    try run --deployment standing:agent "$client" curl -sSm 10 http://api.default:8080/
    equal "$status" 0
    docker exec "$(name_of a)" curl -sSm 10 http://api.default:8080/
    equal "$(authorized)" 1 'the first one is not let in any more, or the second one still is'
    docker kill "$(name_of a)"
    wait_end
    eventually 10 no_key_left
}

@test "a helper that is killed leaves no key" {
    session run --name "$(name_of)" --deployment standing "$client" sleep infinity
    until_running "$(name_of)"
    kill -KILL "$pid"
    wait_end
    nothing_left
    eventually 10 no_key_left
}

@test "a deployment that is no agent is refused" {
    try run --deployment other "$client" true
    equal "$status" 125
    matches "$err" other 'no tpdocker agent' -- --swap-deployment
    try run --deployment nothing "$client" true
    equal "$status" 125
    matches "$err" nothing
}
