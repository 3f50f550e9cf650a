#!/usr/bin/env bats
# A session is kept up: its agent's pod goes, in every way that a pod can go,
# and is made again; the link breaks, and is dialled again. The container lives on.

load lib/common

setup_file() {
    load lib/common
    user_setup api web db
    standing
    remember_workloads
    allow list pods
    allow create,get pods/exec
    if ((EUID == 0)) && [[ -z $own_cluster ]]; then phantom_start; fi
}
teardown_file() {
    load lib/common
    if [[ -n ${phantom:-} ]]; then phantom_stop; fi
    user_teardown
}
teardown() {
    if [[ -n ${phantom:-} ]]; then back_to_light; fi
    if [[ -n ${pid:-} ]]; then kill -CONT "$pid" 2>/dev/null || true; fi
    k delete quota none --ignore-not-found >/dev/null
    [[ -n ${BATS_TEST_COMPLETED:-} ]] || mend
    check_teardown && eventually 60 settled
}

# What a test that failed may have left broken.
mend() {
    local pod
    for pod in $(json pods -l tpdocker.dev/session | jq -r '.items[] | select(.metadata.finalizers) | .metadata.name'); do
        k patch pod "$pod" --type merge -p '{"metadata": {"finalizers": null}}'
    done
    k_create rolebinding tpdocker-developer --clusterrole tpdocker-developer --serviceaccount default:developer || true
    json deployment standing >/dev/null 2>&1 || standing || true
}

# An agent that stands by itself.
standing() {
    standing_agent | k create -f - >/dev/null
    eventually 60 settled
}

# --------------------------------------------------------------- the session

