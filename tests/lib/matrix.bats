#!/usr/bin/env bats
# What a session must do, once for each way to have an agent (swap, new, standing)
# and each kind of link (socket, exec): the file's own name says which,
# tests/matrix-WAY-LINK.bats. Numbers are those of the list in docs/behaviour.md.
# More of each, for one way and link: the files named after the subject.

load lib/common

setup_file() {
    load lib/common
    local name=${BATS_TEST_FILENAME##*/}
    name=${name%.bats}
    way=${name#matrix-} link=${name##*-}
    way=${way%-*}
    user_setup web api db
    [[ $way != standing ]] || make_standing
    [[ $link == socket ]] || TPT_RUN=/proc/nothing
    export way link TPT_RUN
    app=$BATS_FILE_TMPDIR/tpdocker-test-app
    local made
    made=$(docker create tpdocker-test-app)
    docker cp -q "$made:/usr/local/bin/tpdocker-test-app" "$app" 2>/dev/null || docker cp "$made:/usr/local/bin/tpdocker-test-app" "$app"
    docker rm "$made" >/dev/null
    published=$(free_port) host_port=$(free_port)
    python3 -m http.server --bind 127.0.0.1 --directory "$BATS_FILE_TMPDIR/state" "$host_port" >/dev/null 2>&1 3>&- 4>&- &
    echo $! >"$BATS_FILE_TMPDIR/host.pid"
    mkdir "$BATS_FILE_TMPDIR/mine"
    echo 'my own' >"$BATS_FILE_TMPDIR/mine/greeting"
    # The container of most tests. What it serves, it serves only when a test begins that.
    MATRIX_LEAK=leaks background $(options) --container-to-host "5555:$host_port" -p "127.0.0.1:$published:8090" \
        -v "$app:/usr/local/bin/tpdocker-test-app:ro" $(own_mount) "$client" sleep infinity
    pod=$(agent)
    export box pod app published host_port
}

teardown_file() {
    load lib/common
    kill "$(cat "$BATS_FILE_TMPDIR/host.pid")"
    docker kill "$box" >/dev/null
    as_before
    user_teardown
}

# The session's own options, for each way.
options() {
    case $way in
    swap) echo --swap-deployment web:app --to-pod 8081 --from-pod 7100 --expose 7200:81 ;;
    new) echo --new-deployment "fresh-$(tr -d _ <<<"${TPT_ID: -4}")" --expose 8080 --expose 7200:81 ;;
    standing) echo --deployment standing --to-pod 8081 --from-pod 7100 --expose 8080 --expose 7200:81 ;;
    esac
}

# Other sessions of the file, beside the first: a swapped workload is taken then.
other_options() {
    case $way in
    swap) echo --swap-deployment api ;;
    standing) echo --deployment standing ;;
    esac
}

own_mount() { if [[ $way != new ]]; then echo -v "$BATS_FILE_TMPDIR/mine:/etc/web/secret:ro"; fi; }

agent() {
    if [[ $way == standing ]]; then
        json pods -l app=standing | jq -r '[.items[] | select(.metadata.deletionTimestamp | not)][0].metadata.name'
    else
        agent_pod
    fi
}
pod_ip() { json pod "$pod" | jq -r .status.podIP; }

# web, with an agent of ours for its container: what somebody keeps running for --deployment.
make_standing() {
    allow list pods
    allow create,get pods/exec
    json deployment web | jq --arg image "$sidecar_image" '{apiVersion, kind, metadata: {name: "standing"}, spec: (.spec
        | .replicas = 1 | .selector.matchLabels = {app: "standing"} | .template.metadata.labels = {app: "standing"}
        | .template.spec.containers[0] |= (del(.args, .readinessProbe, .livenessProbe, .startupProbe, .lifecycle)
            | .image = $image | .command = ["/usr/lib/tpdocker/tpdocker-agent", "run"]
            | .volumeMounts += [{name: "run", mountPath: "/run/tpdocker"}])
        | .template.spec.volumes += [{name: "run", emptyDir: {medium: "Memory"}}])}' | k create -f - >/dev/null
    k create -f - >/dev/null <<'YAML'
{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "standing"},
 "spec": {"selector": {"app": "standing"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}}
YAML
    eventually 60 settled
    remember_workloads
}

# serve NAME=VALUE... - the test server in the container, until the file ends.
serve() {
    local env=()
    for pair; do env+=(-e "$pair"); done
    docker exec -d "${env[@]}" "$box" tpdocker-test-app
}

