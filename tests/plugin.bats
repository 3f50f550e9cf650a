#!/usr/bin/env bats
# `docker tpdocker ...`, through the oldest and the newest docker CLI that there is here. (One of them is always there: it
# is in the image of the program.)

load lib/common

setup_file() {
    load lib/common
    user_setup api
    folder=$BATS_FILE_TMPDIR/cli
    relay=$folder/engine.sock
    mkdir -p "$folder" "$TPT_HOME/.docker/cli-plugins"
    ln -s "$TPDOCKER" "$TPT_HOME/.docker/cli-plugins/docker-tpdocker"
    find_clis
    export folder relay old new
}
teardown_file() {
    load lib/common
    user_teardown
}
setup() { export TPT_DOCKER_HOST=''; }
teardown() {
    if [[ -n ${relay_pid:-} ]]; then kill "$relay_pid"; fi
    check_teardown && eventually 60 settled
}

version_of() { "$1" --version | sed 's/^Docker version \([0-9.]*\).*/\1/'; }
find_clis() {
    local container cli clis
    container=$(docker create "tpdocker/tpdocker:$version")
    docker cp "$container:/usr/bin/docker" "$folder/docker" >/dev/null
    docker rm "$container" >/dev/null
    mapfile -t clis < <(for cli in $(type -ap docker) "$folder/docker"; do echo "$(version_of "$cli") $cli"; done | sort -V)
    old=${clis[0]#* } new=${clis[-1]#* }
    echo "# docker CLIs: ${clis[0]}, ${clis[-1]}" >&3
}

# plugin CLI ARGS... - that docker, with the file's user; as try does it. session and terminal take it by TPDOCKER=CLI.
plugin() {
    local TPDOCKER=$1
    shift
    try "$@"
}

# The engine's socket at another place, which tells when it was used.
start_relay() { # [SOCAT'S LISTENING ADDRESS]
    local engine
    engine=$(docker context inspect --format '{{.Endpoints.docker.Host}}')
    if [[ $engine != unix://* ]]; then skip "the engine is at $engine, not at a socket"; fi
    # TLS here has no half-close: without -t the rest of an answer is cut off half a second after the question's end
    socat -t 120 -d -d -lf "$folder/relay.log" "${1:-UNIX-LISTEN:$relay,fork,unlink-early}" "UNIX-CONNECT:${engine#unix://}" 3>&- &
    relay_pid=$!
    eventually 10 grep -q 'listening on' "$folder/relay.log"
}
relay_used() { grep -c 'accepting connection' "$folder/relay.log"; }

# The command line of the docker that our program runs, and what that is.
inner() {
    local process line
    for process in $(ours); do
        line=$(tr '\0' ' ' <"/proc/$process/cmdline" 2>/dev/null) || continue
        if [[ $line == *' --network=container:'* ]]; then echo "$(readlink "/proc/$process/exe") $line" && return; fi
    done
    return 1
}

# A container that says what it is sent.
tells='trap "echo got INT" INT; trap "echo got TERM; exit 9" TERM; echo up; while :; do sleep 0.1; done'
deaf='trap "" INT TERM; echo up; while :; do sleep 0.1; done'
up() { grep -q up "$pid_out"; }

@test "two docker CLIs of different age" {
    [[ $(version_of "$old") != "$(version_of "$new")" ]]
}

@test "metadata: one JSON object, without any I/O" {
    strace -f -o "$BATS_TEST_TMPDIR/trace" "$TPDOCKER" docker-cli-plugin-metadata >"$BATS_TEST_TMPDIR/metadata"
    jq -es 'length == 1 and .[0].SchemaVersion == "0.1.0" and (.[0] | .Vendor and .Version and .ShortDescription)' "$BATS_TEST_TMPDIR/metadata"
    # nothing but what the loader of shared libraries does, and the answer
    lacks "$(grep -E 'socket|connect|exec|clone|fork|open' "$BATS_TEST_TMPDIR/trace" |
        grep -vE '^[0-9]+ +(execve\(.*docker-cli-plugin-metadata|openat\(AT_FDCWD, "[^"]*(\.so[.0-9]*|ld\.so\.cache)", O_RDONLY)')" .
    equal "$(grep -c ' write(' "$BATS_TEST_TMPDIR/trace")" 1
}

@test "docker knows it" {
    for cli in "$old" "$new"; do
        HOME=$TPT_HOME "$cli" info --format '{{json .}}' | jq -e --arg v "$version" \
            '.ClientInfo.Plugins[] | select(.Name == "tpdocker") | .Version == $v and (.Err | not)'
        matches "$(HOME=$TPT_HOME "$cli" --help)" '^  tpdocker\* '
    done
}

@test "help, and whose it is" {
    for cli in "$old" "$new"; do
        for words in tpdocker 'tpdocker --help' 'help tpdocker' '--help tpdocker' 'tpdocker help' '-D help tpdocker'; do
            # shellcheck disable=SC2086 # words
            plugin "$cli" $words
            equal "$status" 0
            matches "$out" '^Usage: docker tpdocker COMMAND' '^  run +' '`docker tpdocker COMMAND --help`'
        done
        for words in 'tpdocker run --help' 'help tpdocker run' 'tpdocker help run' '--help tpdocker run'; do
            # shellcheck disable=SC2086
            plugin "$cli" $words
            equal "$status" 0
            matches "$out" '^Usage: docker tpdocker run' '^  docker tpdocker run -it' --swap-deployment
            lacks "$out" '(Usage: |^  )tpdocker'
        done
        plugin "$cli" -v tpdocker
        matches "$out" "^tpdocker $version"
        plugin "$cli" tpdocker version
        matches "$out" "^tpdocker $version"
    done
    try help run # and called by its own name it goes by that
    matches "$out" '^Usage: tpdocker run'
}

@test "errors, and their code" {
    for cli in "$old" "$new"; do
        plugin "$cli" tpdocker nothing
        equal "$status" 125
        matches "$err" 'docker tpdocker help'
        plugin "$cli" tpdocker run
        equal "$status" 125
        matches "$err" 'no image' 'docker tpdocker run'
        plugin "$cli" -H "unix://$folder/nobody" tpdocker run "$client" true
        equal "$status" 125
        matches "$err" "$folder/nobody"
    done
    plugin "$new" -c nonesuch tpdocker run "$client" true # the older ones look themselves
    equal "$status" 125
    matches "$err" 'no docker context "nonesuch"'
}

@test "a session, and its exit code" {
    for cli in "$old" "$new"; do
        plugin "$cli" tpdocker run "$client" sh -c 'curl -sSm 10 http://api:8080/; exit 7'
        equal "$status" 7
        matches "$out" '^hello from api-'
    done
    plugin "$new" tpdocker run "$client" nonesuch
    equal "$status" 127
}

@test "data in and out" {
    head -c 1000000 /dev/urandom >"$BATS_TEST_TMPDIR/data"
    for cli in "$old" "$new"; do
        TPDOCKER=$cli tpd tpdocker run -i "$client" cat <"$BATS_TEST_TMPDIR/data" | cmp - "$BATS_TEST_TMPDIR/data"
    done
}

@test "--host, --debug, --log-level: ours, and those of the same docker that we run" {
    start_relay
    TPT_DOCKER_HOST=unix://$folder/nobody
    for cli in "$old" "$new"; do
        box=$(name_of "${cli////}") used=$(relay_used || true)
        TPDOCKER=$cli session -DH "unix://$relay" --log-level=info tpdocker run --name "$box" "$client" sleep infinity
        until_running "$box"
        line=$(inner)
        equal "${line%% *}" "$(readlink -f "$cli")"
        matches "$line" " --host=unix://$relay " ' --debug ' ' --log-level=info '
        (($(relay_used) > used))
        matches "$(cat "$pid_err")" 'docker engine at unix://'"$relay" # what --verbose tells
        docker kill "$box" >/dev/null
        wait_end
        equal "$status" 137
    done
}

@test "--log-level warn: nothing said; --host of ours wins" {
    start_relay
    plugin "$new" -H "unix://$folder/nobody" -l warn tpdocker run --host "unix://$relay" --swap-deployment api "$client" true
    equal "$status" 0
    equal "$err" ''
}

@test "--context, and --config with a context in it" {
    start_relay
    config=$folder/config
    mkdir -p "$config/cli-plugins"
    ln -sf "$TPDOCKER" "$config/cli-plugins/docker-tpdocker"
    for cli in "$old" "$new"; do
        "$cli" --config "$config" context create relay --docker "host=unix://$relay" >/dev/null
        used=$(relay_used || true)
        plugin "$cli" --config "$config" -c relay tpdocker run "$client" true
        equal "$status" 0
        (($(relay_used) > used))
        used=$(relay_used)
        "$cli" --config "$config" context use relay >/dev/null
        plugin "$cli" --config="$config" tpdocker run "$client" true
        equal "$status" 0
        (($(relay_used) > used))
        rm -r "$config/contexts" "$config/config.json"
    done
}

certificates() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.pem
    for name in server client; do
        openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$name" -keyout "$name.key" -out "$name.csr"
        openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile <(echo subjectAltName=IP:127.0.0.1) -out "$name.pem"
    done
}

@test "--tls*: to the engine, to the docker that we run, and to the guardian" {
    mkdir -p "$folder/certs"
    cd "$folder/certs"
    certificates 2>/dev/null
    port=$(free_port)
    start_relay "OPENSSL-LISTEN:$port,bind=127.0.0.1,fork,cert=server.pem,key=server.key,cafile=ca.pem,verify=1"
    tls=(--tlscacert ca.pem --tlscert client.pem --tlskey client.key -H "tcp://127.0.0.1:$port")
    for cli in "$old" "$new"; do
        plugin "$cli" --tlsverify "${tls[@]}" tpdocker run "$client" sh -c 'echo through; exit 5'
        equal "$status" 5
        equal "$out" through
    done
    # a server's certificate that is not from there
    plugin "$new" --tlsverify "${tls[@]/ca.pem/client.pem}" tpdocker run "$client" true
    equal "$status" 125
    matches "$err" certificate
    # what a killed one leaves is undone through the same door, from another folder
    box=$(name_of)
    TPDOCKER=$new session --tlsverify "${tls[@]}" tpdocker run --name "$box" --swap-deployment api "$client" sleep infinity
    until_running "$box"
    cd /
    used=$(relay_used)
    kill -KILL "$(plugin_process)"
    wait_end
    nothing_left 20
    (($(relay_used) > used))
}

# Our program below docker.
plugin_process() {
    local process
    for process in $(ours); do
        if [[ $(tr '\0' ' ' <"/proc/$process/cmdline" 2>/dev/null) == */docker-tpdocker\ * ]]; then echo "$process" && return; fi
    done
    return 1
}

@test "docker is asked to end: the container is, as with a SIGTERM of ours" {
    TPDOCKER=$new session tpdocker run "$client" sh -c "$tells"
    eventually 30 up
    kill -TERM "$pid"
    wait_end
    equal "$status" 9
    equal "$(cat "$pid_out")" $'up\ngot TERM'
}

@test "docker is interrupted by a kill: the same" {
    TPDOCKER=$new session tpdocker run "$client" sh -c "$tells"
    eventually 30 up
    kill -INT "$pid"
    wait_end
    equal "$status" 9
}

@test "docker is asked to end while the session begins" {
    TPDOCKER=$new session tpdocker run --swap-deployment api "$client" true
    eventually 20 grep -q 'swapped out' "$pid_err"
    kill -TERM "$pid"
    wait_end
    equal "$status" 143
}

@test "docker is asked three times, and kills us: the guardian cleans up" {
    box=$(name_of)
    TPDOCKER=$new session tpdocker run --name "$box" --swap-deployment api "$client" sh -c "$deaf"
    eventually 30 up
    process=$(plugin_process)
    for _ in 1 2 3; do
        kill -TERM "$pid" 2>/dev/null || break
        pause 0.5
    done
    wait_end 5
    [[ $status != 0 ]]
    matches "$(cat "$pid_err")" 'got 3 SIGTERM/SIGINTs'
    eventually 5 ended "$process"
    nothing_left
    fails running "$box"
}

@test "an older docker is asked three times, and leaves us alone: the session ends" {
    box=$(name_of)
    TPDOCKER=$old session tpdocker run --name "$box" --swap-deployment api "$client" sh -c "$tells"
    eventually 30 up
    for _ in 1 2 3; do
        kill -TERM "$pid" 2>/dev/null || break
        pause 0.5
    done
    wait_end 5
    nothing_left
    matches "$(cat "$pid_out")" 'got TERM'
}

@test "docker is killed" {
    for cli in "$old" "$new"; do
        TPDOCKER=$cli session tpdocker run "$client" sh -c "$tells"
        eventually 30 up
        kill -KILL "$pid"
        wait_end
        nothing_left
        matches "$(cat "$pid_out")" 'got TERM'
    done
}

@test "a terminal" {
    for cli in "$old" "$new"; do
        TPDOCKER=$cli terminal --size 31x97 'expect:# $' 'send:tty\r' 'expect:/dev/pts/\d+' 'expect:# $' \
            'send:sh -c '\''trap "echo caug""ht; exit 9" INT; echo rea""dy; while :; do sleep 0.1; done'\''; echo code $?\r' \
            'expect:ready\r\n' 'send:\x03' 'expect:caught\r\n' 'expect:code 9\r\n' 'expect:# $' 'send:exit 3\r' \
            -- tpdocker run -it "$client" sh
        equal "$status" 3
    done
}

@test "Ctrl-C with the output in a pipe is the container's, too" {
    # Then docker closes its socket as well, although the terminal has told everybody. Taken for a SIGTERM, it would kill
    # the container 10 s later.
    cat >"$BATS_TEST_TMPDIR/piped" <<END
set -o pipefail
"$new" "\$@" | (trap '' INT; cat)
END
    script='trap "n=1; echo got INT" INT; trap "exit 9" TERM; echo up; until [ "$n" ]; do sleep 0.1; done; sleep 11; exit 8'
    TPDOCKER=bash terminal 'expect:up' 'send:\x03' 'expect:got INT' -- "$BATS_TEST_TMPDIR/piped" tpdocker run "$client" bash -c "$script"
    equal "$status" 8
}

@test "in the background" {
    for cli in "$old" "$new"; do
        box=$(name_of "${cli////}")
        plugin "$cli" tpdocker run -d --name "$box" "$client" sleep infinity
        equal "$status" 0
        equal "$out" "$(docker inspect --format '{{.Id}}' "$box")"
        # it is docker's no more
        docker exec "$box" curl -sSm 10 http://api:8080/
        docker stop -t 0 "$box" >/dev/null
        nothing_left
    done
}

@test "a session that outlives docker" {
    for cli in "$old" "$new"; do
        plugin "$cli" tpdocker up web --swap-deployment api
        equal "$status" 0
        equal "$out" web
        # docker has ended, and its socket with it: when that has been noticed by whoever would, all is as it was
        pause 1
        plugin "$cli" tpdocker status web
        matches "$out" 'ready'
        plugin "$cli" tpdocker run --session web "$client" true
        equal "$status" 0
        plugin "$cli" tpdocker down web
        equal "$status" 0
    done
}

@test "cleanup" {
    plugin "$new" tpdocker cleanup
    equal "$status" 0
}
