#!/usr/bin/env bats
# Where a container's traffic goes.

load lib/common

setup_file() {
    load lib/common
    user_setup api
    background "$client" sleep infinity
    export box
    start_stray
}

teardown_file() {
    load lib/common
    stop_stray
    docker stop -t 0 "$box" >/dev/null
    as_before
    user_teardown
}

teardown() {
    if [[ -n ${server:-} ]]; then kill "$server" 2>/dev/null || true; fi
}

pod_ip() { json pods -l app=api | jq -r '[.items[] | select(.metadata.deletionTimestamp | not)][0].status.podIP'; }

# A server on this machine that writes down who comes: TCP, UDP.
listen() { # ADDRESS
    port=$(free_port)
    hits=$BATS_TEST_TMPDIR/hits
    : >"$hits"
    "$lib/listen.py" "$1" "$port" "$hits" 3>&- &
    server=$!
    eventually 10 grep -q ready "$hits"
}

@test "a Service and a pod by their addresses" {
    matches "$(inside curl -sSm 10 "http://$(json service api | jq -r .spec.clusterIP):8080/")" '^hello from api-'
    matches "$(inside curl -sSm 10 "http://$(pod_ip):8080/")" '^hello from api-'
}

@test "the pod sees the agent's pod as its caller" {
    equal "$(inside curl -sSm 10 "http://$(pod_ip):8080/peer" | cut -d : -f 1)" \
        "$(json pod "$(agent_pod)" | jq -r .status.podIP)"
}

@test "addresses outside are reached from the cluster" {
    needs_node
    local outside_ip node_ip
    outside_ip=$(docker inspect -f '{{(index .NetworkSettings.Networks "tpdocker-test").IPAddress}}' "$outside")
    node_ip=$(docker inspect -f '{{(index .NetworkSettings.Networks "tpdocker-test").IPAddress}}' "$node")
    equal "$(inside curl -sSm 10 "http://$outside_ip/peer" | cut -d : -f 1)" "$node_ip"
    equal "$(inside curl -sSm 10 http://www.outside.test/peer | cut -d : -f 1)" "$node_ip"
    # while this machine's own way is another one
    [[ $(curl -sSm 10 "http://$outside_ip/peer" | cut -d : -f 1) != "$node_ip" ]]
}

@test "data goes both ways unharmed" {
    sum=$(sh_in 'head -c 3000000 /dev/urandom >/tmp/data; sha256sum </tmp/data')
    equal "$(sh_in "nc -N api 7007 </tmp/data | sha256sum")" "$sum"
    equal "$(sh_in 'printf "20000000\n" | nc -N api 9000 | wc -c')" 20000000
    equal "$(sh_in '{ printf "sink\n"; head -c 5000000 /dev/zero; } | nc -N api 9000')" 5000000
}

@test "a refused port is refused or closed, not left hanging" {
    local before=$SECONDS
    fails sh_in "curl -sSm 20 http://$(pod_ip):81/"
    ((SECONDS - before < 10)) || fail 'that took too long'
}

@test "localhost is the container's own" {
    listen 127.0.0.1
    fails sh_in "curl -sm 5 http://127.0.0.1:$port/"
    docker exec -d "$box" sh -c 'echo mine | nc -lN 127.0.0.1 4321'
    eventually 10 sh_in 'ss -ltn | grep -q :4321'
    equal "$(sh_in 'nc 127.0.0.1 4321 </dev/null')" mine
    equal "$(grep -v ready "$hits")" ''
}

@test "what the container sends to no address of the cluster never goes out from this machine" {
    # the container of a plain docker run does get there
    docker run --rm "$client" sh -c "echo plain | nc -uw 1 $stray $stray_port; curl -sm 5 http://$stray:$stray_port/" || true
    eventually 5 stray_got '^udp'
    eventually 5 stray_got '^tcp'
    before=$(stray_log)
    sh_in "echo ours | nc -uw 1 $stray $stray_port; curl -sm 5 http://$stray:$stray_port/" || true
    fails sh_in "ping -c 1 -W 1 $stray"
    equal "$(stray_log)" "$before"
}

@test "the machine itself is not reached through the container's gateway" {
    gateway=$(docker inspect -f '{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}' "$(sidecar_of "$box")")
    listen "$gateway"
    sh_in "echo ours | nc -uw 1 $gateway $port; curl -sm 5 http://$gateway:$port/" || true
    equal "$(cat "$hits")" ready
}

@test "--never-proxy reaches a range from this machine" {
    before=$(stray_log | grep -c ^tcp)
    equal "$(tpd run --rm --never-proxy "$stray/32" "$client" curl -sSm 10 "http://$stray:$stray_port/")" hit
    equal "$(stray_log | grep -c ^tcp)" "$((before + 1))"
}

@test "the containers of a network of the user's own stay reachable by name" {
    docker network create "tpt-$TPT_ID" >/dev/null || docker network inspect "tpt-$TPT_ID" >/dev/null
    other=$(name_of other)
    docker run -d --rm --name "$other" --network "tpt-$TPT_ID" --network-alias beside \
        --entrypoint tpdocker-test-app tpdocker-test-app >/dev/null
    out=$(tpd run --network "tpt-$TPT_ID" "$client" sh -c \
        "curl -sSm 10 http://beside:8080/; curl -sSm 10 http://$other:8080/; curl -sSm 10 http://api:8080/") || status=$?
    docker rm -f "$other" >/dev/null
    docker network rm "tpt-$TPT_ID" >/dev/null
    equal "${status:-0}" 0 "$out"
    equal "$(grep -c '^hello from' <<<"$out")" 3 "$out"
    matches "$out" '^hello from api-'
}
