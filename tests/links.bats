#!/usr/bin/env bats
# Both kinds of link, all kinds of port-forward; two sessions at once.

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

# A run that uses the tunnel in both ways.
works() { # OPTIONS...
    try run --verbose "$@" "$client" sh -c 'curl -sSm 20 http://api:8080/ && head -c 2000000 /dev/zero >/tmp/z &&
        nc -N api 7007 </tmp/z | cmp - /tmp/z && echo unharmed'
    equal "$status" 0
    matches "$out" '^hello from api-' '^unharmed$'
}

@test "the socket that is mounted into the sidecar" {
    works
    matches "$err" "link's kind: socket"
}

@test "docker exec, where a path is too long for a socket" {
    long=$BATS_FILE_TMPDIR/run/$(printf 'x%.0s' {1..100})
    mkdir -m 700 "$long"
    TPT_RUN=$long works
    matches "$err" "link's kind: exec"
    rmdir "$long/tpdocker" "$long"
}

@test "docker exec, where there is no folder for a socket" {
    TPT_RUN=/proc/nothing works
    matches "$err" "link's kind: exec"
}

@test "docker exec: a kill of the helper" {
    TPT_RUN=/proc/nothing session run --name "$(name_of)" --swap-deployment api "$client" sleep infinity
    until_running "$(name_of)"
    kill -KILL "$pid"
    wait_end
}

@test "kubectl speaks the port-forward" {
    works --port-forward kubectl
}

@test "kubectl and docker exec together" {
    TPT_RUN=/proc/nothing works --port-forward=kubectl
}

@test "oc speaks it, or what has its name" {
    mkdir "$BATS_TEST_TMPDIR/bin"
    printf '#!/bin/sh\necho "$@" >>%s\nexec kubectl "$@"\n' "$BATS_TEST_TMPDIR/called" >"$BATS_TEST_TMPDIR/bin/oc"
    chmod +x "$BATS_TEST_TMPDIR/bin/oc"
    PATH=$BATS_TEST_TMPDIR/bin:$PATH works --port-forward oc
    matches "$(cat "$BATS_TEST_TMPDIR/called")" port-forward
}

@test "two sessions at once, in one namespace and in two" {
    one=$(name_of one) two=$(name_of two) three=$(name_of three)
    session run --name "$one" --swap-deployment web "$client" sleep infinity
    pid1=$pid err1=$pid_err
    session run --name "$two" --swap-deployment api "$client" sleep infinity
    pid2=$pid err2=$pid_err
    session run --name "$three" --namespace other "$client" sleep infinity
    pid3=$pid err3=$pid_err
    pid=$pid1 pid_err=$err1 until_running "$one"
    pid=$pid2 pid_err=$err2 until_running "$two"
    pid=$pid3 pid_err=$err3 until_running "$three"
    equal "$(docker exec "$one" printenv TELEPRESENCE_CONTAINER)" app
    equal "$(docker exec "$two" printenv ROLE)" api
    matches "$(docker exec "$three" curl -sSm 10 http://echo:8080/)" '^hello from echo'
    matches "$(docker exec "$one" curl -sSm 10 http://echo.other:8080/)" '^hello from echo'
    # one ends, the others go on
    docker kill "$one"
    pid=$pid1 pid_err=$err1 wait_end
    matches "$(docker exec "$two" curl -sSm 10 http://echo.other:8080/)" '^hello from echo'
    matches "$(docker exec "$three" curl -sSm 10 http://echo:8080/)" '^hello from echo'
    docker kill "$two" "$three"
    pid=$pid2 pid_err=$err2 wait_end
    pid=$pid3 pid_err=$err3 wait_end
    admin get pods -n other -l tpdocker.dev/session -o json | jq -e --arg by "$TPT_OWNER" \
        '[.items[] | select(.metadata.annotations["tpdocker.dev/by"] == $by and .metadata.deletionTimestamp == null)] == []'
}

@test "other ways to name the cluster: --kubeconfig, --context, a client's certificate, a static token" {
    needs_node
    mkdir "$BATS_TEST_TMPDIR/k"
    docker exec "$node" client-certificate "dev-$TPT_ID" developers-"$TPT_ID" >"$BATS_TEST_TMPDIR/k/alice.pem"
    k_create rolebinding dev --clusterrole tpdocker-developer --group "developers-$TPT_ID"
    # files beside the kubeconfig, relative to it; two files merged
    jq --arg ns "$NS" '.users = [{name: "alice", user: {"client-certificate": "alice.pem", "client-key": "alice.pem"}}]
        | .contexts = [{name: "shop", context: {cluster: .clusters[0].name, user: "alice", namespace: $ns}}]
        | del(.["current-context"])' "$TPT_KUBECONFIG" >"$BATS_TEST_TMPDIR/k/config"
    TPT_KUBECONFIG=$BATS_TEST_TMPDIR/k/nothing:$BATS_TEST_TMPDIR/k/config works --context shop
    works --kubeconfig "$BATS_TEST_TMPDIR/k/config" --context shop --port-forward kubectl
}

@test "an exec credential plugin" {
    jq -r '.users[0].user.token' "$TPT_KUBECONFIG" >"$BATS_TEST_TMPDIR/token"
    cat >"$BATS_TEST_TMPDIR/plugin" <<PLUGIN
#!/bin/sh
echo called >>$BATS_TEST_TMPDIR/calls
printf '{"apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential", "status": {"token": "%s"}}' \
    "\$(cat $BATS_TEST_TMPDIR/token)"
PLUGIN
    chmod +x "$BATS_TEST_TMPDIR/plugin"
    (umask 077 && jq --arg p "$BATS_TEST_TMPDIR/plugin" '.users[0].user = {exec: {apiVersion: "client.authentication.k8s.io/v1beta1",
        command: $p}}' "$TPT_KUBECONFIG" >"$BATS_TEST_TMPDIR/config")
    TPT_KUBECONFIG=$BATS_TEST_TMPDIR/config works
    [[ $(wc -l <"$BATS_TEST_TMPDIR/calls") -le 2 ]] || fail 'the plugin is asked again and again'
}

@test "a docker context" {
    mkdir "$TPT_HOME/.docker"
    HOME=$TPT_HOME docker context create --docker "host=$(docker context inspect --format '{{.Endpoints.docker.Host}}')" elsewhere >/dev/null
    works --docker-context elsewhere
    DOCKER_HOST='' DOCKER_CONTEXT=elsewhere works
    rm -r "$TPT_HOME/.docker"
}
