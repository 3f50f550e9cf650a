#!/usr/bin/env bats
# `tpdocker devcontainer init`: what it writes, and that the dev containers'
# own CLI reads it as it is meant.

load lib/common
load lib/devcontainers

setup_file() {
    load lib/common
    DEVCONTAINER=$("$root/tests/setup/devcontainers")
    COMPOSE=$("$root/tests/setup/compose")
    if [[ $COMPOSE == /* ]]; then PATH=${COMPOSE%/*}:$PATH; fi
    export DEVCONTAINER COMPOSE PATH HOME=$BATS_FILE_TMPDIR/home
    export BATS_TEST_TIMEOUT=${BATS_TEST_TIMEOUT:-120} LC_ALL=C.UTF-8
    unset DOCKER_CONTEXT TPDOCKER_IMAGE
    mkdir -p "$HOME/.kube"
    cat >"$HOME/.kube/config" <<'END'
apiVersion: v1
kind: Config
current-context: c
clusters: [{name: k, cluster: {server: 'https://10.11.12.13:6443'}}]
contexts: [{name: c, context: {cluster: k}}]
END
    export KUBECONFIG=$HOME/.kube/config
}

setup() {
    cli_offline
    dir=$BATS_TEST_TMPDIR/shop
    file=.devcontainer/devcontainer.json
    mkdir -p "$dir"
    cd "$dir" || return
}

teardown() {
    if [[ -n ${project:-} ]]; then $COMPOSE -p "$project" down --volumes --timeout 1 >/dev/null 2>&1; fi
}

tp() {
    status=0
    "$TPDOCKER" "$@" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" </dev/null || status=$?
    out=$(cat "$BATS_TEST_TMPDIR/out") err=$(cat "$BATS_TEST_TMPDIR/err")
    printf '$ tpdocker %s\n%s\n%s\n(status %s)\n' "$*" "$out" "$err" "$status"
}

# init ARGS... - which has to work, and to change nothing the second time.
init() {
    tp devcontainer init "$@"
    equal "$status" 0 || return
    cp "$file" "$BATS_TEST_TMPDIR/first"
    tp devcontainer init "$@"
    equal "$status" 0 || return
    matches "$err" 'as it should be already'
    cmp "$file" "$BATS_TEST_TMPDIR/first"
}

# What the dev containers' CLI reads: a jq filter over it.
read_by_cli() {
    "$DEVCONTAINER" read-configuration --workspace-folder . ${config:+--config "$config"} 2>/dev/null | jq -ce ".configuration | $1"
}

refused() { # WORDS ARGS...
    local words=$1 before
    shift
    before=$(cat "$file" 2>/dev/null || true)
    tp devcontainer init "$@"
    equal "$status" 125 || return
    matches "$err" "$words" || return
    equal "$(cat "$file" 2>/dev/null || true)" "$before" 'the file was changed'
}

given() {
    mkdir -p "${file%/*}"
    cat >"$file"
}

@test "image mode, from nothing" {
    init --swap-deployment statefulset/db:main --context staging --namespace shop --volumes off
    equal "$(read_by_cli .name)" '"shop"'
    matches "$(read_by_cli .image)" '^"[a-z./]+:[a-z]+"$'
    equal "$(read_by_cli .initializeCommand[0:2])" '["tpdocker","up"]'
    matches "$(read_by_cli .initializeCommand)" '"--reuse"' '"--gate=tpdocker-gate"' '"--swap-deployment=statefulset/db:main"' '"--context=staging"' \
        '"--namespace=shop"' '"--volumes=off"' '"--idle-timeout='
    matches "$(read_by_cli .runArgs)" '^\["--network=container:tpdocker-' '"--label=dev.tpdocker.joins='
    equal "$(read_by_cli '[.mounts[] | split(",")[2]]')" '["target=/tpdocker/bin","target=/etc/profile.d/tpdocker.sh"]'
    equal "$(read_by_cli .postStartCommand)" '["/tpdocker/bin/gate","-","true"]'
    equal "$(read_by_cli .containerEnv)" '{"TPDOCKER_GATE":"tpdocker-gate/dev"}'
    equal "$(read_by_cli '.portsAttributes["61320-63399"].onAutoForward')" '"ignore"'
    sh -n .devcontainer/tpdocker.sh
}

@test "image mode: comments, order and layout of a file stay" {
    given <<'END'
// For format details, see https://aka.ms/devcontainer.json.
{
    "name": "Go", /* of the shop */
    // Or use a Dockerfile
    "image": "mcr.microsoft.com/devcontainers/go:1-1.22",
    "runArgs": [
        "--init", // so that zombies go
    ],
    "containerEnv": { "ROLE": "mine", "URL": "http://x//y" },
    "postStartCommand": "make \"tools\" # \u00e9",
    "portsAttributes": { "8080": { "label": "web" } },
    // "remoteUser": "root"
}
END
    cp "$file" old
    init --swap-deployment web
    # every line of the old one is in the new one, but for those that had to grow
    diff old "$file" | grep '^<' >gone || true
    equal "$(cat gone)" '<     "containerEnv": { "ROLE": "mine", "URL": "http://x//y" },
<     "postStartCommand": "make \"tools\" # \u00e9",
<     "portsAttributes": { "8080": { "label": "web" } },'
    equal "$(read_by_cli '[.name, .image, .runArgs[0]]')" '["Go","mcr.microsoft.com/devcontainers/go:1-1.22","--init"]'
    matches "$(read_by_cli .runArgs[1])" '--network=container:'
    equal "$(read_by_cli '[.containerEnv.ROLE, .containerEnv.TPDOCKER_OWN]')" '["mine","ROLE,URL"]'
    equal "$(read_by_cli .postStartCommand)" '{"project":"make \"tools\" # é","tpdocker":["/tpdocker/bin/gate","-","true"]}'
    equal "$(read_by_cli '.portsAttributes | keys')" '["61320-63399","8080"]'
}

@test "image mode: what stands in the way" {
    echo '{"image": "i", "appPort": [80]}' | given
    refused '"appPort"' --swap-deployment web
    for words in '"--network=host"' '"--network", "host"' '"-p", "80:80"' '"-p80:80"' '"--hostname=x"' '"--add-host=a:1"' '"--dns", "1.1.1.1"'; do
        echo "{\"image\": \"i\", \"runArgs\": [\"--init\", $words]}" | given
        refused "\"runArgs\" has $(cut -d '"' -f 2 <<<"$words")" --swap-deployment web
    done
    echo '{"image": "i", "runArgs": "--init"}' | given
    refused '"runArgs" is no list' --swap-deployment web
    echo '{"image": "i", "mounts": {}}' | given
    refused '"mounts" is no list'
    printf '{\n  "image": "i"\n  "name": "x"\n}\n' | given
    refused "$file: line 3: a ',' is missing"
    echo '[]' | given
    refused 'no object'
    head -c 200 /dev/urandom | given
    refused "$file: "
    rm "$file"
    refused 'swap-deployment' --swap-deployment 'A b'
    refused '"more" is no option' more
    equal "$(ls -A .devcontainer)" ''
}

@test "Compose mode, from nothing" {
    echo 'services: {web: {image: tpdocker-test-client, command: sleep infinity}}' >compose.yml
    echo '{}' >compose.override.yaml
    init --service web --swap-deployment web:app --namespace shop
    equal "$(read_by_cli .dockerComposeFile)" '["../compose.yml","../compose.override.yaml","../.tpdocker/compose.yaml"]'
    equal "$(read_by_cli .service)" '"web"'
    equal "$(read_by_cli .initializeCommand)" '["tpdocker","compose","override","--file=compose.yml","--file=compose.override.yaml","--service=web=web:app","--namespace=shop","--get-images","--output=.tpdocker/compose.yaml"]'
    # which runs as it stands, and Compose takes what it wrote
    read_by_cli '.initializeCommand[1:][]' | jq -r . >words
    mapfile -t words <words
    "$TPDOCKER" "${words[@]}"
    $COMPOSE -f compose.yml -f compose.override.yaml -f .tpdocker/compose.yaml config --quiet
}

@test "Compose mode: a file that is there" {
    mkdir -p deploy
    echo 'services: {web: {image: i}}' >deploy/compose.yaml
    printf '{\r\n\t"dockerComposeFile": "../deploy/compose.yaml", // the one\r\n\t"service": "web",\r\n\t"initializeCommand": ["make", "ready"],\r\n\t"shutdownAction": "none"\r\n}\r\n' | given
    cp "$file" old
    init --swap-deployment web
    equal "$(read_by_cli .dockerComposeFile)" '["../deploy/compose.yaml","../.tpdocker/compose.yaml"]'
    equal "$(read_by_cli .initializeCommand.project)" '["make","ready"]'
    matches "$(read_by_cli .initializeCommand.tpdocker)" '"--file=deploy/compose.yaml"' '"--service=web=web"'
    equal "$(read_by_cli .shutdownAction)" '"none"'
    equal "$(grep -c $'\r$' "$file")" "$(wc -l <"$file")"
    grep -q '\], // the one' "$file"
    # another workload: that alone changes
    init --swap-deployment statefulset/db
    equal "$(diff "$BATS_TEST_TMPDIR/first" "$file" | grep -c '^>' || true)" 0
    matches "$(read_by_cli .initializeCommand.tpdocker)" '"--service=web=statefulset/db"'
}

@test "Compose mode: what stands in the way" {
    echo '{"image": "i"}' | given
    refused 'not made by Compose.*"image"' --service web
    echo '{"dockerComposeFile": "../c.yaml", "service": "web"}' | given
    refused 'the dev container is the service web' --service other
    echo '{"dockerComposeFile": "../c.yaml"}' | given
    refused 'which "service"'
    echo '{"dockerComposeFile": "../c.yaml", "service": "web", "overrideCommand": true}' | given
    refused '"overrideCommand" is true'
    echo '{"dockerComposeFile": "../../c.yaml", "service": "web"}' | given
    refused 'outside of the workspace'
    echo '{"dockerComposeFile": [1], "service": "web"}' | given
    refused '"dockerComposeFile" is no string'
    rm -r .devcontainer
    refused 'no compose file' --service web
    refused 'service.s name' --service 'a b'
    refused 'name alone' --service web=web
}

@test "where the file is: at the top, by name, elsewhere" {
    echo '{"image": "i"}' >.devcontainer.json
    file=.devcontainer.json init
    matches "$(read_by_cli .mounts[1])" 'localWorkspaceFolder|source=/.*/shop/tpdocker.sh'
    rm .devcontainer.json tpdocker.sh
    mkdir -p .devcontainer/go .devcontainer/rust
    echo '{"image": "go"}' >.devcontainer/go/devcontainer.json
    echo '{"image": "rust"}' >.devcontainer/rust/devcontainer.json
    tp devcontainer init
    equal "$status" 125
    matches "$err" 'more than one' '\.devcontainer/go/devcontainer.json'
    file=.devcontainer/go/devcontainer.json init --config .devcontainer/go/devcontainer.json
    equal "$(cat .devcontainer/rust/devcontainer.json)" '{"image": "rust"}'
    config=.devcontainer/go/devcontainer.json read_by_cli .initializeCommand
    cd /
    file=$dir/.devcontainer/go/devcontainer.json init --workspace-folder "$dir" --config "$dir/.devcontainer/go/devcontainer.json"
    tp devcontainer init --workspace-folder "$dir" --config /etc/passwd
    equal "$status" 125
    matches "$err" 'not in the workspace folder'
}

@test "the Template: its options filled in, it is read, and its command runs" {
    cp -r "$root/compose/devcontainer-template/.devcontainer" .
    sed -i 's|${templateOption:workload}|shop/deployment/web:app|; s|${templateOption:image}|tpdocker-test-client|' .devcontainer/*
    jq -e '.id and .version and .name and (.options | length == 2)' "$root/compose/devcontainer-template/devcontainer-template.json"
    equal "$(read_by_cli .service)" '"dev"'
    read_by_cli '.initializeCommand[1:][]' | jq -r . >words
    mapfile -t words <words
    "$TPDOCKER" "${words[@]}"
    $COMPOSE -f .devcontainer/compose.yaml -f .tpdocker/compose.yaml config --format json | jq -e '.services["tpdocker-dev"]'
}

@test "Compose mode: the dev container is up, its shells have the pod's environment" {
    export project=tpt-devcontainer-$RANDOM
    cat >compose.yaml <<END
name: $project
services:
  web:
    image: tpdocker-test-client
    command: sleep infinity
    init: true
    environment: {ROLE: mine}
END
    # in the session's place: answers the gate, as in compose-override.bats
    cat >stand-in.yaml <<END
services:
  tpdocker-web:
    entrypoint: [python3, /gatekeeper.py]
    command: !override [tpdocker-gate, "ROLE=pod", "POD=yes", "PEM=a b\nc"]
    cap_add: !override []
    devices: !reset null
    dns: !reset null
    stop_grace_period: 1s
    volumes: ["$root/tests/compose/gatekeeper.py:/gatekeeper.py:ro"]
    healthcheck: {test: [CMD, "true"]}
END
    init --service web --swap-deployment web
    sed -i 's|"../.tpdocker/compose.yaml"|&, "../stand-in.yaml"|' "$file"
    mkdir bin
    ln -s "$TPDOCKER" bin/tpdocker
    PATH=$dir/bin:$PATH
    cli=("$DEVCONTAINER")
    common=(--workspace-folder . --docker-compose-path "$COMPOSE")
    "${cli[@]}" up "${common[@]}" >up.json
    jq -e '.outcome == "success"' up.json
    equal "$("${cli[@]}" exec "${common[@]}" printenv POD 2>/dev/null)" yes
    equal "$("${cli[@]}" exec "${common[@]}" sh -c 'printf %s. "$PEM$ROLE"' 2>/dev/null)" $'a b\ncmine.'
    # once more: the same container
    container=$(jq -r .containerId up.json)
    "${cli[@]}" up "${common[@]}" >up.json
    equal "$(jq -r .containerId up.json)" "$container"
}
