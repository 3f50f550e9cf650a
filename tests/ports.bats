#!/usr/bin/env bats
# Ports: from the cluster into the container, from the container to the pod's
# others and to this machine.

load lib/common

setup_file() {
    load lib/common
    needs_node
    user_setup web strict api
    # somebody in the cluster who calls
    k run caller --image "$client" --image-pull-policy IfNotPresent --restart Never -- sleep infinity >/dev/null
    eventually 60 caller_runs
}
teardown_file() {
    load lib/common
    user_teardown
}
teardown() {
    if [[ -n ${server:-} ]]; then kill "$server" 2>/dev/null || true; fi
    check_teardown && eventually 60 settled
}

caller_runs() { json pod caller | jq -e '.status.phase == "Running"'; }
in_cluster() { k exec -i caller -- "$@"; }
# tcp ARGS... - tests/lib/tcp.py, run in the cluster.
tcp() { in_cluster python3 - "$@" <"$lib/tcp.py"; }
# what comes of a connection: refused, reset, end, or what the server says
comes() { equal "$(tcp outcome "$1" "$2")" "$3"; }

# begin OPTIONS... - a session in the background whose container has tests/lib.
begin() {
    box=$(name_of)
    session run --name "$box" -v "$lib:/lib-of-tests:ro" "$@" "$client" sleep infinity
    until_running "$box"
    pod=$(agent_pod)
    ip=$(json pod "$pod" | jq -r .status.podIP)
}
finish() {
    docker kill "$box" >/dev/null
    wait_end
    equal "$status" 137
}
# serve PORT [ADDRESS] - in the container; `unserve PORT` ends it.
serve() { docker exec -d "$box" /lib-of-tests/tcp.py serve "${2:-0.0.0.0}" "$1" "/tmp/log.$1"; }
unserve() { docker exec "$box" pkill -f "serve .* $1 "; }

# host_server - one on this machine: $host_port, $host_log
host_server() {
    host_port=$(free_port) host_log=$BATS_TEST_TMPDIR/host.log
    : >"$host_log"
    "$lib/tcp.py" serve "${1:-127.0.0.1}" "$host_port" "$host_log" 3>&- &
    server=$!
    eventually 10 grep -q ready "$host_log"
}
here() { docker exec "$box" /lib-of-tests/tcp.py "$@"; }

# ------------------------------------------------------------------- into the container

@test "the swapped container's declared ports are exposed, but only while somebody listens" {
    begin --swap-deployment web
    matches "$(cat "$pid_err")" 'ports of the pod that lead to the container: 8080, 7007'
    comes "$ip" 8080 refused
    serve 8080
    eventually 10 comes "$ip" 8080 hello
    comes "$ip" 7007 refused
    # the Service, whose port differs from its targetPort
    eventually 20 comes web 80 hello
    unserve 8080
    eventually 15 comes "$ip" 8080 refused
    serve 8080
    eventually 10 comes "$ip" 8080 hello
    finish
}

@test "an --expose of one's own wins; names, ranges, ports below 1024" {
    begin --swap-deployment web --expose 3000:http --expose 8100-8102:9100-9102 --expose 8080:80
    for port in 3000 8101 8080 7007; do serve $port; done
    eventually 10 comes "$ip" 8080 hello
    eventually 10 comes "$ip" 9101 hello
    eventually 10 comes "$ip" 80 hello
    eventually 10 comes "$ip" 7007 hello
    comes "$ip" 9100 refused
    comes "$ip" 3000 refused
    docker exec "$box" sh -c ': >/tmp/log.3000'
    comes web 80 hello
    equal "$(docker exec "$box" cat /tmp/log.3000)" end
    finish
}

@test "a port below 1024, of a pod that may do nothing" {
    begin --swap-deployment strict --expose 8080:80
    serve 8080
    eventually 10 comes "$ip" 80 hello
    # by its own port it is not exposed: 8080 here is taken by the --expose
    comes "$ip" 8080 refused
    matches "$(cat "$pid_err")" 'port 8080 of the pod, .* not exposed: .*--expose 8080:80'
    finish
}

