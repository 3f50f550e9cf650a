#!/usr/bin/env bats
# What is refused: with one clear message that names the thing and the remedy,
# exit code 125, and before anything is created.

load lib/common

setup_file() {
    load lib/common
    user_setup api web
}
teardown_file() {
    load lib/common
    user_teardown
}
teardown() { check_teardown; }

# refused ARGS... -- REGEXP... - the program is started so, and refuses with a
# message that matches all of these. Nothing may have been created even for a moment.
refused() {
    local args=() events before
    while [[ $1 != -- ]]; do args+=("$1") && shift; done
    shift
    before=$(changes)
    try "${args[@]}"
    equal "$status" 125
    equal "$out" ''
    matches "$err" "$@"
    # each line is ours, and it is one message: a line and, at most, a few that go on
    lacks "$err" '^[^t]' 'usage:.*usage:'
    (($(wc -l <<<"$err") <= ${lines_max:-6})) || fail 'that is too much to read'
    equal "$(changes)" "$before" 'something was created'
}
# The cluster counts what happens to workloads and pods here; the engine's containers have no such count.
changes() {
    json deployments,events,pods | jq -r '.items[]
        | if .kind == "Deployment" then [.metadata.name, .metadata.generation, .metadata.labels["tpdocker.dev/swap"]]
          elif .kind == "Event" then select(.involvedObject.kind == "Pod") | [.involvedObject.name, .reason]
          else select(.metadata.labels["tpdocker.dev/session"]) | [.metadata.name] end | tojson' | grep -v '^\["\(web\|api\)-[0-9a-f]\{8,10\}-'
    our_containers
}
# The kubeconfig with a change, a jq program.
with_kubeconfig() {
    (umask 077 && jq "$1" "$cluster_build/developer.kubeconfig" | jq --arg ns "$NS" \
        '.contexts[0].context.namespace = $ns' >"$BATS_TEST_TMPDIR/config")
    TPT_KUBECONFIG=$BATS_TEST_TMPDIR/config
}

# ------------------------------------------------------------- the cluster

@test "no kubeconfig" {
    TPT_KUBECONFIG='' refused run "$client" -- kubeconfig 'KUBECONFIG'
}
@test "a kubeconfig that is not there" {
    refused run --kubeconfig /no/such/file "$client" -- /no/such/file
}
@test "an unknown context" {
    refused run --context nowhere "$client" -- 'context.*nowhere' "$(jq -r .contexts[0].name "$TPT_KUBECONFIG")"
}
@test "an unknown namespace" {
    (umask 077 && cat "$admin_kubeconfig" >"$BATS_TEST_TMPDIR/config")
    TPT_KUBECONFIG=$BATS_TEST_TMPDIR/config refused run --namespace no-such-space "$client" -- 'namespace.*no-such-space'
}
@test "an unknown namespace, for somebody who may not ask for it" {
    refused run --namespace no-such-space "$client" -- no-such-space
}
@test "an unknown workload" {
    refused run --swap-deployment nothing "$client" -- nothing "$NS"
    refused run --swap-deployment statefulset/nothing "$client" -- 'StatefulSet.*nothing' "$NS"
}
@test "an unknown kind" {
    refused run --swap-deployment gizmo/web "$client" -- gizmo
}
@test "an unknown container, with those there are" {
    refused run --swap-deployment web:nothing "$client" -- nothing web app helper
}
@test "an unknown service account" {
    refused run --serviceaccount nobody "$client" -- 'service ?account.*nobody'
}
@test "a ReplicaSet that a Deployment controls" {
    rs=$(json replicasets -l app=web | jq -r '.items[0].metadata.name')
    refused run --swap-deployment "rs/$rs" "$client" -- "$rs" 'Deployment.*web'
}
@test "forbidden: verb, resource, namespace" {
    TPT_KUBECONFIG=$cluster_build/watcher.kubeconfig refused run --namespace default "$client" -- \
        create pods default
    TPT_KUBECONFIG=$cluster_build/watcher.kubeconfig refused run --namespace default --swap-deployment api "$client" -- \
        get deployments default
}
@test "a swap without the right to patch" {
    k_create serviceaccount halfway
    k_create role halfway --verb=create,get,watch,delete --resource=pods,pods/log,pods/portforward
    k_create role reader --verb=get --resource=deployments.apps
    k_create rolebinding halfway --role halfway --serviceaccount "$NS:halfway"
    k_create rolebinding reader --role reader --serviceaccount "$NS:halfway"
    token() { json secrets | jq -er '[.items[] | select(.metadata.annotations["kubernetes.io/service-account.name"] == "halfway")][0].data.token'; }
    eventually 20 token
    with_kubeconfig ".users[0].user.token = \"$(token | base64 -d)\""
    refused run --swap-deployment api "$client" -- patch deployments "$NS"
}
@test "a pod that the cluster does not admit" {
    k_create quota no-pods --hard=pods=0
    seen() { json quota no-pods | jq -e '.status.hard.pods'; }
    eventually 20 seen
    refused run "$client" -- 'quota' 'pods'
    k delete quota no-pods >/dev/null
}
@test "a token that the cluster does not know" {
    with_kubeconfig '.users[0].user.token = "nonsense"'
    refused run "$client" -- '[Uu]nauthori[sz]ed|credentials|401'
}

# ------------------------------------------------------------- the plugins

plugin() { # what it does
    printf '#!/bin/sh\n%s\n' "$1" >"$BATS_TEST_TMPDIR/plugin"
    chmod +x "$BATS_TEST_TMPDIR/plugin"
    with_kubeconfig '.users[0].user = {exec: {apiVersion: "client.authentication.k8s.io/v1beta1",
        command: "'"$BATS_TEST_TMPDIR/plugin"'", installHint: "install the plugin from the company"}}'
}

