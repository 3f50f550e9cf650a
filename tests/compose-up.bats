#!/usr/bin/env bats
# A Compose project with its override, for real: the session is in the
# sidecar's container, and docker compose alone starts and ends it.

load lib/common

setup_file() {
    load lib/common
    COMPOSE=$("$root/tests/setup/compose")
    if [[ $COMPOSE == /* ]]; then PATH=${COMPOSE%/*}:$PATH; fi
    export COMPOSE PATH
    unset COMPOSE_FILE COMPOSE_PROFILES
    user_setup web api
    dir=$BATS_FILE_TMPDIR/project project=$TPT_ID port=$(free_port)
    export dir project port
    mkdir "$dir"
    cd "$dir"
    # The API server of the tests is a container on this network.
    cat >compose.yaml <<END
name: $project
services:
  web:
    image: $client
    command: [python3, -m, http.server, "8080"]
    ports: ["127.0.0.1:$port:8080"]
    environment: {ROLE: mine}
    networks: [default, cluster]
    init: true
    volumes: ["data:/data", "shared:/etc/web/secret"]
    depends_on: [db]
  db:
    image: $client
    command: [python3, -m, http.server, "5432"]
    init: true
volumes: {data: , shared: }
networks:
  cluster: {name: tpdocker-test, external: true}
END
}

teardown_file() {
    load lib/common
    for folder in "$dir" "$dir/two"; do
        (cd "$folder" && compose down --volumes --timeout 40 >/dev/null 2>&1)
    done
    user_teardown
}

compose() { $COMPOSE -f compose.yaml -f .tpdocker/compose.yaml "$@"; }
setup() { cd "$dir" || return; }
teardown() { if [[ -z ${BATS_TEST_COMPLETED:-} ]]; then compose logs tpdocker-web; fi; }

override() { tpd compose override --service web=deployment/web:app --output .tpdocker/compose.yaml; }
in_web() { compose exec -T web "$@"; }
# of the program behind the gate: PID 1 is the init
environ() { in_web sh -c "tr '\\0' '\\n' <\"/proc/\$(pgrep -o python3)/environ\""; }
has_files() { equal "$(in_web cat /etc/web/config/greeting)" hello && equal "$(in_web cat /tpdocker/root/etc/hostname)" "$(agent_pod)"; }
serves() { in_web curl -sSfm 10 -o /dev/null http://localhost:8080/; }
replicas() { json deployment web | jq -r .spec.replicas; }

@test "up: web is in the cluster, in the place of the deployment" {
    override
    compose up --detach --quiet-pull
    eventually 60 serves
    equal "$(replicas)" 0
    matches "$(in_web curl -sSm 10 http://api:8080/)" '^hello from api-'
    matches "$(in_web dig +short +search api)" '^10\.'
    # every value of the pod's environment, less what is the user's own ($$ is a dollar in a pod's spec)
    real=$(k get deploy web -o json | jq -r '.spec.template.spec.containers[0].env[] | select(.name == "DOLLAR") | .value | gsub("\\$\\$"; "$")')
    matches "$(environ)" '^API_SERVICE_HOST=10\.' '^ROLE=mine$' '^TELEPRESENCE_METHOD=container$'
    equal "$(environ | sed -n 's/^DOLLAR=//p')" "$real"
    equal "$(in_web sh -lc 'printf %s. "$TRAILING_NEWLINE"')" $'ends with two newlines\n\n.'
    matches "$(environ)" '^TELEPRESENCE_ROOT=/tpdocker/root$' '^TELEPRESENCE_MOUNTS=.*/etc/web/config'
    lacks "$(docker inspect "$(compose ps -q web)" "$(compose ps -q tpdocker-web)")" 'ends with two newlines'
}

@test "the pod's volumes are there, and the user's own where they stand" {
    has_files
    in_web sh -c 'echo mine >/data/file; echo mine >/etc/web/secret/file'
    fails in_web test -e /etc/web/secret/password
    equal "$(in_web cat /tpdocker/root/etc/web/secret/password)" 's3cr3t pass=word'
    # which it has no right for itself
    fails in_web mount -t tmpfs none /mnt
}

@test "ps and logs" {
    matches "$(compose ps --all)" 'tpdocker-web.*healthy' "127.0.0.1:$port->8080/tcp"
    matches "$(compose logs tpdocker-web)" 'session session is ready: deployment/web'
    matches "$(compose logs web)" 'GET / HTTP'
}

@test "local names are local, both ways; ports are published here" {
    in_web curl -sSfm 10 -o /dev/null http://db:5432/
    compose exec -T db curl -sSfm 10 -o /dev/null http://web:8080/
    curl -sSfm 10 -o /dev/null "http://127.0.0.1:$port/"
    lacks "$(compose exec -T db dig +short +search api || true)" '^10\.'
}

@test "restart web: it has all again, and the session has not noticed" {
    pod=$(agent_pod)
    compose restart --timeout 5 web
    eventually 60 serves
    matches "$(environ)" '^API_SERVICE_HOST=10\.'
    matches "$(in_web curl -sSm 10 http://api:8080/)" '^hello from api-'
    has_files
    equal "$(agent_pod)" "$pod"
}

@test "up after an edit: web alone is made anew" {
    pod=$(agent_pod)
    sed -i 's/ROLE: mine/ROLE: mine, NEW: one/' compose.yaml
    override
    compose up --detach
    eventually 60 serves
    matches "$(environ)" '^NEW=one$' '^API_SERVICE_HOST=10\.'
    has_files
    equal "$(agent_pod)" "$pod"
    equal "$(in_web cat /data/file /etc/web/secret/file)" $'mine\nmine'
    matches "$(compose ps --all)" 'tpdocker-web.*healthy'
}

@test "restart of the sidecar, and stop: the workload is there meanwhile, and web is in the cluster again" {
    compose restart --timeout 40 tpdocker-web # and with it web, which depends on it
    works() { matches "$(in_web curl -sSm 10 http://api:8080/)" '^hello from api-' && has_files && serves; }
    eventually 120 works
    in_web curl -sSfm 10 -o /dev/null http://db:5432/
    compose stop --timeout 40
    equal "$(replicas)" 2
    equal "$(our_pods)" ''
    compose up --detach --wait
    eventually 60 works
    equal "$(replicas)" 0
    equal "$(in_web cat /data/file)" mine
}

@test "down: the workload is as before, and nothing is left" {
    compose down --timeout 40
    equal "$(replicas)" 2
    equal "$(docker ps -aq --filter "label=com.docker.compose.project=$project")" ''
    tpd cleanup
    # the user's own are untouched
    equal "$(docker volume ls -q --filter "label=com.docker.compose.project=$project" | sort)" "${project}_data"$'\n'"${project}_shared"
    equal "$(docker run --rm -v "${project}_data:/data" "$client" cat /data/file)" mine
    equal "$(docker run --rm -v "${project}_shared:/s" "$client" ls -A /s)" file
    as_before 60
}

@test "two services in the place of one workload share its network, as containers of a pod do" {
    project=$project-two
    mkdir "$dir/two"
    cd "$dir/two"
    cat >compose.yaml <<END
name: $project
services:
  app: {image: $client, command: [python3, -m, http.server, "8080"], init: true, networks: [default, cluster]}
  worker: {image: $client, command: [python3, -m, http.server, "9000"], init: true, networks: [default, cluster]}
  other: {image: $client, command: [sleep, infinity], init: true}
networks:
  cluster: {name: tpdocker-test, external: true}
END
    tpd compose override --service app=deployment/api --service worker=deployment/api --volumes off --output .tpdocker/compose.yaml
    compose up --detach --wait
    calls() { compose exec -T "$1" curl -sSfm 10 -o /dev/null "$2"; }
    eventually 60 calls worker http://localhost:8080/
    eventually 60 calls app http://localhost:9000/
    calls other http://app:8080/
    calls other http://worker:9000/
    # both ports are the pod's
    eventually 60 calls app http://api:8080/
    eventually 60 calls app http://api:9000/
    # shellcheck disable=SC2016 # for the shell in there
    matches "$(compose exec -T worker sh -c 'tr "\0" "\n" <"/proc/$(pgrep -o python3)/environ"')" '^TELEPRESENCE_METHOD=container$'
    equal "$(json deployment api | jq .spec.replicas)" 0
    compose down --volumes --timeout 40
    equal "$(json deployment api | jq .spec.replicas)" 1
    as_before 60
}