@test "listeners at other addresses of the container" {
    begin --swap-deployment api --expose 3001 --expose 3002 --expose 3003
    serve 3001 127.0.0.2
    serve 3002 "$(docker exec "$box" hostname -i | tr ' ' '\n' | grep -F . | head -n 1)"
    eventually 10 comes "$ip" 3001 hello
    eventually 10 comes "$ip" 3002 hello
    if docker exec "$box" test -e /proc/net/if_inet6 && docker exec "$box" grep -q lo /proc/net/if_inet6; then
        serve 3003 ::1
        eventually 10 comes "$ip" 3003 hello
        # somebody else takes over at another address
        unserve 3003
        serve 3003 127.0.0.1
        eventually 10 comes "$ip" 3003 hello
    fi
    finish
}

@test "data arrives unharmed, with the end behind it, 200 times at once" {
    begin --swap-deployment api
    serve 8080
    eventually 10 comes "$ip" 8080 hello
    equal "$(tcp call "$ip" 8080 1 20000000)" 1
    equal "$(tcp call "$ip" 8080 200 30000)" 200
    # a reset arrives as an end
    docker exec "$box" sh -c ': >/tmp/log.8080'
    tcp reset "$ip" 8080
    noted() { docker exec "$box" grep -qxE 'end|reset' /tmp/log.8080; }
    eventually 15 noted
    finish
}

@test "they come back after the link was broken" {
    begin --swap-deployment api --to-pod 7100
    serve 8080
    eventually 10 comes "$ip" 8080 hello
    break_link "$box"
    broke() { grep -q 'is back' "$pid_err"; }
    eventually 30 broke
    eventually 10 comes "$ip" 8080 hello
    # what was not open does not come back
    comes "$ip" 9000 refused
    finish
}

@test "they come back with an agent that was made again" {
    begin --swap-deployment api --expose 3000:http --to-pod 7100
    serve 3000
    eventually 10 comes "$ip" 8080 hello
    uid=$(json pod "$pod" | jq -r .metadata.uid)
    k delete pod "$pod" --wait=false >/dev/null
    another() { json pod "$pod" | jq -e --arg was "$uid" '.metadata.uid != $was and .status.podIP'; }
    eventually 60 another
    ip=$(json pod "$pod" | jq -r .status.podIP)
    eventually 30 comes "$ip" 8080 hello
    comes "$ip" 9000 refused
    eventually 20 comes api 8080 hello
    finish
}

@test "over docker exec, and in the background" {
    box=$(name_of)
    host_server
    TPT_RUN=/proc/nothing try run -d --name "$box" -v "$lib:/lib-of-tests:ro" --swap-deployment api \
        --container-to-host "5000:$host_port" "$client" sleep infinity
    equal "$status" 0
    ip=$(json pod "$(agent_pod)" | jq -r .status.podIP)
    comes "$ip" 8080 refused
    serve 8080
    eventually 10 comes "$ip" 8080 hello
    equal "$(here call 127.0.0.1 5000 20 100000)" 20
    docker kill "$box"
}

@test "of a session in the background, for whichever container joins it" {
    name=$(name_of up | tr _ -) box=$(name_of)
    host_server
    try up "$name" --swap-deployment api --container-to-host "5000:$host_port"
    equal "$status" 0
    ip=$(json pod "$(agent_pod)" | jq -r .status.podIP)
    comes "$ip" 8080 refused
    docker run -d --rm --name "$box" --network "container:tpdocker-$name" -v "$lib:/lib-of-tests:ro" "$client" sleep infinity >/dev/null
    serve 8080
    eventually 10 comes "$ip" 8080 hello
    equal "$(here outcome 127.0.0.1 5000)" hello
    docker rm -f "$box" >/dev/null
    eventually 15 comes "$ip" 8080 refused
    try run --session "$name" --expose 80 "$client" true
    equal "$status" 125
    matches "$err" '--expose belongs to the session'
    try down "$name"
    equal "$status" 0
}

# ------------------------------------------------------------------ what is in the way

@test "a port that another program of the pod has" {
    # helper declares none, but listens on 8081
    try run --swap-deployment web --expose 3000:8081 "$client" true
    equal "$status" 125
    matches "$err" '--expose 3000:8081' 'port 8081 of the pod is taken'
    lacks "$out" .
}

@test "a standing agent: two sessions, each with its ports; nothing is exposed unasked" {
    standing_agent '.spec.template | {apiVersion: "v1", kind: "Pod", metadata: (.metadata + {name: "standing"}),
        spec: (.spec | .containers[0].ports = [{name: "http", containerPort: 8080}])}' | k_create -f -
    k_create -f - <<YAML
