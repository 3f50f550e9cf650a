#!/usr/bin/env bats
# What a session must do, once for each way to have an agent (swap, new, standing), each method
# with each engine that it can have ("none" for one that has none), and each kind of link (socket, exec): the
# file's own name says which, tests/matrix-WAY-METHOD-ENGINE-LINK.bats. Numbers are those of the list in
# docs/behaviour.md. More of each, for one way and link: the files named after the subject.

load lib/common

setup_file() {
    load lib/common
    local name=${BATS_TEST_FILENAME##*/}
    name=${name%.bats}
    method=${name#matrix-} link=${name##*-}
    way=${method%%-*} method=${method#*-}
    method=${method%-*}
    engine=${method##*-} method=${method%-*}
    user_setup web api db
    # somebody in the cluster who calls
    k run caller --image "$client" --image-pull-policy IfNotPresent --restart Never -- sleep infinity >/dev/null
    if [[ $method == teleproxy ]]; then
        allow list,watch services,pods
        allow list,watch endpointslices discovery.k8s.io
    fi
    case $way in
    swap) make_twin ;;
    standing) make_standing ;;
    esac
    [[ $link == socket ]] || TPT_RUN=/proc/nothing
    export way method engine link TPT_RUN
    app=$BATS_FILE_TMPDIR/tpdocker-test-app
    local made
    made=$(docker create tpdocker-test-app)
    docker cp "$made:/usr/local/bin/tpdocker-test-app" "$app" >/dev/null
    docker rm "$made" >/dev/null
    mkdir "$BATS_FILE_TMPDIR/mine"
    echo 'my own' >"$BATS_FILE_TMPDIR/mine/greeting"
    published=$(free_port) host_port=$(free_port)
    python3 -m http.server --bind 127.0.0.1 --directory "$BATS_FILE_TMPDIR/mine" "$host_port" >/dev/null 2>&1 3>&- 4>&- &
    echo $! >"$BATS_FILE_TMPDIR/host.pid"
    # The container of most tests. What it serves, it serves only when a test begins that.
    MATRIX_LEAK=leaks background $(how) $(options) --container-to-host "5555:$host_port" -p "127.0.0.1:$published:8090" \
        -v "$app:/usr/local/bin/tpdocker-test-app:ro" $(own_mount) "$client" sleep infinity
    pod=$(agent)
    export box pod app published host_port
}

teardown_file() {
    load lib/common
    local rc=0
    kill "$(cat "$BATS_FILE_TMPDIR/host.pid")" || true
    docker kill "$box" >/dev/null || true
    # another deployment's pod, or the same one: a standing agent is left as it was
    if [[ $way == standing ]]; then equal "$(agent)" "$pod" || rc=1; fi
    as_before || rc=1
    user_teardown || rc=1
    return "$rc"
}

teardown() { end_others; }

# How each session of the file does it.
how() {
    echo --method "$method"
    if [[ $engine != none ]]; then echo --engine "$engine"; fi
    if [[ $method == teleproxy ]]; then echo "${cluster_ranges[@]}"; fi
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
    how
    case $way in
    swap) echo --swap-deployment twin ;;
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

# A second workload to swap, whose Service nobody calls.
make_twin() {
    json deployment api | jq '{apiVersion, kind, metadata: {name: "twin"}, spec: (.spec | .selector.matchLabels = {app: "twin"}
        | .template.metadata.labels = {app: "twin"} | .template.spec.containers[0].env += [{name: "PLAIN", value: "plain"}, {name: "ECHO_PORT", value: "7007"}])}' | k create -f - >/dev/null
    remember_workloads
}

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
        k exec "$pod" -c app -- cat /proc/1/environ >"$BATS_TEST_TMPDIR/real"
        sh_in 'cat /proc/1/environ' >"$BATS_TEST_TMPDIR/env"
        "$lib/environ.py" "$BATS_TEST_TMPDIR/real" "$BATS_TEST_TMPDIR/env" HOSTNAME HOME PATH 'TELEPRESENCE_*' 'TPDOCKER_*' \
            $(if [[ $method == inject-tcp ]]; then echo LD_PRELOAD 'TORSOCKS_*'; fi)
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
    equal "$(inside printenv TELEPRESENCE_METHOD)" "$method"
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
    # with teleproxy other names are the engine's servers' to answer, which are none of the tests'
    if [[ -z $own_cluster && $method != teleproxy ]]; then
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

call() { k exec caller -- curl -sSm 5 "http://$1"; }
called() { call "$1" | grep -q "$2"; }
refused() { # ADDRESS PORT - a caller in the cluster is refused: 7 is curl's word for it
    local rc=0
    call "$1:$2/" >/dev/null || rc=$?
    [[ $rc == 7 ]] || fail "curl says $rc"
}
caller_runs() { json pod caller | jq -e '.status.phase == "Running"'; }

