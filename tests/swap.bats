#!/usr/bin/env bats
# The remote side: workloads that are swapped out and come back.

load lib/common

setup_file() {
    load lib/common
    user_setup web db bare api strict
}
teardown_file() {
    load lib/common
    user_teardown
}
teardown() { check_teardown && eventually 150 settled; }

# A workload without what the cluster writes into it.
essence() { json "$@" | jq -S '{metadata: (.metadata | {labels, annotations}), spec}'; }
container() { jq --arg name "$2" '.spec.containers[] | select(.name == $name)' <<<"$1"; }
ready_addresses() { json endpoints "$1" | jq -r '.subsets[]?.addresses[]?.ip' | sort; }
leads_to() { equal "$(ready_addresses "$1")" "$2"; }

@test "a Deployment: what is kept, what is dropped, and how it comes back" {
    before=$(essence deployment web)
    background --swap-deployment web "$client" sleep infinity
    equal "$(json deployment web | jq .spec.replicas)" 0
    pod=$(json pod "$(agent_pod)")
    template=$(jq .spec.template <<<"$before")

    # labels, annotations, volumes, accounts
    equal "$(jq -Sc '.metadata.labels | {app, tier}' <<<"$pod")" '{"app":"web","tier":"front"}'
    equal "$(jq -r '.metadata.annotations["example.com/pod"]' <<<"$pod")" annotation
    equal "$(jq -c '[.spec.volumes[].name] - ["config", "secret", "downward", "scratch"] | map(select(startswith("tpdocker") | not))
        | map(select(test("token") | not))' <<<"$pod")" '[]'
    equal "$(jq -Sc .spec.hostAliases <<<"$pod")" "$(jq -Sc .spec.hostAliases <<<"$template")"
    equal "$(jq -c '[.spec.initContainers[].name]' <<<"$pod")" '["prepare"]'

    # the other container is as it was
    equal "$(jq -S '.spec.containers[1] | del(.volumeMounts[] | select(.mountPath | startswith("/var/run/secrets")))' <<<"$pod")" \
        "$(jq -S '.spec.containers[1]' <<<"$template")"

    # the target
    app=$(container "$pod" app) was=$(container "$template" app)
    equal "$(jq -r .image <<<"$app")" "$sidecar_image"
    equal "$(jq -c '[.readinessProbe, .livenessProbe, .startupProbe, .lifecycle]' <<<"$app")" '[null,null,null,null]'
    lacks "$(jq -c '[.command, .args]' <<<"$app")" 'tpdocker-test-app' -- --ignored
    equal "$(jq -Sc .ports <<<"$app")" "$(jq -Sc .ports <<<"$was")"
    equal "$(jq -Sc .envFrom <<<"$app")" "$(jq -Sc .envFrom <<<"$was")"
    equal "$(jq -Sc .resources <<<"$app")" "$(jq -Sc .resources <<<"$was")"
    equal "$(jq -c --argjson was "$(jq '[.env[].name]' <<<"$was")" '$was - [.env[].name]' <<<"$app")" '[]'

    # its Service leads to the agent's pod, and the other container runs
    eventually 20 leads_to web "$(jq -r .status.podIP <<<"$pod")"
    matches "$(inside curl -sSm 10 "http://$(jq -r .status.podIP <<<"$pod"):8081/env/ROLE")" '^helper'

    docker stop -t 0 "$box"
    as_before
    equal "$(essence deployment web)" "$before"
}

@test "a container by its name" {
    background --swap-deployment web:helper "$client" sleep infinity
    equal "$(inside printenv ROLE)" helper
    equal "$(inside printenv TELEPRESENCE_CONTAINER)" helper
    equal "$(json pod "$(agent_pod)" | jq -r '.spec.containers[0].image')" tpdocker-test-app:latest
    docker stop -t 0 "$box"
}

@test "a StatefulSet" {
    before=$(essence statefulset db)
    background --swap-deployment statefulset/db "$client" sleep infinity
    equal "$(json statefulset db | jq .spec.replicas)" 0
    equal "$(json pod "$(agent_pod)" | jq -r .metadata.labels.app)" db
    eventually 20 leads_to db "$(json pod "$(agent_pod)" | jq -r .status.podIP)"
    docker stop -t 0 "$box"
    as_before
    equal "$(essence statefulset db)" "$before"
}

@test "a ReplicaSet" {
    before=$(essence replicaset bare)
    background --swap-deployment rs/bare "$client" sleep infinity
    equal "$(json replicaset bare | jq .spec.replicas)" 0
    docker stop -t 0 "$box"
    as_before
    equal "$(essence replicaset bare)" "$before"
}