apiVersion: apps/v1
kind: Deployment
metadata: {name: standing}
spec:
  replicas: 0
  selector: {matchLabels: {app: standing}}
  template:
    metadata: {labels: {app: standing}}
    spec: {containers: [{name: agent, image: $sidecar_image}]}
YAML
    allow list pods
    allow create,get pods/exec
    standing_runs() { json pod standing | jq -e '.status.phase == "Running"'; }
    eventually 60 standing_runs
    pod=standing ip=$(json pod standing | jq -r .status.podIP)
    one=$(name_of one)
    box=$one
    session run --name "$one" -v "$lib:/lib-of-tests:ro" --deployment standing --expose 3000:http "$client" sleep infinity
    pid1=$pid err1=$pid_err
    until_running "$one"
    serve 3000
    eventually 10 comes "$ip" 8080 hello
    # the port is the first one's
    try run --deployment standing --expose 8080 "$client" true
    equal "$status" 125
    matches "$err" '--expose 8080' 'port 8080 of the pod is taken' 'session'
    # another one is not, and without a word nothing is exposed
    box=$(name_of two)
    session run --name "$box" -v "$lib:/lib-of-tests:ro" --deployment standing --expose 3000:8090 "$client" sleep infinity
    until_running "$box"
    lacks "$(cat "$pid_err")" 8080
    serve 3000
    eventually 10 comes "$ip" 8090 hello
    # one that both want and neither has yet: who listens first has it, until that ends
    unserve 3000
    eventually 15 comes "$ip" 8090 refused
    pid2=$pid err2=$pid_err two=$box three=$(name_of three)
    session run --name "$three" -v "$lib:/lib-of-tests:ro" --deployment standing --expose 3000:8090 "$client" sleep infinity
    until_running "$three"
    serve 3000
    eventually 10 comes "$ip" 8090 hello
    box=$three
    serve 3000
    warned() { grep -q 'port 8090 of the pod cannot be opened' "$pid_err"; }
    eventually 10 warned
    docker kill "$two"
    pid=$pid2 pid_err=$err2 wait_end
    docker exec "$three" sh -c ': >/tmp/log.3000'
    eventually 15 comes "$ip" 8090 hello
    equal "$(docker exec "$three" cat /tmp/log.3000)" end
    docker kill "$one" "$three"
    wait_end
    pid=$pid1 pid_err=$err1 wait_end
    k delete pod/standing deployment/standing --wait=false >/dev/null
}

# ---------------------------------------------------------------------- the Service

service_of_ours() { json services -l tpdocker.dev/session | jq -e --arg name "$1" '[.items[].metadata.name] == [$name]'; }
no_service() { json services -l tpdocker.dev/session | jq -e '.items == []'; }
fresh() { echo "fresh-$(tr -d _ <<<"${TPT_ID: -4}")-$BATS_TEST_NUMBER"; }

@test "a new agent with a name has a Service in front of it" {
    name=$(fresh)
    begin --new-deployment "$name" --expose 8080:80 --expose 9100-9101
    matches "$(cat "$pid_err")" "Service $name leads to the container: 80 -> 8080, 9100-9101"
    service_of_ours "$name"
    serve 8080
    serve 9101
    eventually 20 comes "$name" 80 hello
    eventually 20 comes "$name" 9101 hello
    comes "$name" 9100 refused
    equal "$(json pod "$name" | jq -c '[.spec.containers[0].ports[].containerPort]')" '[80,9100,9101]'
    equal "$(json service "$name" | jq -r '.metadata.ownerReferences[0].uid')" "$(json pod "$name" | jq -r .metadata.uid)"
    finish
    no_service
}

@test "the Service keeps its address when the pod is made again" {
    name=$(fresh)
    begin --new-deployment "$name" --expose 8080
    serve 8080
    eventually 20 comes "$name" 8080 hello
    address=$(json service "$name" | jq -r .spec.clusterIP)
    uid=$(json pod "$name" | jq -r .metadata.uid)
    k delete pod "$name" --wait=false >/dev/null
    owned_anew() {
        json pod "$name" | jq -e --arg was "$uid" '.metadata.uid != $was' &&
            equal "$(json service "$name" | jq -r '.metadata.ownerReferences[0].uid')" "$(json pod "$name" | jq -r .metadata.uid)"
    }
    eventually 60 owned_anew
    equal "$(json service "$name" | jq -r .spec.clusterIP)" "$address"
    eventually 30 comes "$name" 8080 hello
    # Kubernetes has no reason to take it away
    service_of_ours "$name"
    finish
    no_service
}