@test "11-13: exposed ports, and the Service in front of them" {
    eventually 60 caller_runs
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

@test "18-19: another user, an image without a shell, a volume that has no place" {
    equal "$(tpd run $(other_options) -u 4321:4321 "$client" cat /var/run/secrets/kubernetes.io/serviceaccount/namespace)" "$NS"
    # A label of its own: files that build the same at the same time would share an image, and take it from each other.
    build() { docker build -q -t "$1" --label "for=$1" -f - "$context" >/dev/null; }
    context=$BATS_TEST_TMPDIR/context image=tpt-$TPT_ID-scratch-$BATS_TEST_TRY_NUMBER
    mkdir "$context"
    cp "$BATS_FILE_TMPDIR/tpdocker-test-app" "$context"
    build "$image" <<<$'FROM scratch\nCOPY tpdocker-test-app /app\nENTRYPOINT ["/app"]'
    if [[ $method == inject-tcp ]]; then
        # by design: nothing can be preloaded into what is static
        try run $(other_options) "$image"
        equal "$status" 125
        matches "$err" '/app: --method inject-tcp cannot serve it: it is statically linked; --method container can'
        return 0
    fi
    name=$(name_of scratch)
    tpd run -d --name "$name" $(other_options) -e HTTP_PORT=8080 -p 127.0.0.1::8080 "$image" >/dev/null
    port=$(docker port "$(sidecar_of "$name")" 8080)
    namespace() { curl -sSm 5 "http://127.0.0.1:${port##*:}/file/var/run/secrets/kubernetes.io/serviceaccount/namespace"; }
    eventually 10 namespace
    equal "$(namespace)" "$NS"
    docker kill "$name"
    build "$image-full" <<<$'FROM scratch\nCOPY tpdocker-test-app /app\nCOPY tpdocker-test-app /var/run/secrets\nENTRYPOINT ["/app"]'
    try run $(other_options) "$image-full"
    equal "$status" 125
    matches "$err" "the pod's volume at /var/run/secrets/kubernetes.io/serviceaccount: "
}

# ------------------------------------------------------------ the remote side

@test "20-21: what the agent's pod is" {
    case $way in
    swap)
        equal "$(json deployment web | jq .spec.replicas)" 0
        is=$(json pod "$pod") was=$(json deployment web | jq .spec.template)
        equal "$(jq -c '[.metadata.labels | .app, .tier]' <<<"$is")" '["web","front"]'
        for kept in '.spec.hostAliases' '[.spec.initContainers[] | .name, .image, .command]' '.spec.securityContext' \
            '.spec.containers[1] | .image, .env' '.spec.containers[0] | .ports, .envFrom, .resources, .securityContext'; do
            equal "$(jq -Sc "$kept" <<<"$is")" "$(jq -Sc "$kept" <<<"$was")" "$kept"
        done
        equal "$(jq -c '.spec.containers[0] | [.readinessProbe, .livenessProbe, .startupProbe, .lifecycle]' <<<"$is")" '[null,null,null,null]'
        lacks "$(jq -c '.spec.containers[0] | [.command, .args]' <<<"$is")" tpdocker-test-app -- --ignored
        ;;
    new) matches "$pod" '^fresh-' ;;
    standing)
        # nothing of ours at it
        lacks "$(json deployment standing | jq -c .metadata)" 'tpdocker\.dev/'
        equal "$(json pod "$pod" | jq -c '[.metadata.deletionTimestamp, .status.containerStatuses[0].restartCount]')" '[null,0]'
        ;;
    esac
}

# ------------------------------------------------------- the command, the ends

@test "25: exit codes" {
    try run $(other_options) "$client" sh -c 'exit 3'
    equal "$status" 3
    try run $(other_options) "$client" /no/such/program
    equal "$status" 127
    try run --init $(other_options) "$client" sh -c 'kill -KILL $$'
    equal "$status" 137
}

@test "26: a terminal" {
    terminal 'expect:# $' 'send:tty\r' 'expect:/dev/pts/\d+' 'expect:# $' 'resize:40x120' \
        'send:until stty size | grep "^40"; do sleep 0.1; done\r' 'expect:40 120\r\n' 'expect:# $' \
        "send:sh -c 'echo rea\"\"dy; exec sleep 60'\\r" 'expect:ready\r\n' \
        'send:\x03' 'expect:# $' 'send:exit 4\r' -- run -it $(other_options) "$client" sh
    equal "$status" 4
}

@test "26-27: binary data both ways, and nothing of ours in it" {
    head -c 20000000 /dev/urandom >"$BATS_TEST_TMPDIR/data"
    # what comes after the end of the input has been seen, too
    tpd run -i $(other_options) "$client" sh -c 'cat; echo the end; head -c 100000000 /dev/zero' <"$BATS_TEST_TMPDIR/data" 2>"$BATS_TEST_TMPDIR/err" |
        cmp - <(cat "$BATS_TEST_TMPDIR/data"; echo the end; head -c 100000000 /dev/zero)
}

