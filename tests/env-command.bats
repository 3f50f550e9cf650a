#!/usr/bin/env bats
# `tpdocker env`: the environment as text. Each format is read back by those that it is for,
# and compared with the environment of a real pod of the workload, byte for byte.

load lib/common

setup_file() {
    load lib/common
    user_setup web api db bare
    # Values that each have broken some reader of such files, and names that none but a few can have.
    k patch deployment web --type json -p "$(jq -n '
        [["TRICKY_END", "ends with a backslash \\"], ["TRICKY_TWO", "with two \\\\"], ["TRICKY_QUOTE", "\\'\'' and '\''\\"],
         ["TRICKY_APOSTROPHE", "it'\''s"], ["TRICKY_ALL", "$\\'\''\"${X:-y}`id`$(id)!#%\\n"], ["TRICKY_HASH", "a #b"], ["TRICKY_COMMENT", "#b"],
         ["TRICKY_TILDE", "~/x:~"], ["TRICKY_SPACE", " "], ["TRICKY_TABS", "\t a \t"], ["TRICKY_CR", "cr\r"], ["TRICKY_CRLF", "a\r\nb"],
         ["TRICKY_ONE_NEWLINE", "\n"], ["TRICKY_CONTROL", "\u0001\u001b[31m\u007f"], ["TRICKY_EXPORT", "export X=1"], ["TRICKY_MULTI", "a\\\n\"b\" '\''c'\''\\\n$d\\"],
         ["dotted.name", "x y"], ["dashed-name", "$x"], ["UID", "1234"], ["PPID", "1\n2"]]
        | map({op: "add", path: "/spec/template/spec/containers/0/env/-", value: {name: .[0], value: .[1]}})')" >/dev/null
    eventually 90 settled
    remember_workloads
    real=$(json pods -l app=web | jq -r '[.items[] | select(.metadata.deletionTimestamp | not)][0].metadata.name')
    k exec "$real" -c app -- cat /proc/1/environ >"$BATS_FILE_TMPDIR/real"
    for format in env shell json compose docker; do
        tpd env --format "$format" --output "$BATS_FILE_TMPDIR/$format" web:app 2>"$BATS_FILE_TMPDIR/$format.err"
    done
}
# What the command said, without what a slow pod makes it say.
said() { grep -v 'tpdocker: waiting for the agent pod' "$1" || true; }
teardown_file() {
    load lib/common
    user_teardown
}
teardown() {
    [[ -z ${pid:-} ]] || kill -CONT "$pid" 2>/dev/null || true
    check_teardown
}

# of the pod itself, or the reader's own
own=(POD_NAME POD_IP HOSTNAME HOME PATH)
no_identifiers=('*.*' '*-*')
for_shells=(UID PPID)
a_shells=(PWD OLDPWD SHLVL _)

# same FILE NAME... - the environment in FILE is the real pod's, but for these.
same() { "$lib/environ.py" "$BATS_FILE_TMPDIR/real" "$1" "${own[@]}" "${@:2}"; }

# ---------------------------------------------------------------- formats

@test "env: a POSIX shell reads it back" {
    for shell in dash bash 'bash --posix' sh; do
        # shellcheck disable=SC2086,SC2016
        env -i PATH="$PATH" $shell -euc 'set -a; . "$1"; exec cat /proc/self/environ' - "$BATS_FILE_TMPDIR/env" >"$BATS_TEST_TMPDIR/out"
        same "$BATS_TEST_TMPDIR/out" "${no_identifiers[@]}" "${for_shells[@]}" "${a_shells[@]}"
    done
    matches "$(cat "$BATS_FILE_TMPDIR/env")" '^PLAIN=plain$' '^EMPTY=$' "^SPACES='  two at both ends  '$"
}

@test "shell: eval exports it" {
    for shell in dash bash 'bash --posix'; do
        # shellcheck disable=SC2086,SC2016
        env -i PATH="$PATH" $shell -euc 'eval "$(cat "$1")"; exec cat /proc/self/environ' - "$BATS_FILE_TMPDIR/shell" >"$BATS_TEST_TMPDIR/out"
        same "$BATS_TEST_TMPDIR/out" "${no_identifiers[@]}" "${for_shells[@]}" "${a_shells[@]}"
    done
}