# ------------------------------------------------------- from the container

@test "1-3: the environment is the pod's, and nothing of the host's" {
    if [[ $way == new ]]; then
        lacks "$(inside env)" '^PLAIN='
    else
        k exec "$pod" -c app -- cat /run/tpdocker/environ >"$BATS_TEST_TMPDIR/real" 2>/dev/null ||
            k exec "$pod" -c app -- sh -c 'cat /proc/1/environ' >"$BATS_TEST_TMPDIR/real"
        sh_in 'cat /proc/1/environ' >"$BATS_TEST_TMPDIR/env"
        "$lib/environ.py" "$BATS_TEST_TMPDIR/real" "$BATS_TEST_TMPDIR/env" HOSTNAME HOME PATH 'TELEPRESENCE_*' 'TPDOCKER_*'
        equal "$(sh_in 'printf %s. "$TRAILING_NEWLINE"')" $'ends with two newlines\n\n.'
        equal "$(inside printenv DOLLAR)" 'costs $5, ${HOME} and $(PLAIN)'
    fi
    matches "$(sh_in 'curl -sSm 10 "http://$API_SERVICE_HOST:$API_SERVICE_PORT/"')" '^hello from api-'
    matches "$(sh_in 'curl -sSm 10 "http://$API_PORT_8080_TCP_ADDR:$API_PORT_8080_TCP_PORT/"')" '^hello from api-'
    lacks "$(inside env)" MATRIX_LEAK TPT_MARK XDG_ KUBECONFIG
}

@test "3: -e and --env-file win" {
    printf 'ECHO_PORT=file\nFILE_ONLY=here\n' >"$BATS_TEST_TMPDIR/envs"
    tpd run $(other_options) --env-file "$BATS_TEST_TMPDIR/envs" -e 'PLAIN=of mine' "$client" env >"$BATS_TEST_TMPDIR/out"
    matches "$(cat "$BATS_TEST_TMPDIR/out")" '^PLAIN=of mine$' '^ECHO_PORT=file$' '^FILE_ONLY=here$'
}

@test "4-5: TELEPRESENCE_*, HOME, PATH, the host name" {
    equal "$(inside printenv TELEPRESENCE_POD)" "$pod"
    equal "$(inside printenv TELEPRESENCE_METHOD)" container
    equal "$(inside printenv TELEPRESENCE_CONTAINER)" "$(if [[ $way == new ]]; then echo agent; else echo app; fi)"
    matches "$(inside printenv TELEPRESENCE_ROOT)" '^/'
    matches ":$(inside printenv TELEPRESENCE_MOUNTS):" ':/var/run/secrets/kubernetes.io/serviceaccount:'
    equal "$(inside printenv HOME)" /root
    equal "$(inside printenv PATH)" "$(docker run --rm "$client" printenv PATH)"
    equal "$(inside hostname)" "$pod"
}

@test "6-7: names" {
    ip=$(json service api | jq -r .spec.clusterIP)
    for name in api "api.$NS" "api.$NS.svc" "api.$NS.svc.cluster.local"; do
        equal "$(inside getent ahostsv4 "$name" | awk '{ print $1; exit }')" "$ip" "$name"
        matches "$(inside curl -sSm 10 "http://$name:8080/")" '^hello from api-'
    done
    matches "$(inside curl -sSm 10 http://echo.other:8080/env/ROLE)" '^echo in other'
    equal "$(inside dig +short "db.$NS.svc.cluster.local" | sort)" \
        "$(json pods -l app=db | jq -r '.items[].status.podIP' | sort)"
    equal "$(inside dig +short -x "$ip")" "api.$NS.svc.cluster.local."
    matches "$(inside dig +short -t SRV "_http._tcp.api.$NS.svc.cluster.local")" "8080 api\.$NS\.svc\.cluster\.local\.\$"
    matches "$(inside dig "no-such.$NS.svc.cluster.local")" 'status: NXDOMAIN'
    if [[ -z $own_cluster ]]; then
        equal "$(inside dig +short -t AAAA www.outside.test)" 2001:db8::80
        matches "$(inside dig +short -t TXT outside.test)" 'v=spf1'
        matches "$(inside curl -sSm 10 http://www.outside.test/)" '^hello from outside'
    fi
}

