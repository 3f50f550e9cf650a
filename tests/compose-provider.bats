#!/usr/bin/env bats
# A session as a service of a Compose project, by its `provider`: real docker
# compose calls the program, which starts a session in the background.

load lib/common

setup_file() {
    load lib/common
    COMPOSE=$("$root/tests/setup/compose")
    user_setup web api
    project=$TPT_ID dir=$BATS_FILE_TMPDIR/project IMAGE=$client
    export COMPOSE project dir IMAGE
    unset COMPOSE_FILE COMPOSE_PROFILES TPDOCKER_IMAGE
    mkdir -p "$dir/bin" "$dir/plugins"
    ln -s "$TPDOCKER" "$dir/bin/tpdocker"
    ln -s "$TPDOCKER" "$dir/plugins/docker-tpdocker"
}
teardown_file() {
    load lib/common
    user_teardown
}
setup() {
    cd "$dir"
    cp "$root/compose/provider/compose.yaml" compose.yaml
}
teardown() {
    cd "$dir"
    if [[ -z ${BATS_TEST_COMPLETED:-} ]]; then cat "$TPT_STATE"/tpdocker/sessions/*.log 2>/dev/null || true; fi
    compose down --timeout 1 >/dev/null 2>&1
    docker ps -aq --filter "label=com.docker.compose.project=$project" | xargs -r docker rm -f >/dev/null
    check_teardown && eventually 150 settled
}

# docker compose as the file's user, with tpdocker in the PATH.
compose() (
    PATH=${bin:-$dir/bin}:$PATH
    command=($COMPOSE)
    # with a name and no file `down` knows of no provider
    TPDOCKER=${command[0]} tpd_exec "${command[@]:1}" --project-name "$project" --file compose.yaml --progress plain "$@" </dev/null
)
# provider WORD ARGS... - as docker compose calls it.
provider() { tpd compose "--project-name=$project" "$@" </dev/null; }
in_web() { compose exec -T web "$@"; }
replicas() { json deployment "${1:-web}" | jq -r .spec.replicas; }
web_id() { compose ps --quiet web; }

@test "metadata: what docker compose has to know to pass an option on" {
    metadata=$(tpd compose metadata)
    matches "$(jq -r .description <<<"$metadata")" 'network of a pod'
    equal "$(jq -c .down.parameters <<<"$metadata")" '[]'
    for name in swap-deployment namespace context publish network expose idle-timeout; do
        equal "$(jq -c --arg n "$name" '[.up.parameters[] | select(.name == $n) | .required, .type]' <<<"$metadata")" '[false,"string"]' "$name"
    done
    equal "$(jq -r '.up.parameters[] | select(.name == "volumes") | .enum' <<<"$metadata")" sshfs,copy,off
    equal "$(jq -r '[.up.parameters[].name] | length - (unique | length)' <<<"$metadata")" 0
    lacks "$(jq -r '.up.parameters[].name' <<<"$metadata")" '^(help|verbose|quiet|timings|env|volume|detach)$'
}

@test "the example: up, up again, down" {
    compose up --detach
    equal "$(replicas)" 0
    matches "$(in_web curl -sSm 10 http://api:8080/)" '^hello from api-'
    matches "$(in_web dig +short +search api)" '^10\.'
    equal "$(in_web printenv CLUSTER_SESSION CLUSTER_CONTAINER)" "$project-cluster"$'\n'"tpdocker-$project-cluster"
    equal "$(docker inspect --format '{{.HostConfig.NetworkMode}}' "$(web_id)" | sed 's/^container://')" \
        "$(docker inspect --format '{{.Id}}' "tpdocker-$project-cluster")"
    equal "$(tpd ps --format json | jq -c '[.[] | .name, .state, .workload]')" "[\"$project-cluster\",\"ready\",\"deployment/web\"]"

    # all of it is there: nothing is made anew
    pod=$(agent_pod) web=$(web_id)
    compose up --detach
    equal "$(agent_pod)" "$pod"
    equal "$(web_id)" "$web"
    compose restart --timeout 1 web
    matches "$(in_web curl -sSm 10 http://api:8080/)" '^hello from api-'
    equal "$(agent_pod)" "$pod"

    # the session ended behind its back: web is made anew for the new one, in whose network it is
    compose stop --timeout 1
    tpd down "$project-cluster"
    equal "$(replicas)" 2
    compose up --detach
    if [[ $(web_id) == "$web" ]]; then fail 'the container whose network is gone'; fi
    matches "$(in_web curl -sSm 10 http://api:8080/)" '^hello from api-'
    pod=$(agent_pod)

    # an edit of web: web alone
    sed -i 's|"8080"\]|&\n    environment: {NEW: one}|' compose.yaml
    compose up --detach --timeout 1
    equal "$(in_web printenv NEW)" one
    matches "$(in_web curl -sSm 10 http://api:8080/)" '^hello from api-'
    equal "$(agent_pod)" "$pod"

    # of the session: it says so, and touches nothing
    sed -i 's/swap-deployment: web/swap-deployment: api/' compose.yaml
    status=0
    out=$(compose up --detach 2>&1) || status=$?
    echo "$out"
    ((status != 0))
    matches "$out" "another session $project-cluster since 20.* \(ready\), started with --swap-deployment=deployment/web" \
        'without --swap-deployment=deployment/api' "tpdocker down $project-cluster"
    equal "$(agent_pod)" "$pod"

    compose down --timeout 1
    equal "$(replicas)" 2
    equal "$(docker ps -aq --filter "label=com.docker.compose.project=$project")" ''
    equal "$(tpd ps --format json)" '[]'
    as_before
}

@test "a local service beside it: names are found both ways" {
    cat >compose.yaml <<END
services:
  cluster:
    provider:
      type: tpdocker
      options:
        swap-deployment: web
        volumes: "off"
        network: \${COMPOSE_PROJECT_NAME}_default
        network-alias: [web]
    depends_on: [db]
  web:
    image: $client
    command: [python3, -m, http.server, "8080"]
    init: true
    network_mode: "container:tpdocker-\${COMPOSE_PROJECT_NAME}-cluster"
    depends_on: [cluster]
  db:
    image: $client
    command: [python3, -m, http.server, "5432"]
    init: true
END
    compose up --detach
    in_web curl -sSfm 10 -o /dev/null http://db:5432/
    matches "$(in_web curl -sSm 10 http://api:8080/)" '^hello from api-'
    eventually 20 compose exec -T db curl -sSfm 5 -o /dev/null http://web:8080/
    compose down --timeout 1
    equal "$(replicas)" 2
    equal "$(docker network ls --quiet --filter "label=com.docker.compose.project=$project")" ''
}

@test "with a gate: the pod's environment and volumes as well" {
    cat >compose.yaml <<END
services:
  cluster:
    provider:
      type: tpdocker
      options: {swap-deployment: web, gate: tpdocker-gate}
  web:
    image: $client
    entrypoint: ["/tpdocker/bin/gate", "tpdocker-gate/web"]
    command: [python3, -m, http.server, "8080"]
    environment: {ROLE: mine, TPDOCKER_OWN: ROLE}
    volumes: ["gate:/tpdocker/bin:ro"]
    network_mode: "container:tpdocker-\${COMPOSE_PROJECT_NAME}-cluster"
    depends_on: [cluster]
volumes:
  gate: {name: "tpdocker-\${COMPOSE_PROJECT_NAME}-cluster"}
END
    compose up --detach
    eventually 20 in_web curl -sSfm 5 -o /dev/null http://localhost:8080/
    environ=$(in_web sh -c "tr '\\0' '\\n' </proc/1/environ")
    matches "$environ" '^ROLE=mine$' '^API_SERVICE_HOST=10\.' '^TELEPRESENCE_ROOT=/tpdocker/root$'
    matches "$(in_web ls /etc/web/secret)" '^password$'
    lacks "$(docker inspect "$(web_id)")" API_SERVICE_HOST
    # run --session has its own way in
    matches "$(tpd run --session "$project-cluster" -e API_SERVICE_HOST=mine "$client" sh -c 'env; ls /etc/web/secret' </dev/null)" \
        '^API_SERVICE_HOST=mine$' '^password$'
    compose down --timeout 1
    # that one is Compose's
    equal "$(docker volume ls --quiet --filter "label=com.docker.compose.project=$project")" "tpdocker-$project-cluster"
    compose up --detach
    eventually 20 in_web curl -sSfm 5 -o /dev/null http://localhost:8080/
    compose down --timeout 1 --volumes
    equal "$(docker volume ls --quiet --filter "label=com.docker.compose.project=$project")" ''
}

@test "what the provider says: the same each time, and down of none is fine" {
    words=(--swap-deployment=api --idle-timeout=10m --publish="127.0.0.1:$(free_port):8080" cluster)
    provider up "${words[@]}" >first
    cat first
    equal "$(jq -r 'select(.type == "setenv") | .message' first)" \
        "SESSION=$project-cluster"$'\n'"CONTAINER=tpdocker-$project-cluster"$'\n'"SESSION_ID=$(tpd ps --format json | jq -r '.[].id')"
    matches "$(jq -r 'select(.type == "info") | .message' first)" 'deployments?/api is swapped out|api'
    equal "$(jq -r 'select(.type == "error") | .message' first)" ''
    equal "$(replicas api)" 0
    pod=$(agent_pod)
    # in another order, as Compose takes them from a map
    provider up "${words[2]}" "${words[0]}" "${words[1]}" cluster >second
    equal "$(jq -c 'select(.type == "setenv")' second)" "$(jq -c 'select(.type == "setenv")' first)"
    matches "$(jq -r .message second)" 'is there already'
    equal "$(agent_pod)" "$pod"
    # another project's, and another service's, with what makes the same name
    tpd compose --project-name="${project%-*}" down "${project##*-}-cluster" >other
    matches "$(jq -r .message other)" "no session $project-cluster"
    equal "$(agent_pod)" "$pod"
    provider down cluster >down
    equal "$(jq -c 'select(.type == "error")' down)" ''
    equal "$(replicas api)" 1
    provider down cluster >none
    matches "$(jq -r 'select(.type == "info") | .message' none)" "no session $project-cluster"
}

@test "what goes wrong is shown by docker compose" {
    sed -i 's/swap-deployment: web/swap-deployment: nobody/' compose.yaml
    status=0
    out=$(compose up --detach 2>&1) || status=$?
    echo "$out"
    ((status != 0))
    matches "$out" 'no .*nobody.*namespace' "$NS"
    equal "$(web_id)" ''
    # in words of its own, one line each, and the error at last
    status=0
    provider up --swap-deployment=web --volumes=never cluster >answer || status=$?
    equal "$status" 125
    equal "$(jq -rs '.[-1].type' answer)" error
    matches "$(jq -rs '.[-1].message' answer)" 'it is one of sshfs, copy and off'
    for words in 'up' 'up a b' 'up --rm cluster' 'up --nothing cluster' "up $(printf 'x%.0s' {1..64})"; do
        # shellcheck disable=SC2086 # words
        provider $words >answer || true
        equal "$(jq -rs '.[-1].type' answer)" error "$words"
    done
    tpd compose up cluster >answer || true
    matches "$(jq -r .message answer)" 'which project'
    equal "$(our_pods)" ''
}

@test "interrupted while it starts: all is undone" {
    (compose up --detach) >up.out 2>&1 &
    eventually 60 swapped
    # as a terminal does it: everybody
    ours | xargs kill -INT || true # one may have ended
    wait $! || true
    eventually 60 restored
}
swapped() { equal "$(replicas)" 0; }
restored() { equal "$(replicas)" 2; }

@test "as a plugin of docker's" {
    docker --help | grep -q -- --config || skip 'a docker CLI without plugins'
    mkdir -p "$TPT_HOME/.docker/cli-plugins"
    ln -sf "$TPDOCKER" "$TPT_HOME/.docker/cli-plugins/docker-tpdocker"
    bin=/nowhere compose up --detach
    equal "$(replicas)" 0
    matches "$(in_web curl -sSm 10 http://api:8080/)" '^hello from api-'
    bin=/nowhere compose down --timeout 1
    equal "$(replicas)" 2
    rm -r "$TPT_HOME/.docker"
}