@test "what a shell cannot have is left out and named" {
    for format in env shell; do
        matches "$(cat "$BATS_FILE_TMPDIR/$format.err")" 'cannot have such names: .*PREFIX_app.properties.*dashed-name, dotted.name$' \
            'shells keep.*: PPID, UID$' 'format json has them'
        lacks "$(cat "$BATS_FILE_TMPDIR/$format")" dotted.name 'UID='
    done
}

@test "json: jq reads it back, and nothing is left out" {
    jq -j 'to_entries[] | "\(.key)=\(.value)\u0000"' "$BATS_FILE_TMPDIR/json" >"$BATS_TEST_TMPDIR/out"
    same "$BATS_TEST_TMPDIR/out"
    equal "$(said "$BATS_FILE_TMPDIR/json.err")" ''
}

@test "docker: docker run reads it back; values of several lines come through its own environment" {
    read_back() { docker run --rm --network none --env-file "$BATS_FILE_TMPDIR/docker" "$client" cat /proc/self/environ; }
    (
        eval "$(cat "$BATS_FILE_TMPDIR/shell")" # as the message says
        read_back
    ) >"$BATS_TEST_TMPDIR/out"
    same "$BATS_TEST_TMPDIR/out" PPID "$(lines_with_dots)"
    matches "$(cat "$BATS_FILE_TMPDIR/docker.err")" "several lines.*: FROM_CONFIG_LINES, MULTILINE, PEM, .*TRAILING_NEWLINE, TRICKY_CR, TRICKY_CRLF, .*TRICKY_ONE_NEWLINE$" \
        'eval "\$\(tpdocker env --format shell web:app\)" && docker run --env-file' \
        'cannot have such names: PREFIX_app.properties$' 'shells keep.*: PPID$'
    # without that they are not there; they are never cut
    read_back >"$BATS_TEST_TMPDIR/without"
    lacks "$(tr '\0' '\n' <"$BATS_TEST_TMPDIR/without")" '^MULTILINE' '^PEM' '^FAKE'
    same "$BATS_TEST_TMPDIR/without" PPID "$(lines_with_dots)" PEM MULTILINE FROM_CONFIG_LINES \
        TRAILING_NEWLINE TRICKY_CR TRICKY_CRLF TRICKY_ONE_NEWLINE TRICKY_MULTI
}
# A name that no shell has, with a value that no line holds.
lines_with_dots() { echo PREFIX_app.properties; }

@test "compose: docker compose reads it back" {
    compose=$("$root/tests/setup/compose")
    cp "$BATS_FILE_TMPDIR/compose" "$BATS_TEST_TMPDIR/web.env"
    cat >"$BATS_TEST_TMPDIR/compose.yaml" <<YAML
name: tpt-$TPT_ID
services:
  web: {image: $client, network_mode: none, env_file: [web.env], command: [cat, /proc/self/environ]}
YAML
    # its own environment must not get into the values; $compose may be two words
    export PLAIN=wrong X=wrong HOME=/nowhere
    # shellcheck disable=SC2086
    $compose -f "$BATS_TEST_TMPDIR/compose.yaml" run --rm -T web >"$BATS_TEST_TMPDIR/out"
    same "$BATS_TEST_TMPDIR/out"
    # shellcheck disable=SC2086
    $compose -f "$BATS_TEST_TMPDIR/compose.yaml" config --format json | # where $ stands as $$
        jq -j '.services.web.environment | to_entries[] | "\(.key)=\(.value | gsub("[$][$]"; "$"))\u0000"' >"$BATS_TEST_TMPDIR/out"
    same "$BATS_TEST_TMPDIR/out"
    equal "$(said "$BATS_FILE_TMPDIR/compose.err")" ''
}

@test "HOME, PATH and HOSTNAME are not printed, nor anything of the agent's" {
    for format in env shell json compose docker; do
        lacks "$(cat "$BATS_FILE_TMPDIR/$format")" '^(export )?(HOME|PATH|HOSTNAME)=' TPDOCKER_ TELEPRESENCE_
    done
}

# ----------------------------------------------------------- what is asked

@test "without a workload: a new agent's" {
    try env
    equal "$status" 0
    matches "$out" "^WEB_SERVICE_HOST=$(json service web | jq -r .spec.clusterIP)\$" '^KUBERNETES_SERVICE_PORT=443$'
    lacks "$out" '^PLAIN='
}