begin() { # OPTIONS...
    box=$(name_of)
    session run --name "$box" "$@" "$client" sh -c 'echo 1 >/tmp/alive; trap "exit 3" TERM; while :; do sleep 0.1; done'
    until_running "$box"
    started=$(docker inspect -f '{{.Id}} {{.State.StartedAt}}' "$box")
}
# The better reason is not waited for for ever, and a busy cluster may tell it too late.
late='link to the cluster broke \(ssh ended'
said() { grep -qE -e "$1" "$pid_err"; }
calls() { docker exec "$box" curl -sSm 3 http://echo.other:8080/; }
resolves() { docker exec "$box" dig +short +time=2 +tries=1 echo.other.svc.cluster.local | grep -q '^10\.'; }
pod_of() { json pods "$1"; }

# It is back, everything works, and it is the same container; the user was told
# once that the link went and once that it is back.
back() { # [SECONDS [TIMES]]
    local times=${2:-1}
    came_back() { (($(grep -c 'is back' "$pid_err") == times)); }
    eventually "${1:-60}" came_back
    eventually 5 calls
    resolves
    equal "$(docker inspect -f '{{.Id}} {{.State.StartedAt}}' "$box")" "$started"
    docker exec "$box" test -e /tmp/alive
    equal "$(grep -c 'link to the cluster broke' "$pid_err")" "$times" "$(cat "$pid_err")"
    # nothing else was said, but at the start, and by a cluster that takes its time
    equal "$(grep -vcE 'swapped out|: waiting for the agent pod|: ports of the pod|: no link to the cluster for 1[0-9] s' "$pid_err")" $((2 * times)) "$(cat "$pid_err")"
}
finish() {
    docker stop "$box" >/dev/null
    wait_end
    equal "$status" 3
}

# What makes a pod what it is, but for its address and age.
identity() { jq -c '[.metadata.name, .metadata.labels, .spec.hostname, .spec.subdomain, .spec.serviceAccountName, (.spec.containers | map(.name))]'; }

# The agent of a session that began goes; afterwards there is another like it.
goes() { # COMMAND... - with the pod's name behind
    agent=$(agent_pod)
    before=$(pod_of "$agent")
    "$@" "$agent"
    back 60 "${times:-1}"
    after=$(pod_of "$agent")
    equal "$(identity <<<"$after")" "$(identity <<<"$before")"
    [[ $(jq -r .metadata.uid <<<"$after") != $(jq -r .metadata.uid <<<"$before") ]] || fail 'it is the same pod'
    equal "$(our_pods | wc -l)" 1
}

delete() { k delete pod "$1" --wait=false; }
delete_at_once() { k delete pod "$1" --wait=false --grace-period=0 --force; }
evict() { # through the API, as `kubectl drain` does
    jq -n --arg pod "$1" --arg ns "$NS" --arg api "$(eviction_api)" \
        '{apiVersion: $api, kind: "Eviction", metadata: {name: $pod, namespace: $ns}}' |
        k create --raw "/api/v1/namespaces/$NS/pods/$1/eviction" -f -
}
eviction_api() {
    if [[ $(admin get --raw /apis/policy | jq -r '.versions[].version') == *v1$'\n'* ]]; then echo policy/v1; else echo policy/v1beta1; fi
}
evict_by_kubelet() { eventually 30 evicted "$1" "$(pod_of "$1" | jq -r .metadata.uid)"; }
# evicted POD UID - as the kubelet writes it when the node is low on something. The real one may know better, and have
# written "Running" over it before anybody acted on it; then it has to be told again.
evicted() {
    if said 'link to the cluster broke'; then return; fi
    # (not as curl: see json)
    curl --user-agent tests -sSm 20 --unix-socket "$BATS_FILE_TMPDIR/proxy" -X PATCH -H 'Content-Type: application/merge-patch+json' \
        -d '{"metadata": {"uid": "'"$2"'"}, "status": {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}}' \
        "http://localhost/api/v1/namespaces/$NS/pods/$1/status" >/dev/null
    eventually 3 said 'link to the cluster broke'
}
# As when nobody was connected for its time-to-live.
end_agent() { k exec "$1" -c "$(agent_container "$1")" -- sh -c 'kill 1' || true; } # it may take our shell with it
agent_container() { pod_of "$1" | jq -r '.spec.containers[] | select(.command[0] == "/usr/lib/tpdocker/tpdocker-agent") | .name'; }

# ------------------------------------------------------------- pods that go

@test "a swapped workload's agent is deleted" {
    begin --swap-deployment api
    goes delete
    said "the agent pod api-tpdocker-.* was deleted|$late"
    finish
}

@test "a new agent is deleted" {
    begin --new-deployment mine-"$TPT_ID"
    goes delete
    finish
}

@test "a new agent is deleted by force" {
    begin
    goes delete_at_once
    finish
}

@test "a swapped workload's agent is evicted" {
    begin --swap-deployment web
    goes evict
    finish
}

@test "a swapped workload's agent is evicted by the kubelet" {
    begin --swap-deployment web
    goes evict_by_kubelet
    said "was evicted: The node was low on resource: memory|has ended|$late" # the kubelet may have written its own words since
    finish
}

@test "a new agent is evicted by the kubelet" {
    begin
    goes evict_by_kubelet
    finish
}

@test "an agent ends by itself" {
    begin
    goes end_agent
    said "has ended|$late"
    finish
}

@test "an agent ends by itself, and the other containers of its pod do not" {
    begin --swap-deployment web
    goes end_agent
    said "has ended|$late"
    finish
}

@test "the agent of a StatefulSet has its identity again" {
    begin --swap-deployment statefulset/db
    goes delete
    equal "$(docker exec "$box" hostname)" db-0
    equal "$(pod_of "$(agent_pod)" | jq -r '.spec.hostname + "." + .spec.subdomain')" "db-0.$(json statefulset db | jq -r .spec.serviceName)"
    finish
}

@test "the agent's container is killed: another start of it in the same pod" {
    needs_node
    begin --swap-deployment api
    agent=$(agent_pod)
    id=$(pod_of "$agent" | jq -r '.status.containerStatuses[0].containerID | sub("docker://"; "")')
    docker exec "$node" docker kill "$id"
    back
    equal "$(pod_of "$agent" | jq -r '.status.containerStatuses[0].restartCount')" 1
    finish
}

@test "twice in a row" {
    begin
    goes delete
    times=2 goes delete
    finish
}

@test "over docker exec" {
    TPT_RUN=/proc/nothing begin --swap-deployment api
    goes delete
    finish
}

@test "with kubectl's port-forward" {
    begin --port-forward kubectl
    goes delete
    finish
}

@test "a session in the background" {
    box=$(name_of)
    try run -d --name "$box" --swap-deployment api "$client" sh -c 'echo 1 >/tmp/alive; while :; do sleep 0.1; done'
    equal "$status" 0
    started=$(docker inspect -f '{{.Id}} {{.State.StartedAt}}' "$box")
    pid_err=$(compgen -G "$TPT_STATE/tpdocker/sessions/*.log")
    goes delete
    docker kill "$box"
}

# ------------------------------------------------------------------ standing

@test "a standing agent is deleted: its deployment's next pod is found" {
    begin --deployment standing
    old=$(standing_pod | jq -r .metadata.name)
    delete "$old"
    back
    said 'looking for another'
    [[ $(standing_pod | jq -r .metadata.name) != "$old" ]]
    equal "$(authorized)" 1
    finish
    eventually 10 no_key_left
}
standing_pod() { json pods -l app=standing | jq -e '.items | map(select(.metadata.deletionTimestamp | not)) | first'; }
authorized() { k exec "$(standing_pod | jq -r .metadata.name)" -- sh -c 'cat /run/tpdocker/agent-*/authorized_keys' | grep -c tpdocker- || true; }
no_key_left() { equal "$(authorized)" 0; }

@test "a standing agent is started anew: it is given the key again" {
    needs_node
    begin --deployment standing
    id=$(standing_pod | jq -r '.status.containerStatuses[0].containerID | sub("docker://"; "")')
    docker exec "$node" docker kill "$id"
    back
    finish
    eventually 10 no_key_left
}

@test "the standing agent's helper is killed after it moved: the key goes" {
    begin --deployment standing
    delete "$(standing_pod | jq -r .metadata.name)"
    back
    kill -KILL "$pid"
    wait_end
    nothing_left
    eventually 10 no_key_left
}

@test "the deployment of a standing agent is deleted" {
    begin --deployment standing
    k delete deployment standing --wait=false
    wait_end 60
    equal "$status" 125
    matches "$(cat "$pid_err")" 'agent pod .* gone' 'no Deployment "standing"'
    standing
    remember_workloads
}

# ----------------------------------------------------------- --on-disconnect

@test "--on-disconnect=exit: the agent's pod is deleted" {
    begin --on-disconnect=exit --swap-deployment api
    delete "$(agent_pod)"
    wait_end 30
    equal "$status" 125
    matches "$(cat "$pid_err")" "the agent pod api-tpdocker-.* was deleted|$late" 'on-disconnect=exit'
    fails running "$box"
}

@test "--on-disconnect=exit: the link breaks" {
    begin --on-disconnect exit --swap-deployment api
    docker exec "$(sidecar_of "$box")" pkill -x ssh
    wait_end 30
    equal "$status" 125
    matches "$(cat "$pid_err")" 'the link to the cluster broke \(ssh ended' 'on-disconnect=exit'
}

@test "--on-disconnect=exit: a session in the background" {
    box=$(name_of)
    try run -d --on-disconnect=exit --name "$box" "$client" sleep infinity
    equal "$status" 0
    delete "$(agent_pod)"
    gone() { fails running "$box"; }
    eventually 30 gone
}

@test "--on-disconnect=panic is refused" {
    try run --on-disconnect=panic "$client" true
    equal "$status" 125
    matches "$err" 'reconnect and exit'
}

# --------------------------------------------------------------------- links

@test "the docker exec of the link breaks" {
    TPT_RUN=/proc/nothing begin
    docker exec "$(sidecar_of "$box")" pkill -f 'tpdocker-sidecar link'
    back
    finish
}

@test "kubectl's port-forward dies" {
    begin --port-forward kubectl
    for p in $(ours); do
        if grep -qa port-forward "/proc/$p/cmdline" && grep -qa ^kubectl "/proc/$p/cmdline"; then kill -KILL "$p"; fi
    done
    back
    finish
}

# The helper's own process.
helper() {
    local p
    for p in $(ours); do
        if grep -qx tpdocker "/proc/$p/comm" && ! grep -qa guardian "/proc/$p/cmdline"; then echo "$p"; fi
    done
}

# A laptop's sleep, as far as the helper is concerned.
sleeps() { # SECONDS
    local until=$((SECONDS + $1)) sleeper
    sleeper=$(helper)
    kill -STOP "$sleeper"
    while ((SECONDS < until)); do pause 0.5; done
    fails calls
    kill -CONT "$sleeper"
}

@test "the helper is stopped for 60 s" {
    begin --swap-deployment api
    sleeps 60
    back 20
    # what was dialled meanwhile has not piled up
    one_link() { equal "$(docker exec "$(sidecar_of "$box")" pgrep -cx ssh)" 1; }
    eventually 10 one_link
    no_dials() { equal "$(docker exec "$(sidecar_of "$box")" pgrep -cf 'tpdocker-sidecar dial')" 0; }
    eventually 10 no_dials
    finish
}

@test "the helper is stopped for 60 s, over docker exec" {
    TPT_RUN=/proc/nothing begin
    sleeps 60
    back 20
    one_exec() { equal "$(docker exec "$(sidecar_of "$box")" pgrep -cf 'tpdocker-sidecar link')" 1; }
    eventually 20 one_exec
    finish
}

@test "the agent has ended by itself while the helper was stopped" {
    begin
    sleeper=$(helper)
    kill -STOP "$sleeper"
    agent=$(agent_pod)
    end_agent "$agent"
    has_ended() { equal "$(pod_of "$agent" | jq -r .status.phase)" Succeeded; }
    eventually 30 has_ended
    kill -CONT "$sleeper"
    back
    finish
}

# ----------------------------------------------------- an API server that is away
#
# An address that nobody has, in the network of the cluster's container, which this machine's kernel turns into
# the API server's. What goes to it, and only that, can be lost.

phantom_start() {
    local address
    address=$(jq -r '.clusters[0].cluster.server' "$TPT_KUBECONFIG" | sed 's|https://||; s|:.*||')
    phantom=${address%.*}.$((RANDOM % 100 + 100)) chain=TPT-${TPT_ID##*-}
    export phantom chain
    iptables -w -t nat -N "$chain"
    iptables -w -t nat -A "$chain" -d "$phantom" -p tcp --dport 6443 -j DNAT --to-destination "$address:6443"
    # and nothing else of it leaves
    iptables -w -N "$chain"
    iptables -w -N "$chain-DARK"
    iptables -w -A "$chain" -m conntrack --ctorigdst "$phantom" -j "$chain-DARK"
    iptables -w -I OUTPUT -j "$chain"
    iptables -w -I INPUT -j "$chain"
    iptables -w -t nat -I OUTPUT -j "$chain"
    jq --arg server "https://$phantom:6443" '.clusters[0].cluster += {server: $server, "tls-server-name": "kubernetes"}' \
        "$TPT_KUBECONFIG" >"$BATS_FILE_TMPDIR/phantom.kubeconfig"
    chmod 600 "$BATS_FILE_TMPDIR/phantom.kubeconfig"
}
phantom_stop() {
    iptables -w -t nat -D OUTPUT -j "$chain" || true
    iptables -w -D OUTPUT -j "$chain" || true
    iptables -w -D INPUT -j "$chain" || true
    iptables -w -t nat -F "$chain" && iptables -w -t nat -X "$chain" || true
    iptables -w -F "$chain" && iptables -w -X "$chain" || true
    iptables -w -F "$chain-DARK" && iptables -w -X "$chain-DARK" || true
}
needs_phantom() {
    needs_node
    if ((EUID)); then skip 'packet filters take root'; fi
}
dark() { iptables -w -A "$chain-DARK" -j DROP; }
back_to_light() { iptables -w -F "$chain-DARK"; }
stays_dark() { # SECONDS
    local until=$((SECONDS + $1))
    while ((SECONDS < until)); do pause 0.2; done
}

@test "packets are lost for 10 s" {
    needs_phantom
    TPT_KUBECONFIG=$BATS_FILE_TMPDIR/phantom.kubeconfig begin --swap-deployment api
    from=${EPOCHREALTIME/[.,]/}
    dark
    # a dead link is noticed within 5 s (what is told may wait 1.5 s for a better reason)
    eventually 7 said 'link to the cluster broke'
    noticed=$(((${EPOCHREALTIME/[.,]/} - from) / 1000))
    echo "told after $noticed ms"
    ((noticed <= 6600)) || fail "it took $noticed ms"
    stays_dark $((10 - noticed / 1000))
    running "$box"
    back_to_light
    back 12
    finish
}

@test "packets are lost for 10 s, over docker exec" {
    needs_phantom
    TPT_RUN=/proc/nothing TPT_KUBECONFIG=$BATS_FILE_TMPDIR/phantom.kubeconfig begin
    dark
    stays_dark 10
    back_to_light
    back 15
    finish
}

@test "the API server cannot be reached for 20 s, and the agent is deleted meanwhile" {
    needs_phantom
    TPT_KUBECONFIG=$BATS_FILE_TMPDIR/phantom.kubeconfig begin --swap-deployment api
    dark
    delete "$(agent_pod)"
    eventually 25 said 'no link to the cluster for 1[0-9] s: '
    back_to_light
    eventually 30 said 'is back'
    eventually 5 calls
    finish
}

@test "the container ends while the API server is away" {
    needs_phantom
    TPT_KUBECONFIG=$BATS_FILE_TMPDIR/phantom.kubeconfig begin --swap-deployment api
    dark
    eventually 7 said 'link to the cluster broke'
    docker stop "$box" >/dev/null
    eventually 25 said 'cannot be cleaned up yet'
    back_to_light
    wait_end 40
    equal "$status" 3
}

# ------------------------------------------------------- others, and obstacles

# No pod can be made, for the time being.
no_room() {
    k_create quota none --hard=pods=0
    quota_counts() { json quota none | jq -e '.status.hard.pods == "0"'; }
    eventually 20 quota_counts
}
room() { k delete quota none >/dev/null; }
old_swap() { k label deployment "$1" tpdocker.dev/swap-since=1600000000 --overwrite >/dev/null; }
# Another developer, on a machine of his own.
other() { # ARGS...
    local state=$BATS_TEST_TMPDIR/other
    mkdir -p "$state"
    TPT_STATE=$state TPT_HOST=other-$TPT_ID try "$@"
}
claimed() { json deployment "$1" | jq -e '.metadata.labels["tpdocker.dev/swap-seen"]'; }
swapped() { json deployment "$1" | jq -e '.metadata.labels["tpdocker.dev/swap"] != null and .spec.replicas == 0'; }

@test "while the agent cannot be made again, others leave the workload alone" {
    begin --swap-deployment api
    old_swap api
    no_room
    delete "$(agent_pod)"
    eventually 30 claimed api
    other cleanup deployment/api
    equal "$status" 125
    matches "$err" 'is in use by a session'
    other run --swap-deployment api "$client" true
    equal "$status" 125
    matches "$err" 'swapped already'
    swapped api
    eventually 30 said 'no link to the cluster for .* exceeded quota'
    room
    eventually 30 said 'is back'
    eventually 5 calls
    equal "$(grep -c 'no link to the cluster for' "$pid_err")" 1
    finish
}

@test "the container ends while the agent cannot be made again" {
    begin --swap-deployment api
    no_room
    delete "$(agent_pod)"
    eventually 30 claimed api
    room
    finish
}

@test "Ctrl-C while the agent is made again" {
    begin --swap-deployment api
    no_room
    delete "$(agent_pod)"
    eventually 30 claimed api
    kill -TERM "$pid"
    wait_end
    equal "$status" 3
    room
}

@test "the helper is killed while the agent is made again" {
    begin --swap-deployment api
    delete "$(agent_pod)"
    eventually 30 claimed api
    kill -KILL "$pid"
    wait_end
    nothing_left
}

@test "the helper is killed as the agent is there again" {
    begin
    agent=$(agent_pod)
    uid=$(pod_of "$agent" | jq -r .metadata.uid)
    delete_at_once "$agent"
    eventually 30 made_again "$agent" "$uid"
    kill -KILL "$pid"
    wait_end
    nothing_left
}

@test "the workload was restored while nobody kept it: the session ends and says so" {
    begin --swap-deployment api
    old_swap api
    sleeper=$(helper)
    kill -STOP "$sleeper"
    k delete pod "$(agent_pod)"
    other cleanup deployment/api
    equal "$status" 0
    matches "$err" 'waiting 15 s for another' 'restored deployments/api'
    kill -CONT "$sleeper"
    wait_end 30
    equal "$status" 125
    matches "$(cat "$pid_err")" 'deployments/api was restored by somebody'
}

@test "somebody else has swapped it since: the session ends and says by whom" {
    begin --swap-deployment api
    mine=$pid mine_err=$pid_err my_box=$box sleeper=$(helper)
    kill -STOP "$sleeper"
    k delete pod "$(agent_pod)"
    old_swap api
    box=$(name_of other)
    mkdir -p "$BATS_TEST_TMPDIR/other"
    TPT_STATE=$BATS_TEST_TMPDIR/other TPT_HOST=other-$TPT_ID session run --name "$box" --swap-deployment api "$client" \
        sh -c 'trap "exit 3" TERM; while :; do sleep 0.1; done'
    until_running "$box"
    kill -CONT "$sleeper"
    other_pid=$pid other_err=$pid_err
    pid=$mine pid_err=$mine_err wait_end 30
    equal "$status" 125
    matches "$(cat "$mine_err")" "deployments/api was swapped by $(id -un)@"
    fails running "$my_box"
    # and theirs is none the worse for it
    pid=$other_pid pid_err=$other_err
    calls
    fails said 'broke'
    finish
}

@test "somebody ends the session with cleanup --force" {
    begin --swap-deployment api
    other cleanup --force deployment/api
    equal "$status" 0
    wait_end 30
    equal "$status" 125
    matches "$(cat "$pid_err")" 'deployments/api was restored by somebody'
}

@test "a dead session's workload is taken over" {
    begin --swap-deployment api
    old_swap api
    agent=$(agent_pod)
    # the guardian too, as when the machine is gone
    for p in $(ours); do kill -KILL "$p" 2>/dev/null || true; done
    wait_end
    end_agent "$agent"
    # until the cluster tells, the session counts as alive
    agent_ended() { [[ $(pod_of "$agent" | jq -r .status.phase) == Succeeded ]]; }
    eventually 30 agent_ended
    other run --swap-deployment api "$client" curl -sSm 10 http://echo.other:8080/
    equal "$status" 0
    matches "$err" 'waiting 15 s for another' 'was still swapped out'
    # the dead one's record is still here
    try cleanup
    equal "$status" 0
}

@test "the right to make pods is gone" {
    begin --swap-deployment api
    k delete rolebinding tpdocker-developer >/dev/null
    delete "$(agent_pod)"
    wait_end 90
    k create rolebinding tpdocker-developer --clusterrole tpdocker-developer --serviceaccount default:developer >/dev/null
    equal "$status" 125
    matches "$(cat "$pid_err")" 'you may not'
    eventually 60 clean
}

@test "another pod has the agent's name" {
    begin --new-deployment mine-"$TPT_ID"
    sleeper=$(helper)
    kill -STOP "$sleeper"
    agent=$(agent_pod)
    k delete pod "$agent"
    k run "$agent" --image tpdocker-test-app:latest --image-pull-policy IfNotPresent --restart Never >/dev/null
    kill -CONT "$sleeper"
    wait_end 30
    equal "$status" 125
    matches "$(cat "$pid_err")" 'another pod has its name'
    # nobody else's pod is touched
    [[ $(pod_of "$agent" | jq -r '.metadata.deletionTimestamp') == null ]]
    k delete pod "$agent" --wait=false
}

@test "a pod that does not go is waited for, and the user is told" {
    begin
    agent=$(agent_pod)
    k patch pod "$agent" --type merge -p '{"metadata": {"finalizers": ["tpdocker.dev/test"]}}' >/dev/null
    delete "$agent"
    eventually 30 said 'no link to the cluster for .* is not gone yet'
    k patch pod "$agent" --type merge -p '{"metadata": {"finalizers": null}}' >/dev/null
    eventually 30 said 'is back'
    eventually 5 calls
    finish
}