@test "a ReplicationController" {
    json deployment api | jq '{apiVersion: "v1", kind: "ReplicationController", metadata: {name: "old"},
        spec: {replicas: 1, selector: {app: "old"}, template: (.spec.template | .metadata.labels = {app: "old"})}}' | k_create -f -
    allow get,patch replicationcontrollers,replicationcontrollers/scale
    ready() { json replicationcontrollers old | jq -e '.status.readyReplicas == 1'; }
    eventually 60 ready
    background --swap-deployment rc/old "$client" sleep infinity
    equal "$(json replicationcontrollers old | jq .spec.replicas)" 0
    equal "$(inside printenv ROLE)" api
    # it does not take our pod for one too many
    matches "$(inside curl -sSm 10 http://echo.other:8080/)" '^hello'
    equal "$(json pod "$(agent_pod)" | jq -r .metadata.deletionTimestamp)" null
    docker stop -t 0 "$box"
    nothing_left
    eventually 60 ready
    equal "$(json replicationcontrollers old | jq -c '[.spec.replicas, (.metadata.labels + .metadata.annotations | keys | map(select(startswith("tpdocker"))))]')" '[1,[]]'
    k delete replicationcontroller old --wait=false >/dev/null
}

@test "a pod that may do nothing: any user, a root that cannot be written, no capabilities" {
    background --swap-deployment strict "$client" sleep infinity
    pod=$(json pod "$(agent_pod)")
    equal "$(jq -Sc .spec.securityContext <<<"$pod")" "$(json deployment strict | jq -Sc .spec.template.spec.securityContext)"
    equal "$(jq -cS .spec.containers[0].securityContext <<<"$pod")" \
        "$(json deployment strict | jq -cS .spec.template.spec.containers[0].securityContext)"
    equal "$(k exec "$(agent_pod)" -- id -u)" 1000650000
    matches "$(inside curl -sSm 10 http://api:8080/)" '^hello from api-'
    docker stop -t 0 "$box"
}

@test "a new agent satisfies the Pod Security Standard restricted" {
    name=$(name_of agent | tr _ -)
    background --new-deployment "$name" "$client" sleep infinity
    equal "$(agent_pod)" "$name"
    matches "$(inside curl -sSm 10 http://api:8080/)" '^hello from api-'
    spec=$(json pod "$name" | jq .spec)
    equal "$(jq -c '.securityContext + .containers[0].securityContext | [.runAsNonRoot, .allowPrivilegeEscalation, .readOnlyRootFilesystem,
        .capabilities.drop]' <<<"$spec")" '[true,false,true,["ALL"]]'
    matches "$(jq -c '[.securityContext.seccompProfile.type, .containers[0].securityContext.seccompProfile.type]' <<<"$spec")" RuntimeDefault
    equal "$(jq -c '[.hostNetwork, .hostPID, .hostIPC] | map(. // false)' <<<"$spec")" '[false,false,false]'
    docker stop -t 0 "$box"
}

@test "--serviceaccount" {
    k_create serviceaccount special
    background --serviceaccount special "$client" sleep infinity
    equal "$(json pod "$(agent_pod)" | jq -r .spec.serviceAccountName)" special
    docker stop -t 0 "$box"
}

@test "a second swap is refused, with who and since when and how to undo it" {
    background --swap-deployment api "$client" sleep infinity
    try run --swap-deployment api "$client" true
    equal "$status" 125
    matches "$err" api "$TPT_OWNER" "$(date +%Y-%m-%d)" 'tpdocker cleanup'
    equal "$(our_pods | wc -l)" 1
    # the first one has not noticed
    matches "$(inside curl -sSm 10 http://echo.other:8080/)" '^hello'
    equal "$(json deployment api | jq .spec.replicas)" 0

    # cleanup does not take it away either, until it is told to
    try cleanup api
    [[ $status != 0 ]]
    matches "$err" "$TPT_OWNER" -- --force
    running "$box"
    try cleanup --force api
    equal "$status" 0
    eventually 20 gone "$box"
}
gone() { fails running "$1"; }

@test "a swap that somebody scaled meanwhile keeps the new count" {
    background --swap-deployment api "$client" sleep infinity
    k scale deployment api --replicas 3 >/dev/null
    docker stop -t 0 "$box"
    eventually 10 equal_replicas api 3
    k scale deployment api --replicas 1 >/dev/null
}
equal_replicas() { equal "$(json deployment "$1" | jq .spec.replicas)" "$2"; }

@test "what a dead session left is found by the next run" {
    session run --name "$(name_of)" --swap-deployment api "$client" sleep infinity
    until_running "$(name_of)"
    # all of it dies: the helper, its guardian and what they have started
    ours | xargs kill -KILL
    wait_end
    equal "$(json deployment api | jq .spec.replicas)" 0
    try run --swap-deployment api "$client" printenv ROLE
    equal "$status" 0
    equal "$out" api
}

@test "tpdocker cleanup undoes what a dead session left" {
    session run --name "$(name_of)" --swap-deployment api "$client" sleep infinity
    until_running "$(name_of)"
    ours | xargs kill -KILL
    wait_end
    try cleanup
    equal "$status" 0
}