@test "another container, other kinds" {
    try env web:helper
    matches "$out" '^ROLE=helper$'
    lacks "$out" '^PLAIN='
    try env statefulset/db
    equal "$status" 0
    try env --format json rs/bare
    equal "$(jq -r .KUBERNETES_SERVICE_PORT <<<"$out")" 443
}

@test "over kubectl's port-forward" {
    try env --port-forward kubectl web
    equal "$status" 0
    matches "$out" '^PLAIN=plain$'
}

@test "no engine and no docker CLI are needed" {
    mkdir "$BATS_TEST_TMPDIR/bin"
    for tool in env unshare sh hostname cat; do ln -s "$(command -v "$tool")" "$BATS_TEST_TMPDIR/bin"; done
    PATH=$BATS_TEST_TMPDIR/bin TPT_DOCKER_HOST=unix:///no/such/socket try env web
    equal "$status" 0
    matches "$out" '^PLAIN=plain$'
    equal "$(said <(echo "$err"))" "$(said "$BATS_FILE_TMPDIR/env.err")"
}

@test "an agent that runs already is asked without a pod" {
    standing_agent '.spec.template.spec.containers[0].env = [{name: "PURPOSE", value: "stands here"}]' | k_create -f -
    eventually 90 settled
    try env --deployment standing
    equal "$status" 125
    matches "$err" 'list pods, get pods/exec'
    allow list pods
    allow create,get pods/exec
    try env --deployment standing
    equal "$status" 0
    matches "$out" "^PURPOSE='stands here'\$"
    lacks "$out" 'TPDOCKER_'
    try env --deployment api
    equal "$status" 125
    matches "$err" 'no tpdocker agent'
    k delete deployment standing >/dev/null
}

# ------------------------------------------------------------ what is made

# A look that is stopped as soon as its pod runs: $pod is the pod.
held() {
    session env --verbose "$@"
    eventually 30 begun
    kill -STOP "$pid"
    pod=$(agent_pod)
    eventually 30 pod_runs
}
begun() { [[ -n $(agent_pod) ]]; }
pod_runs() { json pod "$pod" | jq -e '.status.containerStatuses[0].state.running' >/dev/null; }
go_on() {
    kill -CONT "$pid"
    wait_end
    equal "$status" 0
}
state_of() { json deployments,replicasets,statefulsets | jq -S '[.items[] | {kind, name: .metadata.name, generation: .metadata.generation,
    replicas: .status.replicas, labels: .metadata.labels, annotations: .metadata.annotations}]'; }
endpoints() { json endpoints web | jq -c '[.subsets[]?.addresses[]?.ip] | unique'; }

@test "the workload is not touched, its Service sends no traffic to the pod, and nobody adopts it" {
    before=$(state_of)
    ready=$(endpoints)
    held web
    equal "$(endpoints)" "$ready"
    spec=$(json pod "$pod")
    equal "$(jq -c '[.spec.containers[].name]' <<<"$spec")" '["app"]'
    equal "$(jq -c '[.spec.volumes[].name]' <<<"$spec")" '["tpdocker-run"]'
    equal "$(jq -c '.spec.initContainers' <<<"$spec")" null
    equal "$(jq -c '.metadata.labels.tier, .metadata.annotations["example.com/pod"]' <<<"$spec" | paste -sd ' ')" '"front" "annotation"'
    equal "$(jq -r '.status.conditions[] | select(.type == "Ready") | .status' <<<"$spec")" False
    # its address is known to the Service, as one that is not ready
    eventually 10 waits_outside
    equal "$(endpoints)" "$ready"
    go_on
    equal "$(state_of)" "$before"
}
waits_outside() {
    json endpoints web | jq -e --arg ip "$(json pod "$pod" | jq -r .status.podIP)" 'any(.subsets[]?.notReadyAddresses[]?; .ip == $ip)' >/dev/null
}

@test "a bare ReplicaSet neither adopts the pod nor counts it" {
    before=$(state_of)
    held rs/bare
    # the controller has looked at it once its own pod was replaced
    replica=$(json pods -l app=bare | jq -r '.items[] | select(.metadata.labels["tpdocker.dev/session"] | not) | .metadata.name')
    k delete pod "$replica" --wait=false >/dev/null
    eventually 60 replaced
    equal "$(json pod "$pod" | jq -r '.metadata.ownerReferences[0].kind, .metadata.deletionTimestamp' | paste -sd ' ')" 'Session null'
    go_on
    eventually 60 settled
    equal "$(state_of)" "$before"
}
replaced() {
    json pods -l app=bare | jq -e --arg old "$replica" '[.items[] | select(.metadata.labels["tpdocker.dev/session"] or .metadata.name == $old | not)
        | select(.status.phase == "Running")] | length == 1' >/dev/null
}

