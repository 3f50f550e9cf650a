#!/usr/bin/env bats
# Sessions in the background: up, ps, status, logs, down, and containers that join.

load lib/common

setup_file() {
    load lib/common
    user_setup api web
}
teardown_file() {
    load lib/common
    user_teardown
}
teardown() {
    docker ps -aq --filter "label=tpt=$TPT_ID" | xargs -r docker rm -f >/dev/null
    if [[ -z ${BATS_TEST_COMPLETED:-} ]]; then
        cat "$TPT_STATE"/tpdocker/sessions/*.log 2>/dev/null || true
        tpd down --all || true
    fi
    check_teardown && eventually 150 settled
}

# up ARGS... - a session called $name.
up() {
    name=$(name_of s)
    try up "$name" "$@"
    equal "$status" 0
    equal "$out" "$name"
}
field() { tpd status "$name" --format json | jq -r "$1"; }
field_is() { equal "$(field "$1")" "$2"; }
supervisor() { field .pid; }
# join ARGS... - a container of docker's own, which has joined.
join() { docker run --label "tpt=$TPT_ID" --network "container:tpdocker-$name" "$@"; }
sidecars() { docker ps -aq --filter "label=dev.tpdocker.owner=$TPT_OWNER" --filter label=dev.tpdocker.role=sidecar; }
replicas() { json deployment api | jq -r .spec.replicas; }
gone() { fails tpd status "$name" 2>/dev/null; }
ended_and_undone() {
    eventually 30 gone
    as_before
}

@test "up, a container that joins, ps, status, logs, down" {
    up --swap-deployment api
    matches "$err" 'swapped out'
    equal "$(replicas)" 0
    # the cluster's names and services, for a container that knows nothing of tpdocker
    matches "$(join --rm "$client" curl -sSm 10 http://kubernetes.default.svc:443/ 2>&1)" 'HTTP|400|Client sent'
    join -d --name "$(name_of joined)" "$client" sleep infinity >/dev/null
    equal "$(field .state)" ready
    equal "$(field .workload)" deployment/api
    equal "$(field .mode)" swap
    equal "$(field .namespace)" "$NS"
    equal "$(field .container)" "tpdocker-$name"
    equal "$(field .by)" "$TPT_OWNER"
    equal "$(field .reconnects)" 0
    equal "$(field '.joined | join(" ")')" "$(name_of joined)"
    matches "$(field .link)" '^(socket|exec)$'
    matches "$(field .since)" '^20[0-9-]+T[0-9:]+Z$'
    (($(field .bytesToCluster) > 1000 && $(field .bytesFromCluster) > 1000))
    try status "$name"
    matches "$out" '^state +ready' '^workload +deployment/api \(swapped out\)' "^joined +$(name_of joined)" 'bytes +[1-9][0-9]+ to'
    try ps
    matches "$out" '^NAME +STATE +SINCE' "^$name +ready +[0-9].* ago +deployment/api +$NS"
    try ps --format json
    equal "$(jq -r '.[].name' <<<"$out")" "$name"
    try logs "$name"
    matches "$out" "session $name is ready: deployment/api"
    equal "$(stat -c %a "$TPT_STATE"/tpdocker/sessions/*.log)" 600
    equal "$(stat -c %a "$TPT_STATE"/tpdocker/sessions/*.sock)" 600
    # no terminal, no descriptor of the caller's
    pid=$(supervisor)
    equal "$(ps -o tty= -p "$pid" | tr -d ' ')" '?'
    equal "$(ps -o sid= -p "$pid" | tr -d ' ')" "$pid"
    equal "$(readlink "/proc/$pid/fd/1")" /dev/null
    try down "$name"
    equal "$status" 0
    equal "$out" "$name"
    matches "$err" "$(name_of joined) is still joined to session $name"
    try status "$name"
    equal "$status" 125
    matches "$err" "there is no session $name"
    as_before
}

@test "the workload's name is the default, one without workload gets one" {
    try up --swap-deployment api
    equal "$status" 0
    equal "$out" api
    try up
    equal "$status" 0
    matches "$out" '^[a-z0-9]{10}$'
    running "tpdocker-$out"
    # two at once; then none
    equal "$(tpd ps --format json | jq length)" 2
    try down --all
    equal "$status" 0
    equal "$(wc -l <<<"$out")" 2
    equal "$(tpd ps --format json | jq length)" 0
}

@test "a name that is in use is refused, with who and since when" {
    up
    try up "$name"
    equal "$status" 125
    matches "$err" "a session $name already, of $TPT_OWNER since 20" "tpdocker down $name"
    equal "$(sidecars | wc -l)" 1
    tpd down "$name"
    # and one that a container has already
    docker run -d --label "tpt=$TPT_ID" --name "tpdocker-$name" "$client" sleep infinity >/dev/null
    try up "$name"
    equal "$status" 125
    matches "$err" "a container tpdocker-$name already"
    equal "$(our_pods)" ''
}

@test "two of the same name at the same moment: one of them comes up" {
    name=$(name_of s)
    session up "$name"
    one=$pid
    session up "$name"
    wait "$one" && a=0 || a=$?
    wait "$pid" && b=0 || b=$?
    equal "$((a + b))" 125
    equal "$(sidecars | wc -l)" 1
    tpd down "$name"
}

@test "--reuse: the same again is fine, another one is refused with what differs" {
    name=$(name_of s)
    up --reuse --swap-deployment api --expose 9090 --also-proxy 10.99.0.0/16
    pod=$(agent_pod)
    try up "$name" --reuse --also-proxy=10.99.0.0/16 --expose=9090 --namespace "$NS" --swap-deployment deployment/api
    equal "$status" 0
    equal "$out" "$name"
    matches "$err" "session $name is there already"
    equal "$(agent_pod)" "$pod"
    try up "$name" --reuse --swap-deployment api --expose 9091 --also-proxy 10.99.0.0/16
    equal "$status" 125
    matches "$err" "another session $name since 20.* \\(ready\\), started with --expose=9090, and without --expose=9091" "tpdocker down $name"
    try up "$name" --reuse --swap-deployment api --expose 9090 --also-proxy 10.99.0.0/16 --idle-timeout 9m
    equal "$status" 125
    matches "$err" 'started without --idle-timeout=9 ?m'
    # without --reuse it stays a refusal
    try up "$name" --swap-deployment api --expose 9090 --also-proxy 10.99.0.0/16
    equal "$status" 125
    equal "$(agent_pod)" "$pod"
    tpd down "$name"
}

@test "--reuse: one that starts is waited for, one that ends or died is started anew" {
    name=$(name_of s)
    session up "$name" --reuse --swap-deployment api
    one=$pid
    session up "$name" --reuse --swap-deployment api
    wait "$one"
    wait "$pid"
    equal "$(sidecars | wc -l)" 1
    # it ends
    pod=$(agent_pod)
    session down "$name"
    eventually 30 leaves_ready
    try up "$name" --reuse --swap-deployment api
    equal "$status" 0
    wait "$pid"
    if [[ $(agent_pod) == "$pod" ]]; then fail 'the old agent'; fi
    # it died; its guardian is at work, or not yet
    kill -KILL "$(supervisor)"
    try up "$name" --reuse --swap-deployment api
    equal "$status" 0
    field_is .state ready
    equal "$(replicas)" 0
    tpd down "$name"
}
leaves_ready() { fails field_is .state ready; }

@test "--gate: a container that docker made has the pod's environment, with and without volumes" {
    for volumes in off sshfs; do
        up --swap-deployment api --gate tpdocker-gate --volumes "$volumes"
        in_gate=(--volume "tpdocker-$name:/tpdocker/bin:ro" --entrypoint /tpdocker/bin/gate)
        out=$(join --rm "${in_gate[@]}" -e MINE=1 -e TPDOCKER_OWN=MINE "$client" tpdocker-gate env)
        matches "$out" '^KUBERNETES_SERVICE_HOST=10' "^TELEPRESENCE_POD=$(agent_pod)$" '^MINE=1$'
        join -d --volume "tpdocker-$name:/tpdocker/bin:ro" --name "$(name_of later)" "$client" sleep infinity >/dev/null
        matches "$(docker exec "$(name_of later)" /tpdocker/bin/gate tpdocker-gate --env printenv TELEPRESENCE_POD)" "^$(agent_pod)$"
        docker rm -f "$(name_of later)" >/dev/null
        tpd down "$name"
        equal "$(docker volume ls -q --filter "name=tpdocker-$name")" ''
    done
    # a volume that is somebody's is not taken
    docker volume create --label "tpt=$TPT_ID" "tpdocker-$name" >/dev/null
    try up "$name" --gate tpdocker-gate
    equal "$status" 125
    matches "$err" "a volume tpdocker-$name already, not tpdocker's"
    docker volume rm "tpdocker-$name" >/dev/null
    for args in '--gate a/b' '--gate x --volumes copy'; do
        # shellcheck disable=SC2086 # words
        try up "$name" $args
        equal "$status" 125
        matches "$err" '--gate'
    done
}

@test "what has no place in a session is refused" {
    for args in '-v /tmp:/tmp' '-e A=b' '--rm' '-d'; do
        # shellcheck disable=SC2086 # words
        try up x $args
        equal "$status" 125
        matches "$err" 'is for a container, and .up. starts none'
    done
    try up x -P
    matches "$err" 'Name the ports with -p'
    try up x image
    matches "$err" 'what is "image" for'
    try up '../x'
    matches "$err" 'cannot be a session.s name'
    try up x --idle-timeout 10
    matches "$err" 'write it as 90s'
    try down
    equal "$status" 125
    try down nobody
    matches "$err" 'there is no session nobody'
    try logs nobody
    equal "$status" 125
    try ps --format yaml
    matches "$err" 'table or json'
    equal "$(tpd ps --format json)" '[]'
}

@test "a published port, a network of docker's, a host of one's own" {
    port=$(free_port)
    docker network create "$(name_of net)" >/dev/null || docker network inspect "$(name_of net)" >/dev/null
    docker run -d --label "tpt=$TPT_ID" --network "$(name_of net)" --network-alias db --name "$(name_of db)" "$client" \
        socat TCP-LISTEN:5000,fork,reuseaddr EXEC:'echo local' >/dev/null
    up -p "127.0.0.1:$port:8000" --network "$(name_of net)" --add-host other:192.0.2.7 --hostname mine
    join -d "$client" socat TCP-LISTEN:8000,fork,reuseaddr EXEC:'echo published' >/dev/null
    eventually 10 matches_nc "$port"
    equal "$(join --rm "$client" socat -u TCP:db:5000 -)" local
    matches "$(join --rm "$client" getent hosts other)" '^192.0.2.7'
    equal "$(join --rm "$client" hostname)" mine
    matches "$(join --rm "$client" dig +short +search api)" '^10\.'
    tpd down "$name"
    docker ps -aq --filter "label=tpt=$TPT_ID" | xargs -r docker rm -f >/dev/null
    docker network rm "$(name_of net)" >/dev/null
}
matches_nc() { equal "$(socat -u "TCP:127.0.0.1:$1" -)" published; }

@test "docker stop of the sidecar ends it" {
    up --swap-deployment api
    docker stop "tpdocker-$name" >/dev/null
    ended_and_undone
}

@test "docker kill of the sidecar ends it" {
    up --swap-deployment api
    docker kill "tpdocker-$name" >/dev/null
    ended_and_undone
}

@test "SIGTERM of the supervisor ends it" {
    up --swap-deployment api
    kill -TERM "$(supervisor)"
    ended_and_undone
}

@test "SIGKILL of the supervisor: ps says it, the guardian undoes it" {
    up --swap-deployment api
    pid=$(supervisor)
    kill -KILL "$pid"
    try ps
    # unless its guardian was quicker
    if [[ -n $(grep "$name" <<<"$out") ]]; then
        matches "$out" "^$name +dead"
        matches "$err" 'tpdocker cleanup'
    fi
    ended_and_undone
}

@test "SIGKILL of supervisor and guardian: ps and status say it, down undoes it" {
    up --swap-deployment api
    mapfile -t all < <(ours)
    kill -KILL "${all[@]}"
    try ps
    matches "$out" "^$name +dead"
    matches "$err" 'died; .tpdocker cleanup'
    try status "$name"
    equal "$status" 0
    matches "$out" '^state +dead'
    try down "$name"
    equal "$status" 0
    equal "$out" "$name"
    as_before
}

@test "SIGKILL of supervisor and guardian: cleanup finds it" {
    up --swap-deployment api
    mapfile -t all < <(ours)
    kill -KILL "${all[@]}"
    try cleanup
    equal "$status" 0
    matches "$err" 'which died'
    as_before
}

@test "the agent's pod deleted: it is made again; with --on-disconnect exit that is the end" {
    up --swap-deployment api
    k delete pod "$(agent_pod)" --wait=false >/dev/null
    eventually 60 field_is .reconnects 1
    field_is .state ready
    matches "$(join --rm "$client" dig +short +search kubernetes.default)" '^10\.'
    tpd down "$name"
    as_before
    up --on-disconnect exit
    k delete pod "$(agent_pod)" --wait=false >/dev/null
    eventually 30 gone
}

@test "run --session has the pod's volumes, in several containers at once, and each its own mounts" {
    up --swap-deployment web
    equal "$(field .volumes)" sshfs
    tpd run -d --session "$name" --name "$(name_of one)" "$client" sleep infinity
    tpd run -d --session "$name" --name "$(name_of two)" -v "$BATS_TEST_TMPDIR:/etc/web/config" "$client" sleep infinity
    secret='cat /etc/web/secret/* | sha256sum; cat /var/run/secrets/kubernetes.io/serviceaccount/namespace'
    matches "$(docker exec "$(name_of one)" sh -c "$secret")" "$NS"
    equal "$(docker exec "$(name_of one)" sh -c "$secret")" "$(docker exec "$(name_of two)" sh -c "$secret")"
    matches "$(docker exec "$(name_of one)" ls /etc/web/config)" app.properties
    equal "$(docker exec "$(name_of two)" ls /etc/web/config | grep -c app.properties)" 0
    try run --session "$name" "$client" sh -c 'echo "$TELEPRESENCE_ROOT"; ls "$TELEPRESENCE_ROOT/etc/web/secret"; echo "$TELEPRESENCE_MOUNTS"'
    equal "$status" 0
    matches "$out" '^/tpdocker/root' 'password' '/etc/web/secret'
    tpd down "$name"
    as_before 30
}

@test "run --session: copies of the pod's volumes, for each container its own" {
    up --volumes copy --swap-deployment web
    equal "$(field .volumes)" copy
    tpd run -d --session "$name" --name "$(name_of one)" "$client" sleep infinity
    session run --session "$name" --name "$(name_of two)" -v "$BATS_TEST_TMPDIR:/etc/web/config" "$client" sleep infinity
    until_running "$(name_of two)"
    copied() { docker exec "$(name_of "$1")" cat /etc/web/secret/password; }
    eventually 20 copied two # its gate may still be waiting
    for user in one two; do
        equal "$(copied $user)" 's3cr3t pass=word'
        equal "$(docker exec "$(name_of $user)" cat /var/run/secrets/kubernetes.io/serviceaccount/namespace)" "$NS"
    done
    equal "$(docker exec "$(name_of one)" cat /etc/web/config/greeting /tpdocker/root/etc/web/config/greeting)" hellohello
    fails docker exec "$(name_of two)" test -e /etc/web/config/greeting
    equal "$(docker exec "$(name_of two)" cat /tpdocker/root/etc/web/config/greeting)" hello
    # nothing is shared
    docker exec "$(name_of one)" sh -c 'echo one >/scratch/mine'
    fails docker exec "$(name_of two)" test -e /scratch/mine
    fails docker exec "$(name_of one)" grep -q sshfs /proc/mounts
    try run --session "$name" -v "$BATS_TEST_TMPDIR:/etc/web" "$client" sh -c 'echo never'
    equal "$status" 125
    equal "$out" ''
    matches "$err" "the pod's volume /etc/web/[a-z./]+ .*cop(ied|y)"
    docker kill "$(name_of two)" >/dev/null
    wait_end
    equal "$status" 137
    field_is .state ready
    tpd down "$name"
    as_before 30
}

@test "it survives the terminal that it was started from" {
    name=$(name_of s)
    terminal "expect:$name\r" hangup: -- up --swap-deployment api "$name"
    equal "$status" 0
    field_is .state ready
    join --rm "$client" true
    equal "$(replicas)" 0
    tpd down "$name"
    as_before
}

@test "the terminal closed while it starts: undone" {
    name=$(name_of s)
    terminal 'expect:swapped out' hangup: -- up --swap-deployment api "$name"
    equal "$status" 129
    ended_and_undone
}

@test "Ctrl-C while it starts: undone" {
    name=$(name_of s)
    session up --swap-deployment api "$name"
    eventually 30 grep -q 'swapped out' "$pid_err"
    kill -INT "$pid"
    wait_end
    equal "$status" 130
    as_before
}

@test "down of one that starts" {
    name=$(name_of s)
    session up --swap-deployment api "$name"
    eventually 30 grep -q 'swapped out' "$pid_err"
    try down "$name"
    equal "$status" 0
    wait_end
    equal "$status" 143
    as_before
}

@test "--idle-timeout: not while somebody is joined, but then" {
    up --swap-deployment api --idle-timeout 3s
    join -d --name "$(name_of joined)" "$client" sleep infinity >/dev/null
    session logs -f "$name"
    pause 5 # of all that may not happen for as long
    field_is .state ready
    equal "$(field .idleTimeout)" 3
    docker rm -f "$(name_of joined)" >/dev/null
    ended_and_undone
    wait_end
    equal "$status" 0
    matches "$(cat "$pid_out")" 'nobody was joined for 3 s'
}

@test "logs -f tells until the end" {
    up
    session logs -f "$name"
    eventually 10 grep -q 'is ready' "$pid_out"
    tpd down "$name"
    wait_end
    equal "$status" 0
    matches "$(cat "$pid_out")" 'the session ends: .tpdocker down. was called'
}

@test "run --session: network, environment, exit code; the session stays" {
    up --swap-deployment api
    try run --session "$name" "$client" sh -c 'curl -sSm 10 http://kubernetes.default.svc:443/; env; exit 7'
    equal "$status" 7
    matches "$out" '^KUBERNETES_SERVICE_HOST=10' "^TELEPRESENCE_POD=$(agent_pod)" '^TELEPRESENCE_CONTAINER=' 'HTTP'
    # all of the pod's, and its own
    try run --session "$name" -e MINE=1 --entrypoint env "$client"
    equal "$status" 0
    matches "$out" '^MINE=1' '^API_PORT='
    equal "$(our_pods | wc -l)" 1
    field_is .state ready
    field_is '.joined | length' 0
    echo hello | tpd run -i --session "$name" "$client" cat >"$BATS_TEST_TMPDIR/out"
    equal "$(cat "$BATS_TEST_TMPDIR/out")" hello
    tpd down "$name"
    as_before
}

@test "run --session: several at once; down ends them" {
    up
    session run --session "$name" --name "$(name_of one)" "$client" sleep infinity
    until_running "$(name_of one)"
    tpd run -d --session "$name" --name "$(name_of two)" "$client" socat TCP-LISTEN:9000,fork EXEC:'echo two'
    docker exec "$(name_of one)" sh -c 'until socat -u TCP:localhost:9000 -; do sleep 0.2; done' | grep two
    equal "$(field '.joined | sort | join(" ")')" "$(name_of one) $(name_of two)"
    try down "$name"
    equal "$status" 0
    matches "$err" "$(name_of two) is still joined"
    wait_end
    equal "$status" 137
    matches "$(cat "$pid_err")" "the session $name ends, and"
}

@test "run --session: a killed one leaves no container, a detached one stays" {
    up
    tpd run -d --session "$name" --name "$(name_of two)" "$client" sleep infinity
    session run --session "$name" --name "$(name_of one)" "$client" sleep infinity
    until_running "$(name_of one)"
    kill -KILL "$pid"
    eventually 10 gone_container "$(name_of one)"
    running "$(name_of two)"
    field_is .state ready
    # its end is its own
    docker stop -t 0 "$(name_of two)" >/dev/null
    # one that is told to end
    session run --session "$name" --name "$(name_of one)" "$client" sh -c 'trap "exit 7" TERM; while :; do sleep 0.1; done'
    until_running "$(name_of one)"
    kill -TERM "$pid"
    wait_end
    equal "$status" 7
    field_is .state ready
    tpd down "$name"
}
gone_container() { fails docker container inspect "$1" 2>/dev/null; }

@test "run --session: what is refused" {
    try run --session nobody "$client" true
    equal "$status" 125
    matches "$err" 'there is no session nobody'
    for args in '-p 80:80' '--network x' '--swap-deployment web' '--namespace x' '--also-proxy 10.0.0.0/8' '--hostname x' '-P'; do
        # shellcheck disable=SC2086 # words
        try run --session x $args "$client" true
        equal "$status" 125
        matches "$err" 'belongs to the session, and x is one already' 'tpdocker up'
    done
    background "$client" sleep infinity
    try run --session "$(tpd ps --format json | jq -r '.[].id')" "$client" true
    equal "$status" 125
    matches "$err" 'cannot be joined: it is running'
    docker stop -t 0 "$box" >/dev/null
}

@test "garbage on the control socket does no harm" {
    up
    sock=$(echo "$TPT_STATE"/tpdocker/sessions/*.sock)
    for _ in 1 2 3 4 5; do head -c 5000 /dev/urandom | timeout 5 python3 "$lib/unixcat.py" "$sock" || true; done
    printf 'status' | timeout 5 python3 "$lib/unixcat.py" "$sock" || true
    field_is .state ready
    tpd down "$name"
}

@test "a session of run: ps shows it, down does not touch it" {
    background --swap-deployment api "$client" sleep infinity
    try ps
    matches "$out" 'running +[0-9].* ago +deployment/api'
    id=$(tpd ps --format json | jq -r '.[].id')
    try status "$id"
    matches "$out" '^state +running'
    try down "$id"
    equal "$status" 125
    matches "$err" 'ends when its container does'
    try down --all
    equal "$status" 0
    running "$box"
    docker stop -t 0 "$box" >/dev/null
}
