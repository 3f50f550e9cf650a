#!/usr/bin/env bats
# The projects under compose/, as they stand, each with its workloads of the test
# cluster, from `up` to `down`. (The one with a provider: provider.bats.)

load lib/common

setup_file() {
    load lib/common
    COMPOSE=$("$root/tests/setup/compose")
    if [[ $COMPOSE == /* ]]; then PATH=${COMPOSE%/*}:$PATH; fi
    export COMPOSE PATH
    unset COMPOSE_FILE COMPOSE_PROFILES COMPOSE_PROJECT_NAME
    user_setup web api
    # a second namespace of the same user's
    NS2=$NS-batch
    export NS2
    admin create namespace "$NS2" >/dev/null
    admin -n "$NS2" create rolebinding tpdocker-developer --clusterrole tpdocker-developer \
        --serviceaccount default:developer >/dev/null
    NS=$NS2 copy_workloads api
    remember_workloads
    # What the files leave open: images, and where the kubeconfig is.
    export IMAGE=$client TPDOCKER_IMAGE=$sidecar_image KUBECONFIG=$TPT_KUBECONFIG
}

teardown_file() {
    load lib/common
    admin delete namespace "$NS2" --wait=false >/dev/null
    user_teardown
}

teardown() {
    if [[ -z ${BATS_TEST_COMPLETED:-} ]]; then compose ps --all && compose logs; fi
    compose down --volumes --timeout 40 >/dev/null 2>&1
    check_teardown && eventually 150 settled
}

# example NAME SIDECAR... - a copy of it; its sidecars are also on the network where the API server of the tests is.
example() {
    local sidecar
    project=$(tr _ - <<<"$TPT_ID-$1")
    dir=$BATS_TEST_TMPDIR/$1
    cp -r "$root/compose/$1" "$dir"
    cd "$dir"
    shift
    {
        echo 'services:'
        for sidecar; do echo "  $sidecar: {networks: {default: , cluster: }}"; done
        echo 'networks: {cluster: {name: tpdocker-test, external: true}}'
    } >cluster.yaml
    files=(-f compose.yaml)
    export COMPOSE_PROJECT_NAME=$project
}
# as compose/README.md has it
override() {
    tpd compose override "$@" --output .tpdocker/compose.yaml
    files+=(-f .tpdocker/compose.yaml)
}
compose() { $COMPOSE "${files[@]}" -f cluster.yaml "$@"; }
in_service() { compose exec -T "$@"; }
serves() { in_service "$1" curl -sSfm 10 -o /dev/null "http://localhost:$2/"; }
replicas() { json deployment "$1" | jq -r .spec.replicas; }

@test "web-and-db" {
    example web-and-db tpdocker-web
    WEB_PORT=$(free_port)
    export WEB_PORT
    override --service web=deployment/web
    compose up --detach
    eventually 60 serves web 8080
    equal "$(replicas web)" 0
    in_service web curl -sSfm 10 -o /dev/null http://db:5432/
    in_service db curl -sSfm 10 -o /dev/null http://web:8080/
    matches "$(in_service web curl -sSm 10 http://api:8080/)" '^hello from api-'
    equal "$(in_service web cat /etc/web/config/greeting)" hello
    curl -sSfm 10 -o /dev/null "http://127.0.0.1:$WEB_PORT/"
    compose down
    equal "$(replicas web)" 2
}

@test "two-namespaces" {
    example two-namespaces tpdocker-web tpdocker-jobs
    override --service "web=$NS/deployment/web" --service "jobs=$NS2/deployment/api"
    compose up --detach
    eventually 60 serves web 8080
    eventually 60 serves jobs 8081
    equal "$(replicas web) $(NS=$NS2 replicas api)" '0 0'
    in_service web curl -sSfm 10 -o /dev/null http://jobs:8081/
    in_service jobs curl -sSfm 10 -o /dev/null http://web:8080/
    in_service jobs curl -sSfm 10 -o /dev/null http://frontend:8080/
    # each has its own namespace's names
    matches "$(in_service web curl -sSm 10 http://api:8080/)" '^hello from api-'
    matches "$(in_service jobs cat /etc/resolv.conf)" "search $NS2\\.svc"
    compose down
    equal "$(replicas web) $(NS=$NS2 replicas api)" '2 1'
}

@test "hostless" {
    example hostless cluster
    compose up --detach
    eventually 60 serves web 8080
    equal "$(replicas web)" 0
    matches "$(in_service web curl -sSm 10 http://api:8080/)" '^hello from api-'
    # and the cluster's calls arrive
    called() { in_service web curl -sSfm 10 -o /dev/null http://web/; }
    eventually 60 called
    compose down
    equal "$(replicas web)" 2
}