@test "killed, its pod goes all the same" {
    held web
    kill -KILL "$pid"
    wait_end
    equal "$status" 137
}

@test "killed with its guardian, cleanup takes the pod away" {
    held web
    ours | xargs -r kill -KILL
    wait_end
    begun
    TPT_DOCKER_HOST='' try cleanup
    equal "$status" 0
    matches "$err" 'cleaning up after the session'
}

@test "a signal ends it, and nothing is printed" {
    for signal in INT TERM HUP; do
        session env web
        eventually 30 begun
        kill "-$signal" "$pid"
        wait_end
        equal "$status" $((128 + $(kill -l "$signal")))
        equal "$(cat "$pid_out")" ''
        nothing_left
    done
}

# ----------------------------------------------------------------- output

@test "--output: mode 0600, whole or not at all" {
    file=$BATS_TEST_TMPDIR/out.env
    echo old >"$file"
    chmod 644 "$file"
    (umask 0 && tpd env --output "$file" api)
    equal "$(stat -c %a "$file")" 600
    matches "$(cat "$file")" '^ROLE=api$'
    lacks "$(cat "$file")" old
    # a link stays one
    ln -s out.env "$BATS_TEST_TMPDIR/link"
    echo old >"$file"
    tpd env --output "$BATS_TEST_TMPDIR/link" api
    [[ -L $BATS_TEST_TMPDIR/link ]] || fail 'the link is gone'
    matches "$(cat "$file")" '^ROLE=api$'
    # what fails leaves the old one
    echo old >"$file"
    try env --output "$file" nosuch
    equal "$(cat "$file")" old
    equal "$(ls -A "$BATS_TEST_TMPDIR")" "$(printf '%s\n' link out.env try.err try.out)"
    try env --output - api
    matches "$out" '^ROLE=api$'
}

@test "refused before anything is made" {
    refused() {
        local args=()
        while [[ $1 != -- ]]; do args+=("$1") && shift; done
        shift
        try "${args[@]}"
        equal "$status" 125
        equal "$out" ''
        matches "$err" "$@"
        equal "$(our_pods)" '' 'a pod was made'
    }
    refused env nosuch -- 'no Deployment "nosuch"' "$NS"
    refused env web:nosuch -- 'no container "nosuch"' 'app, helper'
    refused env ds/x -- '"ds" has no scale|no kind|cannot'
    refused env --format yaml web -- '--format yaml' 'env, json, shell, compose and docker'
    refused env --output /no/such/folder/x web -- '--output' '/no/such/folder'
    refused env --output /tmp web -- '/tmp is not a file'
    refused env --output /dev/null web -- '/dev/null is not a file'
    refused env web api -- 'one workload at a time'
    refused env --deployment web web -- 'exclude each other'
    refused env --outptu x web -- 'did you mean|--output'
    TPT_KUBECONFIG=$cluster_build/watcher.kubeconfig refused env --namespace default -- 'may not create pods, delete pods'
}

@test "a variable that tells of another container's resources is refused by name" {
    k_create -f - <<YAML
apiVersion: apps/v1
kind: Deployment
metadata: {name: nosy}
spec:
  replicas: 0
  selector: {matchLabels: {app: nosy}}
  template:
    metadata: {labels: {app: nosy}}
    spec:
      containers:
      - name: one
        image: tpdocker-test-app:latest
        resources: {limits: {memory: 64Mi}}
        env:
        - {name: MINE, valueFrom: {resourceFieldRef: {resource: limits.memory}}}
        - {name: APP, valueFrom: {fieldRef: {fieldPath: "metadata.labels['app']"}}}
      - name: two
        image: tpdocker-test-app:latest
        env:
        - {name: OF_ONE, valueFrom: {resourceFieldRef: {resource: limits.memory, containerName: one}}}
YAML
    try env nosy:two
    equal "$status" 125
    matches "$err" 'OF_ONE' '"one"' 'swap-deployment deployments/nosy:two'
    try env nosy
    equal "$status" 0
    matches "$out" '^MINE=67108864$' '^APP=nosy$'
    k delete deployment nosy >/dev/null
}