@test "an exec plugin that fails" {
    plugin 'echo "log in first" >&2; exit 1'
    refused run "$client" -- plugin 'log in first'
}
@test "an exec plugin that is not there" {
    plugin true
    rm "$BATS_TEST_TMPDIR/plugin"
    refused run "$client" -- "$BATS_TEST_TMPDIR/plugin" 'install the plugin from the company'
}
@test "an exec plugin that says nonsense" {
    plugin 'echo "{not json"'
    refused run "$client" -- plugin
}
@test "an exec plugin with credentials that have expired" {
    plugin 'echo "{\"apiVersion\": \"client.authentication.k8s.io/v1beta1\", \"kind\": \"ExecCredential\",
        \"status\": {\"token\": \"old\", \"expirationTimestamp\": \"2020-01-01T00:00:00Z\"}}"'
    refused run "$client" -- 'expired|[Uu]nauthori[sz]ed|credentials|401'
}

# ----------------------------------------------------------- the API server

@test "an API server that does not answer" {
    with_kubeconfig ".clusters[0].cluster.server = \"https://127.0.0.1:$(free_port)\""
    refused run "$client" -- '127\.0\.0\.1:'
}
@test "an API server whose name nobody knows" {
    with_kubeconfig '.clusters[0].cluster.server = "https://no-such-host.invalid:6443"'
    refused run "$client" -- 'no-such-host\.invalid'
}
@test "an API server with a certificate of somebody else's" {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout /dev/null -subj /CN=other \
        -days 2 -out "$BATS_TEST_TMPDIR/ca" 2>/dev/null
    with_kubeconfig ".clusters[0].cluster[\"certificate-authority-data\"] = \"$(base64 -w 0 "$BATS_TEST_TMPDIR/ca")\""
    refused run "$client" -- '[Cc]ertificate'
}
@test "an API server with another name in its certificate" {
    with_kubeconfig '.clusters[0].cluster["tls-server-name"] = "another.example.com"'
    refused run "$client" -- '[Cc]ertificate|another\.example\.com'
}

# answer FILE - a server that answers everything with that, at $port.
answer() {
    port=$(free_port)
    socat "TCP-LISTEN:$port,bind=127.0.0.1,fork,reuseaddr" "SYSTEM:timeout 0.3 cat >/dev/null; cat $1" 3>&- &
    server=$!
    eventually 5 listens "$port"
    with_kubeconfig ".clusters[0].cluster = {server: \"http://127.0.0.1:$port\"}"
}
listens() { ss -ltn | grep -q ":$1 "; }

