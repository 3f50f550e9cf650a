#!/usr/bin/env bats
# Dev containers in the cluster: the dev containers' own CLI makes them, from
# what `tpdocker devcontainer init` wrote, on the real engine and cluster.

load lib/common

setup_file() {
    load lib/common
    DEVCONTAINER=$("$root/tests/setup/devcontainers")
    COMPOSE=$("$root/tests/setup/compose")
    export DEVCONTAINER COMPOSE
    user_setup web api
    unset TPDOCKER_IMAGE COMPOSE_FILE COMPOSE_PROJECT_NAME
    mkdir "$BATS_FILE_TMPDIR/bin"
    ln -s "$TPDOCKER" "$BATS_FILE_TMPDIR/bin/tpdocker"
}
teardown_file() {
    load lib/common
    user_teardown
}
setup() {
    workspace=$BATS_TEST_TMPDIR/shop file=$BATS_TEST_TMPDIR/shop/.devcontainer/devcontainer.json
    mkdir -p "${file%/*}"
    cd "$workspace"
}
teardown() {
    containers -a | xargs -r docker rm -f >/dev/null
    if [[ -z ${BATS_TEST_COMPLETED:-} ]]; then
        cat "$file" "$workspace/log" "$TPT_STATE"/tpdocker/sessions/*.log 2>/dev/null || true
    fi
    tpd down --all >/dev/null 2>&1 || true
    check_teardown && eventually 150 settled
}

# The dev containers' CLI as the file's user, with tpdocker in the PATH.
cli() (
    PATH=$BATS_FILE_TMPDIR/bin:$PATH
    command=$1
    shift
    if [[ $COMPOSE == /* ]]; then set -- --docker-compose-path "$COMPOSE" "$@"; fi
    TPDOCKER=$DEVCONTAINER tpd_exec "$command" --workspace-folder "$workspace" "$@" </dev/null
)
containers() { docker ps -q --filter "label=devcontainer.local_folder=$workspace" "$@"; }
# up - the dev container is $container then.
up() {
    cli up >up.json 2>log || { cat up.json log && return 1; }
    equal "$(jq -r .outcome up.json)" success || return
    container=$(jq -r .containerId up.json)
}
in_it() { cli exec "$@" 2>/dev/null; }
init() {
    tpd devcontainer init --workspace-folder "$workspace" "$@"
    # what an editor that was closed is waited for
    sed -i 's/--idle-timeout=5m/--idle-timeout=1h/' "$file"
}
replicas() { json deployment web | jq -r .spec.replicas; }
session_name() { tpd ps --format json | jq -r '.[].name'; }
is_gone() { equal "$(tpd ps --format json)" '[]'; }

# Everything that a dev container in the place of web has.
is_in_the_cluster() {
    equal "$(replicas)" 0 || return
    matches "$(in_it curl -sSm 10 http://api:8080/)" '^hello from api-' || return
    # its environment, to the byte, and the user's own first
    equal "$(in_it printenv ROLE)" mine || return
    equal "$(in_it sh -c 'printf %s. "$DOLLAR$TRAILING_NEWLINE"')" \
        "$(k get deploy web -o json | jq -j '.spec.template.spec.containers[0].env
            | map({(.name): .value}) | add | (.DOLLAR | gsub("[$][$]"; "$")), .TRAILING_NEWLINE, "."')" || return
    matches "$(in_it printenv TELEPRESENCE_POD API_SERVICE_HOST)" "^$(agent_pod)$" '^10\.' || return
    # and its volumes
    equal "$(in_it sh -c 'cat /etc/web/secret/password | sha256sum')" \
        "$(k get secret web-secret -o json 2>/dev/null | jq -r '.data.password' | base64 -d | sha256sum)" || return
    equal "$(in_it cat /var/run/secrets/kubernetes.io/serviceaccount/namespace)" "$NS"
}

@test "image mode: up, exec, up again, restart, the end" {
    cat >"$file" <<END
{
    "image": "$client", // with curl
    "containerEnv": { "ROLE": "mine" },
    "postCreateCommand": "printenv DOLLAR >/tmp/created; ls /etc/web/secret >>/tmp/created"
}
END
    init --swap-deployment web
    up
    is_in_the_cluster
    matches "$(in_it cat /tmp/created)" "$(in_it printenv DOLLAR | sed 's/[^a-zA-Z0-9]/./g')" '^password$'
    lacks "$(docker inspect "$container")" 'ends with two newlines'
    # our own listeners are those that editors are told to leave alone
    ports=$(in_it sh -c 'cat /proc/net/tcp' | while read -r _ local _ state _; do if [[ $state == 0A ]]; then echo $((16#${local#*:})); fi; done)
    for port in $ports; do ((port >= 61320 && port <= 63399)) || fail "a listener at $port"; done

    pod=$(agent_pod) first=$container
    up
    equal "$container" "$first"
    equal "$(agent_pod)" "$pod"
    # as when the editor was closed for a moment, or the container restarted
    docker stop --time 1 "$container" >/dev/null
    up
    equal "$container" "$first"
    equal "$(agent_pod)" "$pod"
    is_in_the_cluster

    # another workload, for the session that is there: refused, and said how
    sed -i 's/--swap-deployment=web/--swap-deployment=api/' "$file"
    fails cli up >out 2>log
    matches "$(cat log)" 'another session .*started with --swap-deployment=deployment/web'
    sed -i 's/--swap-deployment=api/--swap-deployment=web/' "$file"
    equal "$(agent_pod)" "$pod"

    docker rm -f "$container" >/dev/null
    tpd down "$(session_name)"
    equal "$(replicas)" 2
}

@test "image mode: the session ended while the container was stopped, or while it ran" {
    printf '{"image": "%s", "containerEnv": {"ROLE": "mine"}}\n' "$client" >"$file"
    init --swap-deployment web
    sed -i 's/--idle-timeout=1h/--idle-timeout=3s/' "$file"
    up
    first=$container
    docker stop --time 1 "$container" >/dev/null
    # nobody is in its network: the workload is restored, the container stays
    eventually 60 is_gone
    equal "$(replicas)" 2
    equal "$(containers -a | wc -l)" 1
    # the network that it was made for is gone for good: it is made anew
    up
    if [[ $container == "$first" ]]; then fail 'the container whose network is gone'; fi
    matches "$(cat log)" 'removed the container .*, which had ended'
    is_in_the_cluster
    # what still runs is not taken away
    tpd down "$(session_name)"
    fails cli up >out 2>log
    matches "$(cat log)" 'still runs in the network of an earlier session' 'docker rm -f'
    equal "$(containers)" "${container:0:12}"
    equal "$(replicas)" 2
    docker rm -f "$container" >/dev/null
    up
    is_in_the_cluster
    docker rm -f "$container" >/dev/null
    eventually 60 is_gone
}