@test "the Service goes when the helper is killed" {
    name=$(fresh)
    begin --new-deployment "$name" --expose 8080
    service_of_ours "$name"
    kill -KILL "$pid"
    wait_end
    eventually 15 no_service
}

@test "all of it is killed: the next tpdocker removes the Service" {
    name=$(fresh)
    begin --new-deployment "$name" --expose 8080
    ours | xargs kill -KILL
    wait_end
    service_of_ours "$name"
    try cleanup
    equal "$status" 0
    no_service
}

@test "a Service is made for a name only, and only when something is exposed" {
    begin --expose 8080
    matches "$(cat "$pid_err")" "the pod's address $ip leads to the container: 8080"
    no_service
    serve 8080
    eventually 10 comes "$ip" 8080 hello
    finish
    begin --new-deployment "$(fresh)"
    no_service
    finish
}

@test "a name that a Service has is refused, before anything is made" {
    try run --new-deployment web --expose 8080 "$client" true
    equal "$status" 125
    matches "$err" '--new-deployment web' 'Service of that name' -- --swap-deployment
    no_service
    fails json pod web
    equal "$(json service web | jq -c '[.spec.ports[].port]')" '[80,7]'
}

@test "who may not make Services is told so, and only if one is needed" {
    k_create serviceaccount podsonly
    k_create role podsonly --verb=create,get,watch,delete --resource=pods,pods/log,pods/portforward
    k_create rolebinding podsonly --role podsonly --serviceaccount "$NS:podsonly"
    k_create -f - <<YAML
{"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
 "metadata": {"name": "podsonly", "annotations": {"kubernetes.io/service-account.name": "podsonly"}}}
YAML
    token() { json secret podsonly | jq -er .data.token; }
    eventually 20 token
    (umask 077 && jq --arg ns "$NS" --arg token "$(token | base64 -d)" \
        '.contexts[0].context.namespace = $ns | .users[0].user.token = $token' "$cluster_build/developer.kubeconfig" >"$BATS_TEST_TMPDIR/config")
    TPT_KUBECONFIG=$BATS_TEST_TMPDIR/config try run --new-deployment "$(fresh)" --expose 8080 "$client" true
    equal "$status" 125
    matches "$err" 'create services' 'get services' 'delete services' "$NS"
    lacks "$err" pods
    TPT_KUBECONFIG=$BATS_TEST_TMPDIR/config try run --expose 8080 "$client" true
    equal "$status" 0
    TPT_KUBECONFIG=$BATS_TEST_TMPDIR/config try run --new-deployment "$(fresh)" "$client" true
    equal "$status" 0
}

# ------------------------------------------------------- to the pod's other containers