@test "an API server that speaks no HTTP" {
    head -c 3000 /dev/urandom >"$BATS_TEST_TMPDIR/answer"
    answer "$BATS_TEST_TMPDIR/answer"
    refused run "$client" -- "127\.0\.0\.1:$port"
    kill "$server"
}
@test "an API server that speaks no JSON" {
    printf 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\nConnection: close\r\n\r\n{"kind": [[[' >"$BATS_TEST_TMPDIR/answer"
    answer "$BATS_TEST_TMPDIR/answer"
    refused run --swap-deployment api "$client" -- "127\.0\.0\.1:$port|JSON|read"
    kill "$server"
}
@test "something else that speaks HTTP" {
    printf 'HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 15\r\nConnection: close\r\n\r\n<h1>a shop</h1>' >"$BATS_TEST_TMPDIR/answer"
    answer "$BATS_TEST_TMPDIR/answer"
    refused run "$client" -- "127\.0\.0\.1:$port|Kubernetes"
    kill "$server"
}
@test "a kubeconfig that is no YAML, and one of another shape" {
    printf 'clusters: [{name: "a", cluster: {server\n  - : : }' >"$BATS_TEST_TMPDIR/config"
    TPT_KUBECONFIG=$BATS_TEST_TMPDIR/config refused run "$client" -- "$BATS_TEST_TMPDIR/config"
    printf 'clusters: 7\nusers: {}\ncontexts: no\ncurrent-context: [x]\n' >"$BATS_TEST_TMPDIR/config"
    TPT_KUBECONFIG=$BATS_TEST_TMPDIR/config refused run "$client" -- "$BATS_TEST_TMPDIR/config"
    head -c 100000 /dev/urandom >"$BATS_TEST_TMPDIR/config"
    TPT_KUBECONFIG=$BATS_TEST_TMPDIR/config refused run "$client" -- "$BATS_TEST_TMPDIR/config"
}

# --------------------------------------------------------------- the engine

@test "no engine" {
    TPT_DOCKER_HOST=unix:///no/such/socket refused run "$client" -- /no/such/socket
    refused run --host "tcp://127.0.0.1:$(free_port)" "$client" -- '127\.0\.0\.1:'
}
@test "an unknown docker context" {
    refused run --docker-context nowhere "$client" -- nowhere
}
@test "no docker CLI" {
    refused run --docker-path /no/such/docker "$client" -- /no/such/docker
}
@test "an image that is missing here" {
    lines_max=8 refused run localhost:1/no-such-image:7 -- 'localhost:1/no-such-image:7'
    refused run --pull never localhost:1/no-such-image:7 -- 'localhost:1/no-such-image:7'
}
@test "a sidecar's image that is missing here" {
    lines_max=8 refused run --image localhost:1/no-such-sidecar:7 "$client" -- 'localhost:1/no-such-sidecar:7' 'make images|--image'
}

# ---------------------------------------------------------- the command line

@test "an unknown option, with the nearest" {
    refused run --swap-deploymnt api "$client" -- --swap-deploymnt --swap-deployment
    refused run --detatch "$client" -- --detatch --detach
    refused run --no-such-thing-at-all "$client" -- --no-such-thing-at-all
    refused run -Z "$client" -- -Z
}
@test "no image, no value" {
    refused run -- image
    refused run --swap-deployment -- --swap-deployment
}
@test "networks that cannot be" {
    refused run --network host "$client" -- --network host
    refused run --net=none "$client" -- none
    refused run --network container:x "$client" -- container
}
@test "ways that exclude each other" {
    refused run --swap-deployment api --new-deployment other "$client" -- --swap-deployment --new-deployment
    refused run --deployment api --serviceaccount x "$client" -- --serviceaccount
    refused run --quiet --verbose "$client" -- --quiet --verbose
}
@test "values that are none" {
    refused run --swap-deployment 'UPPER_case' "$client" -- UPPER_case
    refused run --swap-deployment a/b/c "$client" -- a/b/c
    refused run --new-deployment 'not a name' "$client" -- 'not a name'
    refused run --also-proxy 10.0.0.0/99 "$client" -- 10.0.0.0/99
    refused run --never-proxy everything "$client" -- everything
    refused run --port-forward telnet "$client" -- telnet native kubectl oc
    refused run -p 80:eighty "$client" -- 80:eighty
    refused run --env-file /no/such/file "$client" -- /no/such/file
}
@test "a cidfile that exists" {
    touch "$BATS_TEST_TMPDIR/cid"
    refused run --cidfile "$BATS_TEST_TMPDIR/cid" "$client" -- "$BATS_TEST_TMPDIR/cid"
}
@test "-it without a terminal" {
    refused run -it "$client" -- terminal
}
@test "no such command, with the nearest" {
    try rum "$client"
    equal "$status" 125
    matches "$err" rum run
}
