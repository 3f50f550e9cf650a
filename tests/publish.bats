#!/usr/bin/env bats
# Published ports: -p in every spelling docker takes.

load lib/common

setup_file() {
    load lib/common
    user_setup
}
teardown_file() {
    load lib/common
    user_teardown
}
teardown() { check_teardown; }

serve='for p in 80 81 82 83 84; do socat TCP-LISTEN:$p,fork,reuseaddr SYSTEM:"echo port $p" & done; wait'

fetch() { nc -w 5 "${2:-127.0.0.1}" "$1" </dev/null; }
answers() { [[ $(fetch "$1" "${3:-127.0.0.1}") == "port $2" ]]; }

@test "every spelling of -p" {
    a=$(free_port) b=$(free_port) c=$(free_port) d=$(free_port) e=$(free_port)
    name=$(name_of)
    tpd run --name "$name" -p "$a:80" -p"$b:81" --publish="$c:82" --publish "127.0.0.1:$d:83/tcp" -dp "$e:84" \
        "$client" sh -c "$serve" </dev/null
    eventually 10 answers "$a" 80
    eventually 10 answers "$b" 81
    eventually 10 answers "$c" 82
    eventually 10 answers "$d" 83
    eventually 10 answers "$e" 84
    # and everything else still goes to the cluster
    matches "$(docker exec "$name" curl -sSm 10 http://api.default:8080/)" '^hello from api-'
    docker kill "$name"
}

@test "together with -it" {
    a=$(free_port)
    fetched="timeout 20 sh -c 'until nc -w 5 127.0.0.1 $a </dev/null | grep \"port 80\"; do sleep 0.1; done'"
    terminal 'expect:up' "run:$fetched" 'send:enough\r' 'expect:got enough' -- run -itp "127.0.0.1:$a:80" "$client" \
        sh -c 'socat TCP-LISTEN:80,fork,reuseaddr SYSTEM:"echo port 80" & echo up; read -r line; echo "got $line"; kill $!'
    equal "$status" 0
}

@test "a port of docker's choice, and those that the image exposes" {
    docker build -q -t "tpt-$TPT_ID-exposes" - <<<"FROM $client
EXPOSE 80 82/tcp" >/dev/null
    name=$(name_of)
    tpd run -d --name "$name" -P -p 127.0.0.1::81 --pull never "tpt-$TPT_ID-exposes" sh -c "$serve" </dev/null
    sidecar=$(sidecar_of "$name")
    for p in 80 81 82; do
        port=$(docker port "$sidecar" "$p" | head -n 1)
        eventually 10 answers "${port##*:}" "$p"
    done
    matches "$(docker port "$sidecar" 81)" '^127\.0\.0\.1:'
    docker kill "$name"
    nothing_left
    docker rmi "tpt-$TPT_ID-exposes" >/dev/null
}

@test "UDP, and a range" {
    a=$(free_port)
    name=$(name_of)
    tpd run -d --name "$name" -p "127.0.0.1:$a:5353/udp" -p 127.0.0.1::80 "$client" \
        socat UDP-RECVFROM:5353,fork PIPE </dev/null
    got() { [[ $(echo hello | socat -T 2 - "UDP:127.0.0.1:$a") == hello ]]; }
    eventually 10 got
    docker kill "$name"
}

@test "a -p after the image belongs to the command, as does all else" {
    try run --rm "$client" echo -p 80:80 --swap-deployment nobody --verbose -- -it --help
    equal "$status" 0
    equal "$out" '-p 80:80 --swap-deployment nobody --verbose -- -it --help'
}

@test "a port that is taken is refused, and nothing stays" {
    a=$(free_port)
    python3 -c "import socket, time
s = socket.socket(); s.bind(('127.0.0.1', $a)); s.listen(); time.sleep(60)" 3>&- &
    holder=$!
    taken() { fetch "$a" || ss -ltn | grep -q ":$a "; }
    eventually 5 taken
    try run -p "127.0.0.1:$a:80" "$client" true
    kill "$holder"
    equal "$status" 125
    matches "$err" "$a" 'already (in use|allocated)'
}