@test "8: the search list, options, hostAliases" {
    k exec "$(json pods -l app=api | jq -r '.items[0].metadata.name')" -- cat /etc/resolv.conf >"$BATS_TEST_TMPDIR/resolv"
    for word in search options; do
        equal "$(inside grep "^$word" /etc/resolv.conf | tr -s ' ')" "$(grep "^$word" "$BATS_TEST_TMPDIR/resolv" | tr -s ' ')"
    done
    if [[ $way != new ]]; then equal "$(inside getent hosts legacy | awk '{ print $1 }')" 10.1.2.3; fi
}

@test "9-10: pods by address, localhost, a port of the host" {
    ip=$(json pods -l app=api | jq -r '[.items[] | select(.metadata.deletionTimestamp | not)][0].status.podIP')
    matches "$(inside curl -sSm 10 "http://$ip:8080/")" '^hello from api-'
    equal "$(inside curl -sSm 10 "http://$ip:8080/peer" | cut -d : -f 1)" "$(pod_ip)"
    matches "$(inside curl -sSm 10 http://127.0.0.1:5555/)" 'Directory listing'
    fails inside curl -sm 5 "http://127.0.0.1:$host_port/"
}

# -------------------------------------------------------- into the container

refused() { # ADDRESS PORT - a caller in the cluster is refused: 7 is curl's word for it
    local rc=0
    docker exec "$node" curl -sm 5 "http://$1:$2/" >/dev/null || rc=$?
    [[ $rc == 7 ]] || fail "curl says $rc"
}
call() { docker exec "$node" curl -sSm 10 "http://$1"; }
called() { call "$1" | grep -q "$2"; }

@test "11-13: exposed ports, and the Service in front of them" {
    needs_node
    ip=$(pod_ip)
    # nothing listens yet
    refused "$ip" 8080
    refused "$ip" 81
    serve HTTP_PORT=8080 ECHO_PORT=7207 STREAM_PORT=7208 ROLE=mine
    serve HTTP_PORT=7200 ECHO_PORT=7209 STREAM_PORT=7210 ROLE=other
    eventually 10 called "$ip:8080/env/ROLE" mine
    eventually 10 called "$ip:81/env/ROLE" other
    case $way in
    swap) service=web:80 ;;
    new) service=$pod:8080 ;;
    standing) service=standing:80 ;;
    esac
    eventually 20 called "$(json service "${service%:*}" | jq -r .spec.clusterIP):${service#*:}/env/ROLE" mine
    matches "$(inside curl -sSm 10 "http://${service%:*}:${service#*:}/env/ROLE")" '^mine'
}

@test "14: --to-pod and --from-pod" {
    needs_node
    [[ $way != new ]] || return 0 # its pod has no other container
    equal "$(inside curl -sSm 10 http://127.0.0.1:8081/env/ROLE)" helper
    serve HTTP_PORT=7100 ECHO_PORT=7101 STREAM_PORT=7102 ROLE=back
    back() { k exec "$pod" -c helper -- bash -c 'exec 3<>/dev/tcp/127.0.0.1/7100 && printf "GET /env/ROLE HTTP/1.0\r\n\r\n" >&3 && cat <&3' | grep -q back; }
    eventually 10 back
    # the pod's loopback alone
    refused "$(pod_ip)" 7100
}

@test "15: -p publishes here" {
    serve HTTP_PORT=8090 ECHO_PORT=8091 STREAM_PORT=8092 ROLE=published
    published_answers() { [[ $(curl -sSm 5 "http://127.0.0.1:$published/env/ROLE") == published ]]; }
    eventually 10 published_answers
}

# --------------------------------------------------------------------- files

@test "16-18: volumes at their own paths and below TELEPRESENCE_ROOT" {
    account=/var/run/secrets/kubernetes.io/serviceaccount
    equal "$(inside cat $account/namespace)" "$NS"
    matches "$(inside cat $account/ca.crt)" 'BEGIN CERTIFICATE'
    # as an in-cluster client does it
    matches "$(sh_in "curl -sSm 10 --cacert $account/ca.crt -H \"Authorization: Bearer \$(cat $account/token)\" \
        https://kubernetes.default/api/v1/namespaces/$NS/pods")" 'system:serviceaccount|PodList'
    fails sh_in "echo x >$account/namespace"
    [[ $way != new ]] || return 0
    root=$(inside printenv TELEPRESENCE_ROOT)
    for path in "" "$root"; do
        equal "$(inside cat "$path/etc/web/config/greeting")" hello
        equal "$(inside cat "$path/etc/podinfo/name")" "$pod"
        matches "$(inside cat "$path/etc/web/single.properties")" '^color=blue$'
    done
    equal "$(sh_in 'od -An -tx1 /etc/web/config/blob' | tr -d ' ')" 00010203fffefd
    equal "$(inside cat /etc/web/secret/greeting)" 'my own'
    fails inside cat /etc/web/secret/password
    fails sh_in 'echo x >/etc/web/config/new'
    sh_in 'echo written >/scratch/from-here'
    equal "$(k exec "$pod" -c helper -- cat /scratch/from-here)" written
}

