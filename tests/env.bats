#!/usr/bin/env bats
# The environment and identity that a container gets when it stands in for a pod.

load lib/common

setup_file() {
    load lib/common
    user_setup web api
    # The variables that would do harm if they came along, and those that look like ours.
    k patch deployment api -p '{"spec": {"template": {"spec": {"containers": [{"name": "api",
        "command": ["/usr/local/bin/tpdocker-test-app"]}]}}}}' >/dev/null
    k set env deployment/api HOME=/pod/home PATH=/pod/bin HOSTNAME=pod-host DOCKER_HOST=tcp://pod:1 \
        TELEPRESENCE_METHOD=mine LD_PRELOAD=/pod/lib.so TERM=pod-term KUBECONFIG=/pod/config >/dev/null
    eventually 150 settled
    remember_workloads
    real=$(json pods -l app=web | jq -r '[.items[] | select(.metadata.deletionTimestamp | not)][0].metadata.name')
    k exec "$real" -c app -- cat /proc/1/environ >"$BATS_FILE_TMPDIR/real.env"
    k exec "$real" -c app -- cat /etc/resolv.conf >"$BATS_FILE_TMPDIR/real.resolv"
    HOST_SECRET=leaks background --swap-deployment web:app "$client" sleep infinity
    pod=$(agent_pod)
    export box pod
}

teardown_file() {
    load lib/common
    docker kill "$box" >/dev/null
    as_before
    user_teardown
}

@test "the pod's environment arrives, byte for byte, and nothing else does" {
    sh_in 'cat /proc/1/environ' >"$BATS_TEST_TMPDIR/env"
    "$lib/environ.py" "$BATS_FILE_TMPDIR/real.env" "$BATS_TEST_TMPDIR/env" \
        POD_NAME POD_IP HOSTNAME HOME PATH 'TELEPRESENCE_*'
}

@test "docker exec and a shell see the same environment" {
    equal "$(sh_in 'printf %s. "$PEM"')" "$(k get deploy web -o json | jq -r '.spec.template.spec.containers[0].env[]
        | select(.name == "PEM") | .value + "."')"
    equal "$(sh_in 'printf %s. "$TRAILING_NEWLINE"')" $'ends with two newlines\n\n.'
    equal "$(sh_in 'printf "%s." "${EMPTY-unset}"')" .
    equal "$(inside printenv DOLLAR)" 'costs $5, ${HOME} and $(PLAIN)'
}

@test "a pod's own name and address are those of the agent's pod" {
    equal "$(inside printenv POD_NAME)" "$pod"
    equal "$(inside printenv POD_IP)" "$(json pod "$pod" | jq -r .status.podIP)"
}

@test "the variables of Services are there and lead to them" {
    equal "$(inside printenv WEB_SERVICE_HOST)" "$(json service web | jq -r .spec.clusterIP)"
    equal "$(inside printenv WEB_SERVICE_PORT_HTTP)" 80
    equal "$(inside printenv API_PORT_8080_TCP)" "tcp://$(inside printenv API_SERVICE_HOST):8080"
    matches "$(sh_in 'curl -sSm 10 "http://$API_SERVICE_HOST:$API_SERVICE_PORT/"')" '^hello from api-'
    matches "$(sh_in 'curl -sSm 10 "http://$API_PORT_8080_TCP_ADDR:$API_PORT_8080_TCP_PORT/"')" '^hello from api-'
}

@test "TELEPRESENCE_* are set" {
    equal "$(inside printenv TELEPRESENCE_CONTAINER)" app
    equal "$(inside printenv TELEPRESENCE_POD)" "$pod"
    equal "$(inside printenv TELEPRESENCE_METHOD)" container
    matches "$(inside printenv TELEPRESENCE_ROOT)" '^/'
    mounts=:$(inside printenv TELEPRESENCE_MOUNTS):
    for path in /etc/web/config /etc/web/secret /etc/podinfo /scratch /var/run/secrets/kubernetes.io/serviceaccount; do
        [[ $mounts == *":$path:"* ]] || fail "$path is not in TELEPRESENCE_MOUNTS: $mounts"
    done
    lacks "$mounts" tpdocker
}

@test "HOME and PATH are the image's, the host name is the pod's" {
    equal "$(inside printenv HOME)" /root
    equal "$(inside printenv PATH)" "$(docker run --rm "$client" printenv PATH)"
    equal "$(inside hostname)" "$pod"
    equal "$(inside printenv HOSTNAME)" "$pod"
}

@test "nothing of the host's environment leaks" {
    lacks "$(inside env)" HOST_SECRET TPT_MARK XDG_ KUBECONFIG BATS
}

@test "resolv.conf has the pod's search list and options" {
    for word in search options; do
        equal "$(inside grep "^$word" /etc/resolv.conf | tr -s ' ')" \
            "$(grep "^$word" "$BATS_FILE_TMPDIR/real.resolv" | tr -s ' ')"
    done
}

@test "hosts has the pod's hostAliases and its own name" {
    equal "$(inside getent hosts legacy.example.com | awk '{ print $1 }')" 10.1.2.3
    equal "$(inside getent hosts legacy | awk '{ print $1 }')" 10.1.2.3
    equal "$(inside getent hosts ancient.example.com | awk '{ print $1 }')" 10.1.2.4
    inside getent hosts "$pod"
    matches "$(inside getent ahosts localhost)" '^(127.0.0.1|::1)'
}

@test "-e and --env-file win over the pod's variables, in docker's order" {
    printf '%s\n' '# a comment' 'ROLE=file' 'FILE_ONLY=from the file' 'FROM_HOST' >"$BATS_TEST_TMPDIR/envs"
    FROM_HOST='the host says' GIVEN='handed on' tpd run --swap-deployment api --env-file "$BATS_TEST_TMPDIR/envs" \
        -e HTTP_PORT='a "new" $one' --env=ECHO_PORT= -eGIVEN "$client" cat /proc/self/environ >"$BATS_TEST_TMPDIR/env"
    text=$(tr '\0' '\n' <"$BATS_TEST_TMPDIR/env")
    matches "$text" '^ROLE=file$' '^FILE_ONLY=from the file$' '^FROM_HOST=the host says$' '^GIVEN=handed on$' \
        '^HTTP_PORT=a "new" \$one$' '^ECHO_PORT=$'
    # and what would do harm: the image's own, or the pod's without harm
    matches "$text" '^HOME=/root$' '^PATH=/usr' '^TELEPRESENCE_METHOD=container$' '^DOCKER_HOST=tcp://pod:1$' \
        '^LD_PRELOAD=/pod/lib.so$' '^TERM=pod-term$' '^KUBECONFIG=/pod/config$'
    lacks "$text" '^HOSTNAME=pod-host$'
}

@test "a user's --hostname, --add-host and --dns-search win" {
    tpd run --new-deployment "$(name_of h)" --hostname mine --add-host extra.example.com:10.9.8.7 "$client" \
        sh -c 'hostname; getent hosts extra.example.com' >"$BATS_TEST_TMPDIR/out"
    equal "$(head -n 1 "$BATS_TEST_TMPDIR/out")" mine
    matches "$(cat "$BATS_TEST_TMPDIR/out")" '^10.9.8.7 +extra.example.com'
}
