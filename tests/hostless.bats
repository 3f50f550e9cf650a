#!/usr/bin/env bats
# A session whose process is PID 1 of the sidecar's container: no program and no engine's socket of the host's.

load lib/common

setup_file() {
    load lib/common
    user_setup api web
    export BATS_TEST_TIMEOUT=600
}
teardown_file() {
    load lib/common
    user_teardown
}
teardown() {
    if [[ -z ${BATS_TEST_COMPLETED:-} ]]; then docker logs "$(name_of net)" || true; fi
    docker ps -aq --filter "label=tpt=$TPT_ID" | xargs -r docker stop -t 40 >/dev/null
    docker ps -aq --filter "label=tpt=$TPT_ID" | xargs -r docker rm -f >/dev/null
    docker volume ls -q --filter "label=tpt=$TPT_ID" | xargs -r docker volume rm >/dev/null
    check_teardown && eventually 150 settled
}

# What the usage text says, and the cluster's network.
needs=(--user 0 --cap-add NET_ADMIN --tmpfs '/run/tpdocker:mode=0700,exec')
# What mounting takes beyond that.
mounts=(--cap-add SYS_ADMIN --device /dev/fuse --security-opt apparmor=unconfined --security-opt label=disable)
network=tpdocker-test
create() { # [DOCKER'S OPTIONS...] -- ARGS...
    local options=()
    while [[ $1 != -- ]]; do options+=("$1") && shift; done
    shift
    net=$(name_of net)
    docker run -d --label "tpt=$TPT_ID" --name "$net" --hostname "$(name_of h)" --network "$network" \
        -v "$TPT_KUBECONFIG:/kube/config:ro" --health-cmd '/usr/lib/tpdocker/tpdocker-sidecar health' --health-interval 1s \
        "${options[@]}" "$sidecar_image" session "$@" >/dev/null
}
healthy() { equal "$(docker inspect -f '{{.State.Health.Status}}' "$net")" healthy; }
join() { docker run --rm --label "tpt=$TPT_ID" --network "container:$net" "$client" "$@"; }
exited() { equal "$(docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' "$net")" "exited $1"; }
replicas() { json deployment api | jq -r .spec.replicas; }
log() { docker logs "$net" 2>&1; }
logged() { matches "$(log)" "$@"; }
no_dead() { lacks "$(docker top "$net" -o pid,stat,args)" "^ *[0-9]+ +Z"; }
# docker stop, which is to restore within seconds; the machine may be busy.
stop() {
    local start=$SECONDS
    docker stop -t 40 "$net" >/dev/null
    exited 0
    ((SECONDS - start < 25)) || fail "docker stop took $((SECONDS - start)) s"
}

@test "it swaps, is healthy, gives others the cluster, and docker stop restores" {
    create "${needs[@]}" -- --swap-deployment api
    eventually 120 healthy
    equal "$(replicas)" 0
    equal "$(docker exec "$net" /usr/lib/tpdocker/tpdocker-sidecar health)" ready
    matches "$(join dig +short +search api)" '^10\.'
    matches "$(join curl -sSm 10 http://kubernetes.default.svc:443/ 2>&1)" 'HTTP|400|Client sent'
    matches "$(docker exec "$net" /usr/lib/tpdocker/tpdocker ps)" '^session +ready .*deployment/api'
    # whatever ends is reaped, whoever its parent was
    docker exec "$net" sh -c '(sh -c "exit 0" & exec sleep 0) & wait'
    eventually 20 no_dead
    # what is for the user is in its log, and nothing else
    lacks "$(log)" 'Connected to server' mm_receive_fd
    matches "$(log)" "the pod's volumes are left out.* --cap-add SYS_ADMIN .*--device /dev/fuse"
    stop
    matches "$(log)" 'the session ends: Terminated'
    eventually 150 settled
}