@test "19: another user, an image without a shell" {
    equal "$(tpd run $(other_options) -u 4321:4321 "$client" cat /var/run/secrets/kubernetes.io/serviceaccount/namespace)" "$NS"
    docker build -q -t "tpt-$TPT_ID-scratch" -f - "$BATS_FILE_TMPDIR" >/dev/null <<'END'
FROM scratch
COPY tpdocker-test-app /app
ENTRYPOINT ["/app"]
END
    name=$(name_of scratch)
    tpd run -d --name "$name" $(other_options) -p 127.0.0.1::8080 "tpt-$TPT_ID-scratch" >/dev/null
    port=$(docker port "$(sidecar_of "$name")" 8080)
    token() { curl -sSm 5 "http://127.0.0.1:${port##*:}/file/var/run/secrets/kubernetes.io/serviceaccount/namespace"; }
    eventually 10 token
    equal "$(token)" "$NS"
    docker kill "$name"
    docker rmi -f "tpt-$TPT_ID-scratch" >/dev/null
}

# ------------------------------------------------------- the ends, the command

@test "25: exit codes" {
    try run $(other_options) "$client" sh -c 'exit 3'
    equal "$status" 3
    try run $(other_options) "$client" /no/such/program
    equal "$status" 127
    try run $(other_options) "$client" sh -c 'kill -TERM $$'
    equal "$status" 143
}

@test "26: binary data both ways" {
    head -c 3000000 /dev/urandom >"$BATS_TEST_TMPDIR/data"
    tpd run -i $(other_options) "$client" cat <"$BATS_TEST_TMPDIR/data" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err"
    cmp "$BATS_TEST_TMPDIR/data" "$BATS_TEST_TMPDIR/out"
}

gone() { ! docker container inspect "$1" >/dev/null 2>&1 && [[ -z $(docker ps -aq --filter "label=dev.tpdocker.session=$2") ]]; }
ended_by() { # SIGNAL CODE
    local name session
    name=$(name_of "${1,,}")
    session run --name "$name" $(other_options) "$client" sh -c 'trap "exit 7" TERM INT; while :; do sleep 0.1; done'
    until_running "$name"
    session=$(docker inspect -f '{{index .Config.Labels "dev.tpdocker.session"}}' "$name")
    kill "-$1" "$pid"
    wait_end
    equal "$status" "$2"
    eventually 15 gone "$name" "$session"
    no_pod() { [[ -z $(json pods -l "tpdocker.dev/session=$session" | jq -r '.items[] | select(.metadata.deletionTimestamp | not) | .metadata.name') ]]; }
    eventually 10 no_pod
    if [[ $way == swap ]]; then equal "$(json deployment api | jq '.spec.replicas, (.metadata.labels // {} | keys | any(startswith("tpdocker")))')" $'1\nfalse'; fi
}

@test "23-24: SIGTERM" { ended_by TERM 7; }
@test "23-24: SIGINT" { ended_by INT 7; }
@test "23-24: SIGKILL" { ended_by KILL 137; }

@test "23: the agent's pod is deleted: it is made again, and the container has not noticed" {
    [[ $way != standing ]] || return 0 # other sessions use it: keepup.bats
    old=$(json pod "$pod" | jq -r .metadata.uid)
    started=$(docker inspect -f '{{.State.StartedAt}}' "$box")
    k delete pod "$pod" --wait=false >/dev/null
    another() { [[ $(json pod "$pod" | jq -r .metadata.uid) != "$old" ]]; }
    eventually 60 another
    works() { inside curl -sSm 5 http://api:8080/ | grep -q '^hello from api-'; }
    eventually 60 works
    equal "$(docker inspect -f '{{.State.StartedAt}}' "$box")" "$started"
    files() { [[ $(inside cat /var/run/secrets/kubernetes.io/serviceaccount/namespace) == "$NS" ]]; }
    eventually 30 files
}