@test "--to-pod and --from-pod" {
    begin --swap-deployment web --to-pod 8081 --to-pod 99 --from-pod 7100 --from-pod echo
    equal "$(docker exec "$box" curl -sSm 10 http://127.0.0.1:8081/env/ROLE)" helper
    equal "$(docker exec "$box" curl -sSm 10 http://localhost:8081/env/ROLE)" helper
    # where nobody listens in the pod
    matches "$(here outcome 127.0.0.1 99)" '^(refused|reset)$'
    # other ports of localhost are the container's own
    equal "$(here outcome 127.0.0.1 7008)" refused

    back() { k exec "$pod" -c helper -- bash -c "exec 3<>/dev/tcp/127.0.0.1/$1 && head -n 1 <&3"; }
    fails back 7100
    serve 7100
    serve 7007
    back_answers() { [[ $(back "$1") == hello ]]; }
    eventually 10 back_answers 7100
    # the pod's loopback and nothing else, unless it is a declared port
    comes "$ip" 7100 refused
    eventually 10 back_answers 7007
    eventually 10 comes "$ip" 7007 hello

    break_link "$box"
    again() { [[ $(docker exec "$box" curl -sSm 3 http://127.0.0.1:8081/env/ROLE) == helper ]]; }
    eventually 30 again
    eventually 10 back_answers 7100
    # the capture starts anew, and listens elsewhere
    redirect() { docker exec "$(sidecar_of "$box")" nft list table ip tpdocker-ports | grep -o 'redirect to :[0-9]*'; }
    before=$(redirect)
    docker exec "$(sidecar_of "$box")" sh -c 'for p in /proc/[0-9]*; do
        if tr "\0" " " <$p/cmdline | grep -q "^[^ ]*tpdocker-sidecar redirect"; then kill ${p#/proc/}; fi; done' || true
    moved() { [[ $(redirect) != "$before" ]]; }
    eventually 30 moved
    eventually 30 again
    finish
}

# -------------------------------------------------------------------- to this machine

to_host() { # the kind of link
    host_server
    begin --container-to-host "5000:$host_port" --container-to-host 5001
    docker exec "$box" curl -sSm 10 http://api:8080/ >/dev/null
    equal "$(here outcome 127.0.0.1 5000)" hello
    equal "$(here outcome localhost 5000)" hello
    # refused there is a reset here, and what was not named is not reached
    equal "$(here outcome 127.0.0.1 5001)" reset
    equal "$(here outcome 127.0.0.1 "$host_port")" refused
    # half-close, data, many at once
    equal "$(here call 127.0.0.1 5000 1 20000000)" 1
    equal "$(here call 127.0.0.1 5000 200 30000)" 200
    : >"$host_log"
    here reset 127.0.0.1 5000
    eventually 15 grep -qx reset "$host_log"
    # not from the cluster, nor by another address of the container
    comes "$ip" 5000 refused
    equal "$(here outcome "$(docker exec "$box" hostname -i | tr ' ' '\n' | grep -F . | head -n 1)" 5000)" refused
    finish
}

@test "--container-to-host, by the socket" {
    to_host
    lacks "$(cat "$pid_err")" 'which was not given'
}

@test "--container-to-host, by docker exec" {
    TPT_RUN=/proc/nothing to_host
}

@test "--container-to-host: a server here that listens on ::1 alone" {
    [[ -e /proc/net/if_inet6 ]] || skip 'no IPv6 here'
    host_server ::1
    begin --container-to-host "5000:$host_port"
    equal "$(here outcome 127.0.0.1 5000)" hello
    finish
}

@test "--container-to-host comes back when its stream breaks" {
    host_server
    TPT_RUN=/proc/nothing begin --container-to-host "5000:$host_port"
    equal "$(here outcome 127.0.0.1 5000)" hello
    docker exec "$(sidecar_of "$box")" sh -c 'kill $(pidof tpdocker-sidecar | tr " " "\n" | while read -r p; do
        tr "\0" " " </proc/$p/cmdline | grep -q "link host" && echo $p; done)'
    again() { equal "$(here outcome 127.0.0.1 5000)" hello; }
    eventually 10 again
    finish
}

# -------------------------------------------------------------------- what is refused

@test "bad values, clashes and what belongs to others, before anything is made" {
    refused() {
        local args=()
        while [[ $1 != -- ]]; do args+=("$1") && shift; done
        shift
        try run "${args[@]}" "$client" true
        equal "$status" 125
        matches "$err" "$@"
        equal "$(our_pods)$(our_containers)" ''
    }
    refused --expose 0 -- '--expose 0' 'no port'
    refused --expose 53/udp -- '53/udp' 'only TCP'
    refused --expose 127.0.0.1:80:80 -- '127.0.0.1:80:80'
    refused --expose 8000-8010:9000-9011 -- 'same length'
    refused --expose 80 --expose 8080:80 -- 'port 80 of the pod is taken by --expose 80'
    refused --to-pod 80:81 -- '--to-pod 80:81'
    refused --container-to-host http -- '--container-to-host http'
    refused --expose 5000:80 --container-to-host 5000 -- 'port 5000 of the container is taken by --expose 5000:80'
    refused --expose http -- 'a new agent has no ports with names'
    refused --swap-deployment web --expose nothing -- 'container "app" has no port "nothing"' 'http \(8080\)'
    refused --swap-deployment web:helper --expose 8080 -- 'port 8080 of the pod belongs to its container "app"'
    refused --new-deployment 9lives --expose 80 -- 9lives 'letter'
    equal "$(json deployment web | jq .spec.replicas)" 2
}