@test "only its own process reaches the API server on the engine's network; others are in the cluster" {
    needs_node
    # The API server as a container of the engine's default network has it.
    docker run -d --rm --label "tpt=$TPT_ID" --name "$(name_of relay)" "$client" socat TCP-LISTEN:6443,fork,reuseaddr \
        "TCP:$(docker inspect -f '{{(index .NetworkSettings.Networks "tpdocker-test").IPAddress}}' "$node"):6443" >/dev/null
    docker network connect tpdocker-test "$(name_of relay)"
    local relay config=$BATS_TEST_TMPDIR/config
    relay=$(docker inspect -f '{{.NetworkSettings.Networks.bridge.IPAddress}}' "$(name_of relay)")
    (umask 077 && jq --arg ip "$relay" '.clusters[0].cluster |= (.["tls-server-name"] = (.server | capture("//(?<n>[^:/]+)").n)
        | .server = "https://\($ip):6443")' "$TPT_KUBECONFIG" >"$config")
    network=bridge
    create "${needs[@]}" -v "$config:/other:ro" -e KUBECONFIG=/other -- --volumes off
    eventually 120 healthy
    matches "$(join curl -sSm 10 http://api:8080/)" '^hello from api-'
    fails join curl -sSkm 5 -o /dev/null "https://$relay:6443/"
    lacks "$(log)" volumes
    stop
}

@test "--engine sshuttle" {
    create "${needs[@]}" -- --volumes off --engine sshuttle
    eventually 120 healthy
    matches "$(join curl -sSm 10 http://api:8080/)" '^hello from api-'
    matches "$(join dig +short +search api)" '^10\.'
    k delete pod "$(agent_pod)" --wait=false >/dev/null
    eventually 120 logged 'the link to the cluster is back'
    eventually 60 healthy
    matches "$(join curl -sSm 10 http://api:8080/)" '^hello from api-'
    stop
}

@test "the agent's pod goes: it is made again; with --on-disconnect exit it ends" {
    create "${needs[@]}" -- --swap-deployment api --volumes off
    eventually 120 healthy
    k delete pod "$(agent_pod)" --wait=false >/dev/null
    eventually 120 logged 'the link to the cluster is back'
    logged 'the link to the cluster broke .the agent pod .* making it again'
    eventually 60 healthy
    matches "$(join curl -sSm 10 http://kubernetes.default.svc:443/ 2>&1)" 'HTTP|400|Client sent'
    equal "$(replicas)" 0
    stop
    docker rm "$net" >/dev/null
    create "${needs[@]}" -- --volumes off --on-disconnect exit
    eventually 120 healthy
    k delete pod "$(agent_pod)" --wait=false >/dev/null
    eventually 60 exited 125
    logged 'the agent pod .* which ends the run .--on-disconnect=exit'
}

@test "a container whose entrypoint is the gate has the pod's volumes and environment" {
    local volume
    volume=$(name_of bin)
    docker volume create --label "tpt=$TPT_ID" "$volume" >/dev/null
    create "${needs[@]}" "${mounts[@]}" -v "$volume:/tpdocker/bin" -- --swap-deployment web:app
    gated() {
        docker run --rm --label "tpt=$TPT_ID" --network "container:$net" -v "$volume:/tpdocker/bin:ro" \
            --entrypoint /tpdocker/bin/gate "$client" tpdocker-gate/test "$@"
    }
    listens() { docker exec "$net" grep -q '@tpdocker-gate' /proc/net/unix; }
    # it may come before the session is ready, and waits
    eventually 60 listens
    config=$(k get configmap web-config -o json)
    equal "$(gated cat /etc/web/config/greeting /etc/web/secret/password)" "$(jq -r .data.greeting <<<"$config")s3cr3t pass=word"
    eventually 120 healthy
    lacks "$(log)" 'left out'
    equal "$(gated cat /tpdocker/root/etc/hostname)" "$(agent_pod)"
    gated env >"$BATS_TEST_TMPDIR/env"
    matches "$(cat "$BATS_TEST_TMPDIR/env")" '^API_SERVICE_HOST=10\.' '^TELEPRESENCE_ROOT=/tpdocker/root$' \
        '^TELEPRESENCE_MOUNTS=(.*:)?/etc/web/config(:.*)?$' '^TELEPRESENCE_METHOD=container$' "^TELEPRESENCE_POD=$(agent_pod)$"
    equal "$(gated sh -c 'printf %s. "$TRAILING_NEWLINE"')" $'ends with two newlines\n\n.'
    # read-only as in the pod, and written through
    fails gated sh -c 'echo x >/etc/web/config/greeting'
    gated sh -c 'echo "from here" >/scratch/here'
    equal "$(k exec "$(agent_pod)" -c helper -- cat /scratch/here)" 'from here'
    # without the gate: the network alone
    equal "$(join sh -c 'echo "$TELEPRESENCE_ROOT"; ls /tpdocker 2>/dev/null')" ''
    # a pod that is made again has its files at the same places
    k delete pod "$(agent_pod)" --wait=false >/dev/null
    eventually 120 logged 'the link to the cluster is back'
    there() { equal "$(gated cat /etc/web/config/greeting)" "$(jq -r .data.greeting <<<"$config")"; }
    eventually 60 there
    # and its own environment
    equal "$(gated printenv POD_IP)" "$(json pod "$(agent_pod)" | jq -r .status.podIP)"
    no_dead
    # whoever mounts has gone: so has what it is for
    docker exec "$net" sh -c 'for p in /proc/[0-9]*; do case $(tr "\0" " " <$p/cmdline) in *side[c]ar" "mounts*) kill -9 ${p#/proc/};; esac; done'
    eventually 60 exited 125
    logged "the process that mounts the pod's volumes is gone"
}