@test "28: another session in another namespace" {
    matches "$(tpd run $(how) --namespace other "$client" curl -sSm 10 http://echo:8080/)" '^hello from echo'
    matches "$(inside curl -sSm 10 http://api:8080/)" '^hello from api-'
}

@test "29: no token, key or secret where it is seen" {
    {
        docker inspect "$(sidecar_of "$box")" "$(companion_of "$box")"
        json pod "$pod"
        k logs "$pod" -c "$(inside printenv TELEPRESENCE_CONTAINER)"
        cat "$TPT_STATE"/tpdocker/sessions/*.log
        for p in $(ours); do tr '\0' '\n' <"/proc/$p/cmdline"; done
    } >"$BATS_TEST_TMPDIR/seen"
    matches "$(cat "$BATS_TEST_TMPDIR/seen")" sidecar tpdocker-agent 'tpdocker.* ready'
    for secret in "$(jq -r '.users[0].user.token' "$TPT_KUBECONFIG")" 's3cr3t pass=word' 'secret $VALUE' 'PRIVATE KEY' b3BlbnNzaC1rZXktdjE; do
        fails grep -qF -e "$secret" "$BATS_TEST_TMPDIR/seen"
    done
}

@test "30: refused before anything is made" {
    containers=$(our_containers) pods=$(our_pods)
    case $way in
    swap) try run --swap-deployment nobody "$client" true ;;
    new) try run --new-deployment 'no_body' "$client" true ;;
    standing) try run --deployment nobody "$client" true ;;
    esac
    equal "$status" 125
    matches "$err" no_\?body
    equal "$(our_containers) $(our_pods)" "$containers $pods"
}

gone() { ! docker container inspect "$1" >/dev/null 2>&1 && [[ -z $(docker ps -aq --filter "label=dev.tpdocker.session=$2") ]]; }
no_pod() { [[ -z $(json pods -l "tpdocker.dev/session=$1" | jq -r '.items[] | select(.metadata.deletionTimestamp | not) | .metadata.name') ]]; }
polite='trap "exit 7" TERM INT HUP; echo up; while :; do sleep 0.1; done'
stubborn='trap "" INT; trap "exit 5" TERM; echo up; while :; do sleep 0.1; done'
up() { grep -q up "$pid_out"; }

# ended_by CODE SCRIPT COMMAND... - a session whose container runs SCRIPT, which COMMAND brings to its end.
ended_by() {
    local name session code=$1
    name=$(name_of ended)
    session run --name "$name" $(other_options) "$client" bash -c "$2"
    until_running "$name"
    eventually 10 up
    session=$(docker inspect -f '{{index .Config.Labels "dev.tpdocker.session"}}' "$name")
    shift 2
    "$@"
    wait_end 30
    equal "$status" "$code"
    eventually 15 gone "$name" "$session"
    eventually 10 no_pod "$session"
    if [[ $way == swap ]]; then equal "$(json deployment twin | jq '.spec.replicas, (.metadata.labels // {} | keys | any(startswith("tpdocker")))')" $'1\nfalse'; fi
}
signal() { kill "-$1" "$pid"; }
signal_twice() {
    kill -INT "$pid"
    pause 0.5 # of two at once the kernel makes one
    kill -INT "$pid"
}
kill_sidecar() { docker kill "$(sidecar_of "$(name_of ended)")"; }

@test "23-24: SIGTERM" { ended_by 7 "$polite" signal TERM; }
@test "23-24: SIGHUP" { ended_by 7 "$polite" signal HUP; }
@test "23-24: SIGINT" { ended_by 7 "$polite" signal INT; }
@test "23-24: SIGINT twice" { ended_by 5 "$stubborn" signal_twice; }
@test "23-24: SIGKILL" { ended_by 137 "$polite" signal KILL; }
@test "23-24: the sidecar is killed" { ended_by 125 "$polite" kill_sidecar; }

@test "23: the agent's pod is deleted: it is made again, and the container has not noticed" {
    [[ $way != standing ]] || return 0 # other sessions use it: keepup.bats
    old=$(json pod "$pod" | jq -r .metadata.uid)
    started=$(docker inspect -f '{{.State.StartedAt}}' "$box")
    k delete pod "$pod" --wait=false >/dev/null
    eventually 60 made_again "$pod" "$old"
    works() { inside curl -sSm 5 http://api:8080/ | grep -q '^hello from api-'; }
    eventually 60 works
    equal "$(docker inspect -f '{{.State.StartedAt}}' "$box")" "$started"
    files() { [[ $(inside cat /var/run/secrets/kubernetes.io/serviceaccount/namespace) == "$NS" ]]; }
    eventually 30 files
}
