#!/usr/bin/env bats
# Dev containers in the cluster: the dev containers' own CLI makes them, from
# what `tpdocker devcontainer init` wrote, on the real engine and cluster.

load lib/common
load lib/devcontainers

setup_file() {
    load lib/common
    DEVCONTAINER=$("$root/tests/setup/devcontainers")
    COMPOSE=$("$root/tests/setup/compose")
    export DEVCONTAINER COMPOSE
    user_setup web api
    unset TPDOCKER_IMAGE COMPOSE_FILE COMPOSE_PROJECT_NAME
    mkdir "$BATS_FILE_TMPDIR/bin"
    ln -s "$TPDOCKER" "$BATS_FILE_TMPDIR/bin/tpdocker"
    if [[ $COMPOSE == /* ]]; then ln -s "$COMPOSE" "$BATS_FILE_TMPDIR/bin/docker-compose"; fi
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
    if [[ -z ${BATS_TEST_COMPLETED:-} ]]; then
        if [[ -n ${project:-} ]]; then compose logs --tail 30 || true; fi
        cat "$file" "$workspace/log" "$TPT_STATE"/tpdocker/sessions/*.log 2>/dev/null || true
    fi
    if [[ -n ${project:-} ]]; then compose down --volumes --timeout 40 >/dev/null 2>&1; fi
    containers -a | xargs -r docker rm -f >/dev/null
    if [[ -n ${box:-} ]]; then
        docker exec "$box" tpdocker down --all >/dev/null 2>&1
        docker rm -f "$box" >/dev/null 2>&1
    fi
    tpd down --all >/dev/null 2>&1 || true
    check_teardown && eventually 150 settled
}

# The dev containers' CLI as the file's user, with tpdocker in the PATH.
cli() (
    PATH=$BATS_FILE_TMPDIR/bin:$PATH
    command=$1
    shift
    cli_offline
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
    # long enough for the CLI to come to `docker run`
    sed -i 's/--idle-timeout=1h/--idle-timeout=20s/' "$file"
    up
    first=$container
    docker stop --time 1 "$container" >/dev/null
    # nobody is in its network: the workload is restored, the container stays
    eventually 90 is_gone
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
    eventually 90 is_gone
}

@test "Compose mode: up, exec, up again, down" {
    project=$TPT_ID
    # the API server of the tests is a container on the network tpdocker-test
    cat >compose.yaml <<END
name: $project
services:
  web:
    image: $client
    command: sleep infinity
    init: true
    environment: {ROLE: mine}
    networks: [default, cluster]
    depends_on: [db]
  db:
    image: $client
    command: [python3, -m, http.server, "5432"]
    init: true
networks:
  cluster: {name: tpdocker-test, external: true}
END
    cat >"$file" <<END
{
    "dockerComposeFile": "../compose.yaml",
    "service": "web",
    "workspaceFolder": "/",
    "postCreateCommand": "printenv DOLLAR >/tmp/created; ls /etc/web/secret >>/tmp/created"
}
END
    init --swap-deployment web
    up
    is_in_the_cluster
    in_it curl -sSfm 5 -o /dev/null http://db:5432/
    matches "$(in_it cat /tmp/created)" '^costs ' '^password$'
    lacks "$(docker inspect "$container")" 'ends with two newlines'
    pod=$(agent_pod) first=$container
    up
    equal "$container" "$first"
    equal "$(agent_pod)" "$pod"
    # as an editor does that is closed, and opened again
    compose stop --timeout 40
    eventually 60 equals_replicas 2
    up
    equal "$container" "$first"
    is_in_the_cluster
    compose down --volumes --timeout 40
    equal "$(replicas)" 2
    equal "$(docker ps -aq --filter "label=com.docker.compose.project=$project")" ''
}
compose() { $COMPOSE -f compose.yaml -f .tpdocker/compose.yaml "$@"; }
equals_replicas() { equal "$(replicas)" "$1"; }

# A container with this machine's programs, the engine's socket, and the workspace at its path; nothing else of the machine.
start_workspace_container() {
    local folder args=() socket
    declare -A folders=()
    socket=${DOCKER_HOST:-unix:///var/run/docker.sock}
    if [[ $socket != unix://* ]]; then skip 'the engine is not at a socket of this machine'; fi
    socket=$(readlink -f "${socket#unix://}")
    for folder in /usr "$root" "$(readlink -f "$root/build/cluster")" "$BATS_FILE_TMPDIR/bin" "$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")"; do
        folders[$folder]=1
    done
    for folder in "${!folders[@]}"; do args+=(--volume "$folder:$folder:ro"); done
    for folder in /etc/passwd /etc/group /etc/ld.so.cache; do
        if [[ -f $folder ]]; then args+=(--volume "$folder:$folder:ro"); fi
    done
    box=$(name_of workspace)
    docker run --detach --name "$box" --hostname "$TPT_HOST" --network tpdocker-test \
        --user "$(id -u):$(id -g)" --group-add "$(stat -c %g "$socket")" "${args[@]}" \
        --volume "$socket:/var/run/docker.sock" --volume "$workspace:$workspace" --volume "$TPT_KUBECONFIG:/kubeconfig:ro" \
        --env HOME=/tmp/home --env KUBECONFIG=/kubeconfig --env "PATH=$BATS_FILE_TMPDIR/bin:$PATH" \
        --tmpfs /tmp:exec,mode=1777 --workdir "$workspace" "$client" bash -c 'sleep infinity & wait' >/dev/null # which reaps what is left to PID 1
    docker exec "$box" mkdir /tmp/home
}

@test "the workspace is in a container itself, with the engine's socket" {
    needs_node
    printf '{"image": "%s", "containerEnv": {"ROLE": "mine"}}\n' "$client" >"$file"
    start_workspace_container
    docker exec "$box" tpdocker devcontainer init --swap-deployment web
    # shellcheck disable=SC2034 # for in_it
    cli() {
        local command=$1
        shift
        docker exec "$box" sh -c 'mkdir -p "$0" && echo "{\"disallowedFeatures\": [], \"featureAdvisories\": []}" >"$0/control-manifest.json" && exec "$@"' \
            "/tmp/devcontainercli-$(id -un)" "$DEVCONTAINER" "$command" --workspace-folder "$workspace" "$@"
    }
    up
    is_in_the_cluster
    name=$(docker exec "$box" tpdocker ps --format json | jq -r '.[].name')
    equal "$(docker exec "$box" tpdocker status --format json "$name" | jq -r .link)" exec
    pod=$(agent_pod) first=$container
    up
    equal "$container" "$first"
    equal "$(agent_pod)" "$pod"
    docker rm -f "$container" >/dev/null
    docker exec "$box" tpdocker down "$name"
    equal "$(replicas)" 2
    docker rm -f "$box" >/dev/null
}