@test "its process is killed: the guardian undoes it before the container ends" {
    create "${needs[@]}" -- --swap-deployment api --volumes off
    eventually 120 healthy
    docker exec "$net" sh -c 'for p in /proc/[0-9]*; do case $(tr "\0" " " <$p/cmdline) in "/usr/lib/tpdocker/tpdocker session "*) kill -9 ${p#/proc/};; esac; done'
    eventually 60 exited 137
    logged 'was killed'
    equal "$(replicas)" 1
    equal "$(our_pods)" ''
}

@test "killed, and started again: what was left is undone first" {
    create "${needs[@]}" -- --swap-deployment api --volumes off
    eventually 120 healthy
    docker kill "$net" >/dev/null
    equal "$(replicas)" 0
    docker start "$net" >/dev/null
    eventually 120 healthy
    matches "$(log)" 'cleaning up after the session'
    equal "$(our_pods | wc -l)" 1
    docker stop -t 40 "$net" >/dev/null
    exited 0
}

@test "what it needs, and how to give it" {
    create --
    eventually 40 exited 125
    matches "$(log)" 'it has to be root there' 'docker run --user 0 --cap-add NET_ADMIN --tmpfs'
    docker rm -f "$net" >/dev/null
    create --user 0 --tmpfs /run/tpdocker --
    eventually 40 exited 125
    matches "$(log)" 'lacks the capability NET_ADMIN'
    docker rm -f "$net" >/dev/null
    create --user 0 --cap-add NET_ADMIN --
    eventually 40 exited 125
    matches "$(log)" 'is no tmpfs'
    docker rm -f "$net" >/dev/null
    create "${needs[@]}" -- -v /a:/b
    eventually 40 exited 125
    matches "$(log)" 'go before the image'
    docker rm -f "$net" >/dev/null
    create "${needs[@]}" --cap-drop SYS_CHROOT -- --volumes sshfs
    eventually 40 exited 125
    matches "$(log)" 'the container may not mount' '--cap-add SYS_ADMIN --cap-add SYS_CHROOT --device /dev/fuse'
    docker rm -f "$net" >/dev/null
    create "${needs[@]}" "${mounts[@]}" -- --volumes copy
    eventually 40 exited 125
    matches "$(log)" 'it takes an engine' 'tpdocker up. on the host'
    docker rm -f "$net" >/dev/null
    create "${needs[@]}" -- --container-to-host 5432
    eventually 40 exited 125
    matches "$(log)" 'knows no ports of the machine' 'tpdocker up'
    try session
    equal "$status" 125
    matches "$err" "for the sidecar.s image alone" 'tpdocker up'
}

@test "a credential plugin that is not in the image: the other way is named" {
    local config=$BATS_TEST_TMPDIR/config
    jq '.users[0].user = {exec: {apiVersion: "client.authentication.k8s.io/v1beta1", command: "aws-iam-authenticator"}}' \
        "$TPT_KUBECONFIG" >"$config"
    create "${needs[@]}" -v "$config:/other:ro" -e KUBECONFIG=/other --
    eventually 40 exited 125
    matches "$(log)" 'aws-iam-authenticator' 'tpdocker up. on the host'
}
