#!/usr/bin/env bats
# `tpdocker compose override` with the real docker compose: what it makes of
# the project and the override together, and that containers made of it work.
# No cluster is needed: tests/compose/gatekeeper.py stands in for the session.

load lib/common

setup_file() {
    load lib/common
    COMPOSE=$("$root/tests/setup/compose")
    if [[ $COMPOSE == /* ]]; then PATH=${COMPOSE%/*}:$PATH; fi
    export COMPOSE PATH HOME=$BATS_FILE_TMPDIR/home
    export BATS_TEST_TIMEOUT=${BATS_TEST_TIMEOUT:-120} LC_ALL=C.UTF-8
    unset DOCKER_CONTEXT TPDOCKER_IMAGE COMPOSE_FILE COMPOSE_PROFILES
    mkdir -p "$HOME/.kube"
    kubeconfig >"$HOME/.kube/config"
    export KUBECONFIG=$HOME/.kube/config
}

setup() {
    project=tpt-compose-$BATS_TEST_NUMBER-$RANDOM
    dir=$BATS_TEST_TMPDIR/$project
    mkdir -p "$dir"
    cd "$dir" || return
    started=
}

teardown() {
    if [[ -n $started ]]; then compose down --volumes --timeout 1 --remove-orphans; fi
}

kubeconfig() { # [SERVER] [USER]
    cat <<END
apiVersion: v1
kind: Config
current-context: c
clusters: [{name: k, cluster: {server: '${1:-https://10.11.12.13:6443}'}}]
contexts: [{name: c, context: {cluster: k, user: u}}]
users: [{name: u, user: ${2:-'{token: t0ken}'}}]
END
}

# try ARGS... - the program, without a cluster.
tp() {
    status=0
    "$TPDOCKER" "$@" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" </dev/null || status=$?
    out=$(cat "$BATS_TEST_TMPDIR/out") err=$(cat "$BATS_TEST_TMPDIR/err")
    printf '$ tpdocker %s\n%s\n%s\n(status %s)\n' "$*" "$out" "$err" "$status"
}

# override ARGS... - writes it, which has to work.
override() {
    tp compose override --output .tpdocker/compose.yaml "$@"
    equal "$status" 0
}

compose() { $COMPOSE -f compose.yaml -f .tpdocker/compose.yaml ${more:+-f "$more"} "$@"; }
# What Compose makes of both: a jq filter over it.
merged() { compose --profile '*' config --format json 2>/dev/null | jq -ce "$1"; }

@test "web and db: the network moves, the rest stays" {
    cat >compose.yaml <<'END'
services:
  web:
    image: tpdocker-test-client
    entrypoint: [sleep]
    command: ["1"]
    hostname: www
    ports: ["8080:80", "127.0.0.1:9000-9001:90-91/udp"]
    expose: ["99"]
    networks: {front: {aliases: [shop], ipv4_address: 172.31.99.5}, back: }
    dns: 1.2.3.4
    dns_search: [a.b]
    dns_opt: ["ndots:2"]
    extra_hosts: ["h:1.2.3.4"]
    links: ["db:database"]
    mac_address: 02:42:ac:11:00:03
    sysctls: {net.core.somaxconn: 1024, kernel.msgmax: 65536}
    depends_on: [db]
    volumes: ["data:/data"]
    environment: {A: b}
  db: {image: tpdocker-test-client, networks: [back]}
networks:
  front: {ipam: {config: [{subnet: 172.31.99.0/24}]}}
  back:
volumes: {data: }
END
    override --service web=deployment/web
    merged .services.web.networks,.services.web.ports,.services.web.hostname,.services.web.links && fail 'not all moved'
    equal "$(merged .services.web.network_mode)" '"service:tpdocker-web"'
    equal "$(merged .services.web.sysctls)" '{"kernel.msgmax":"65536"}'
    equal "$(merged .services.web.entrypoint)" '["/tpdocker/bin/gate","-","sleep"]'
    equal "$(merged .services.web.command)" '["1"]'
    equal "$(merged '[.services.web.volumes[].target]')" '["/data","/tpdocker/bin"]'
    equal "$(merged '.services.web.depends_on | map_values(.condition)')" '{"db":"service_started","tpdocker-web":"service_healthy"}'
    equal "$(merged .services.web.environment.A)" '"b"'
    equal "$(merged '.services["tpdocker-web"].networks')" \
        '{"back":{"aliases":["web"]},"front":{"aliases":["web","shop"],"ipv4_address":"172.31.99.5"}}'
    equal "$(merged '[.services["tpdocker-web"].ports[] | [.host_ip, .published, .target, .protocol]]')" \
        '[[null,"8080",80,"tcp"],["127.0.0.1","9000",90,"udp"],["127.0.0.1","9001",91,"udp"]]'
    equal "$(merged '.services["tpdocker-web"] | [.hostname, .mac_address, .extra_hosts, .links, .sysctls, .expose]')" \
        '["www","02:42:ac:11:00:03",["h=1.2.3.4"],["db:database"],{"net.core.somaxconn":"1024"},["99"]]'
    equal "$(merged '.services.db | keys')" "$($COMPOSE -f compose.yaml config --format json | jq -c '.services.db | keys')"
    equal "$(cat .tpdocker/.gitignore)" '*'
}

@test "anchors, extends, include, short and long forms, profiles" {
    mkdir sub
    cat >compose.yaml <<'END'
include: [sub/compose.yaml]
x-common: &common
  image: tpdocker-test-client
  networks: [n]
  expose: ["1"]
services:
  anchored: {<<: *common, profiles: [p], ports: [{target: 80, published: "8080", mode: host}]}
  extended: {extends: {service: anchored}, ports: ["8081:81"], depends_on: {anchored: {condition: service_started, required: false}}}
networks: {n: }
END
    cat >sub/compose.yaml <<'END'
services:
  included: {image: tpdocker-test-client, env_file: e.env, ports: ["8082:82"], command: sleep 1, networks: {m: null}}
networks: {m: }
END
    echo 'FROM_FILE=s3cret' >sub/e.env
    override --service anchored=a --service extended=b --service included=ns/statefulset/c:main
    equal "$(merged '.services["tpdocker-anchored"] | [.profiles, .networks.n.aliases, .ports[0].target, .ports[0].mode]')" \
        '[["p"],["anchored"],80,"host"]'
    equal "$(merged '.services["tpdocker-extended"] | [.networks.n.aliases, [.ports[].target], .expose]')" '[["extended"],[80,81],["1"]]'
    equal "$(merged '.services["tpdocker-included"] | [.networks.m.aliases, .ports[0].published]')" '[["included"],"8082"]'
    equal "$(merged .services.included.environment.FROM_FILE)" '"s3cret"'
    equal "$(merged .services.included.environment.TPDOCKER_OWN)" '"FROM_FILE"'
    matches "$(merged '.services["tpdocker-included"].command')" swap-deployment=statefulset/c:main namespace=ns
    lacks "$(cat .tpdocker/compose.yaml)" s3cret
    # without the profile neither the service nor its sidecar is there
    equal "$(compose config --services | sort | grep -c anchored)" 0
    compose config --quiet
}

@test "variables stay variables: no value gets into the file" {
    cat >compose.yaml <<'END'
services:
  web:
    image: ${IMAGE}
    entrypoint: [sleep, "${SECRET}", "a$$b"]
    ports: ["${PORT:-8080}:80", {target: 81, published: "${PORT2}"}]
    hostname: ${SECRET}
    extra_hosts: {h: "${ADDRESS}"}
    networks: {default: {aliases: ["${SECRET}"]}}
    environment: ["PASSWORD=${SECRET}", "UNSET"]
END
    export IMAGE=tpdocker-test-client SECRET=s3cret PORT2=8181 ADDRESS=10.9.9.9
    override --service web
    lacks "$(cat .tpdocker/compose.yaml)" s3cret 8181 10.9.9.9
    equal "$(merged .services.web.entrypoint)" '["/tpdocker/bin/gate","-","sleep","s3cret","a$$b"]'
    equal "$(merged '.services["tpdocker-web"] | [[.ports[].published], .hostname, .extra_hosts, .networks.default.aliases]')" \
        '[["8080","8181"],"s3cret",["h=10.9.9.9"],["web","s3cret"]]'
    equal "$(merged .services.web.environment.TPDOCKER_OWN)" '"PASSWORD"'
    # another developer's, by the same file
    PORT=9 SECRET=other merged '.services["tpdocker-web"] | [.ports[0].published, .hostname]' | grep -Fx '["9","other"]'
}

@test "the image's own entrypoint and command, which have to be there" {
    cat >compose.yaml <<'END'
services:
  web: {image: "${WEB}"}
  built: {build: .}
END
    export WEB=tpt-compose-image-$RANDOM
    printf 'FROM tpdocker-test-client\nENTRYPOINT ["/bin/echo", "$HOME"]\nCMD ["a b", "c"]\n' >Dockerfile
    tp compose override --service web
    equal "$status" 125
    matches "$err" "does not have the image $WEB" 'docker compose pull web'
    tp compose override --service built
    equal "$status" 125
    matches "$err" 'docker compose build built'
    docker build -q -t "$WEB" . >/dev/null
    override --service web
    docker rmi "$WEB" >/dev/null
    equal "$(merged '.services.web | [.entrypoint, .command]')" \
        '[["/tpdocker/bin/gate","-","/bin/echo","$$HOME"],["a b","c"]]'
    tp compose override --service built --get-images
    docker rmi "$project-built" >/dev/null
    equal "$status" 0
    matches "$out" '/bin/echo'
}

@test "other services find their way: links, and a network that is shared" {
    cat >compose.yaml <<'END'
services:
  web: {image: tpdocker-test-client, entrypoint: [sleep]}
  proxy: {image: tpdocker-test-client, network_mode: "service:web"}
  old: {image: tpdocker-test-client, links: ["web:www"]}
END
    override --service web
    equal "$(merged '[.services.proxy.network_mode, .services.proxy.depends_on["tpdocker-web"].condition, .services.old.links]')" \
        '["service:tpdocker-web","service_healthy",["tpdocker-web:www"]]'
}

@test "refusals, by name" {
    cat >compose.yaml <<'END'
services:
  host: {image: i, network_mode: host}
  many: {image: i, scale: 3}
  users: {image: i, userns_mode: host}
  a: {image: i, entrypoint: [x], ports: ["80"]}
  b: {image: i, entrypoint: [x], expose: ["80"]}
  text: {image: i, entrypoint: "sh -c ${X:-x}"}
  x: {provider: {type: "true"}}
END
    while IFS='|' read -r args words; do
        # shellcheck disable=SC2086
        tp compose override $args
        equal "$status" 125 "$args"
        equal "$out" ''
        matches "$err" "$words"
    done <<'END'
|which service
--service nothing|no service "nothing"
--service host|network_mode: host
--service many|scaled to 3
--service users|userns_mode: host
--service a=web --service b=web|both want its port 80/tcp
--service a --service a|given twice
--service a=x/y/z/w|--service a=x/y/z/w
--service text|as a list
--service x|has a provider
--service a --volumes copy|sshfs or off
--service a --volumes never|sshfs or off
-f none.yaml --service a|none.yaml
--service a --context nowhere|nowhere
--service a more|more
--service a --output none/x.yaml|none/x.yaml
END
    tp compose
    matches "$err" 'compose override'
    tp compose what
    matches "$err" 'no command "compose what"'
}

@test "a kubeconfig that a container cannot use" {
    echo 'services: {web: {image: i, entrypoint: [x]}}' >compose.yaml
    kubeconfig https://127.0.0.1:6443 >local
    tp compose override --kubeconfig local --service web
    matches "$err" 'https://127.0.0.1:6443' 'this machine itself'
    kubeconfig https://10.1.1.1 '{exec: {apiVersion: client.authentication.k8s.io/v1, command: kubelogin, interactiveMode: Never}}' >plugin
    tp compose override --kubeconfig plugin --service web
    matches "$err" 'program kubelogin' --image
    tp compose override --kubeconfig plugin --service web --image my/own
    equal "$status" 0
    matches "$out" 'image: my/own'
    # certificates beside it are bound, too, and nothing of them is in the file
    openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out crt -subj /CN=x -days 1 2>/dev/null
    kubeconfig https://10.1.1.1 '{client-certificate: crt, client-key: key}' >"$HOME/certs"
    cp key crt "$HOME"
    tp compose override --kubeconfig "$HOME/certs" --service web
    matches "$out" 'source: "\$\{HOME\}/certs"' 'target: "\$\{HOME\}/key"' 'KUBECONFIG: "\$\{HOME\}/certs"'
    lacks "$out" t0ken 'BEGIN'
}

@test "docker compose is missing, or too old" {
    echo 'services: {web: {image: i, entrypoint: [x]}}' >compose.yaml
    mkdir bin
    printf '#!/bin/sh\necho "unknown command" >&2\nexit 1\n' >bin/docker
    chmod +x bin/docker
    PATH=$dir/bin:/usr/bin:/bin
    if command -v docker-compose; then skip 'there is a docker-compose beside the one of the tests'; fi
    tp compose override --service web
    equal "$status" 125
    matches "$err" 'there is no docker compose' 'Install'
    printf '#!/bin/sh\necho 1.29.2\n' >bin/docker-compose
    chmod +x bin/docker-compose
    tp compose override --service web
    equal "$status" 125
    matches "$err" 'docker-compose is version 1.29.2' '2.24.4'
}

@test "as a plugin of docker's" {
    if [[ $COMPOSE != /* ]]; then skip 'the one of the tests is the plugin'; fi
    docker --help | grep -q -- --config || skip 'a docker CLI without plugins'
    echo 'services: {web: {image: i, entrypoint: [x]}}' >compose.yaml
    mkdir -p config/cli-plugins
    ln -s "$COMPOSE" config/cli-plugins/docker-compose
    export DOCKER_CONFIG=$dir/config
    PATH=${PATH#*:}
    docker compose version || skip 'a docker CLI that takes no plugins'
    tp compose override --service web
    equal "$status" 0
    matches "$out" 'tpdocker-web:'
}

@test "the same twice: the file is left alone; made from itself: refused" {
    echo 'services: {web: {image: i, entrypoint: [x]}}' >compose.yaml
    override --service web
    matches "$err" wrote
    touch -d '2020-01-01' .tpdocker/compose.yaml
    override --service web
    lacks "$err" wrote
    equal "$(date -r .tpdocker/compose.yaml +%Y)" 2020
    tp compose override -f compose.yaml -f .tpdocker/compose.yaml --service web
    equal "$status" 125
    matches "$err" 'has a sidecar already' 'Leave the override out'
}

# In a sidecar's place: it answers the gates, and has what a session is not needed for.
stand_in() {
    more=stand-in.yaml
    cat >"$more" <<END
services:
  tpdocker-web:
    entrypoint: [python3, /gatekeeper.py]
    command: !override [tpdocker-gate, "ROLE=pod", "POD=yes", "PATH=/pod", "PEM=a b\nc'd \$\$x\n", "IMAGE_OWN=pod"]
    cap_add: !override []
    devices: !reset null
    dns: !reset null
    volumes: ["$root/tests/compose/gatekeeper.py:/gatekeeper.py:ro"]
    healthcheck: {test: [CMD, "true"]}
END
}

@test "up: the containers work, with the pod's environment and each other's names" {
    port=$(free_port)
    cat >compose.yaml <<END
services:
  web:
    image: tpdocker-test-client
    command: [python3, -m, http.server, "8080"]
    ports: ["127.0.0.1:$port:8080"]
    environment: {ROLE: mine, PASSWORD: s3cret}
    stop_grace_period: 1s
    container_name: $project-named
    depends_on: [db]
  db:
    image: tpdocker-test-client
    command: [python3, -m, http.server, "5432"]
    stop_grace_period: 1s
END
    stand_in
    override --service web=deployment/web
    started=yes
    compose up --detach
    eventually 20 compose exec -T web curl -sSm 5 http://localhost:8080/
    environ=$(compose exec -T web sh -c "tr '\\0' '\\n' </proc/1/environ")
    matches "$environ" '^ROLE=mine$' '^POD=yes$' '^PASSWORD=s3cret$' '^PATH=/usr' "^c'd \\\$x$"
    lacks "$environ" TPDOCKER '^ROLE=pod$' '^PATH=/pod$'
    # later processes: by asking, and login shells by themselves
    equal "$(compose exec -T web printenv POD || echo no)" no
    equal "$(compose exec -T web /tpdocker/bin/gate - --env printenv POD)" yes
    equal "$(compose exec -T web sh -lc 'printf %s. "$PEM$ROLE"')" $'a b\nc\'d $x\nmine.'
    # in both directions by name, by the container's name too, and on this machine
    compose exec -T db curl -sSfm 5 -o /dev/null http://web:8080/
    compose exec -T db curl -sSfm 5 -o /dev/null "http://$project-named:8080/"
    compose exec -T web curl -sSfm 5 -o /dev/null http://db:5432/
    curl -sSfm 5 -o /dev/null "http://127.0.0.1:$port/"
    # nothing of the pod is written anywhere
    lacks "$(docker inspect "$project-named")" 'POD=yes' "c'd"
    lacks "$(cat .tpdocker/compose.yaml)" s3cret POD

    compose restart web
    eventually 20 compose exec -T web curl -sSm 5 http://localhost:8080/
    equal "$(compose exec -T web sh -c "tr '\\0' '\\n' </proc/1/environ" | grep POD=)" POD=yes
    # a change: web is made anew, the sidecar is not
    sidecar=$(compose ps --quiet tpdocker-web)
    sed -i 's/PASSWORD: s3cret/PASSWORD: s3cret, NEW: one/' compose.yaml
    override --service web=deployment/web
    compose up --detach
    equal "$(compose ps --quiet tpdocker-web)" "$sidecar"
    eventually 20 compose exec -T web curl -sSm 5 http://localhost:8080/
    equal "$(compose exec -T web sh -c "tr '\\0' '\\n' </proc/1/environ" | grep NEW=)" NEW=one

    compose down --timeout 1
    equal "$(docker volume ls --quiet --filter "name=$project" --filter label=dev.tpdocker.compose | wc -l)" 1
    tp cleanup
    equal "$(docker volume ls --quiet --filter "name=$project")" ''
}

@test "the examples" {
    export IMAGE=tpdocker-test-client TPDOCKER_IMAGE=$sidecar_image
    for example in web-and-db two-namespaces; do
        cp "$root/compose/$example/compose.yaml" .
        case $example in
        web-and-db) services=(--service web=deployment/web) ;;
        *) services=(--service web=shop/deployment/web --service jobs=batch/deployment/jobs) ;;
        esac
        override "${services[@]}"
        compose config --quiet
        started=yes
        compose create # the engine takes all that is in there
        compose down --volumes
    done
    for example in provider hostless; do
        COMPOSE_PROJECT_NAME=$project $COMPOSE -f "$root/compose/$example/compose.yaml" config --quiet
    done
}
