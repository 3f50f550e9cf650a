#!/usr/bin/env bats
# The native engine, which is the default: the container's connections, carried by tpdocker's own engine.

load lib/common

setup_file() {
    load lib/common
    user_setup api web
    allow create,get pods/exec
    session_of_file
    export box session_err published
}

# One session for all tests of the file.
session_of_file() {
    BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR BATS_TEST_NUMBER=0
    box=$(name_of box) published=$(free_port)
    session run -p "127.0.0.1:$published:5353/udp" --swap-deployment web --volumes off --name "$box" \
        -v "$lib:/lib-of-tests:ro" "$client" sleep infinity
    session_err=$pid_err
    until_running "$box"
}

teardown_file() {
    load lib/common
    docker stop -t 0 "$box" >/dev/null
    as_before
    user_teardown
}

tcp() { inside timeout 60 python3 /lib-of-tests/tcp.py "$@"; }
pod_ip() { json pods -l app=api | jq -r '.items[0].status.podIP'; }

# The user's container itself, which others reach by way of its pod.
serve_here() { # PORT
    docker exec -d "$box" python3 /lib-of-tests/tcp.py serve 0.0.0.0 "$1" "/tmp/served.$1"
    eventually 20 inside grep -q ready "/tmp/served.$1"
}

@test "it is the engine that runs, and no Python is started for it" {
    processes=$(docker top "$(sidecar_of "$box")" -o pid,args)
    matches "$processes" 'tpdocker-sidecar redirect'
    lacks "$processes" 'python|sshuttle'
}

@test "names resolve, and Services, pods and the outside answer" {
    matches "$(inside getent hosts echo.other)" 'echo'
    matches "$(inside curl -sSm 10 http://echo.other:8080/)" '^hello from echo-'
    matches "$(inside curl -sSm 10 "http://$(pod_ip):8080/")" '^hello from api-'
}

@test "big transfers both ways, at once, arrive whole" {
    inside sh -c 'head -c 50000000 /dev/urandom >/tmp/data; sha256sum </tmp/data >/tmp/sum'
    inside timeout 120 sh -c 'nc -N api 7007 </tmp/data | sha256sum | cmp - /tmp/sum'
}

@test "a closed port is refused by connect itself" {
    matches "$(inside python3 -c '
import socket, sys
s = socket.socket()
try:
    s.connect((sys.argv[1], 81))
    print("connected")
except ConnectionRefusedError:
    print("refused")' "$(pod_ip)")" '^refused$'
}

@test "half-close: the answer comes after the end" {
    equal "$(inside timeout 30 sh -c 'printf "abc" | nc -N api 7007')" abc
}

@test "200 connections at once, each with its own bytes" {
    serve_here 8080
    answers() { [[ $(tcp outcome web 80) == hello ]]; }
    eventually 30 answers
    equal "$(tcp call web 80 200 20000)" 200
}

@test "a reset of the server's, behind the bytes that it had sent" {
    equal "$(inside timeout 30 python3 -c '
import socket
s = socket.create_connection(("api", 9000), timeout=20)
got = b""
try:
    s.sendall(b"5\n" + b"x" * 1000000)
except ConnectionError:
    pass
try:
    more = b"?"
    while more:
        more = s.recv(100)
        got += more
    # its end may come first, as it does from the server; the reset is close behind
    while True:
        s.sendall(b"x" * 1000)
except ConnectionError:
    print(len(got), "reset")')" '5 reset'
}

@test "UDP: datagrams of any size, and their answers from where they were sent" {
    equal "$(inside timeout 30 python3 -c '
import os, socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(2)
s.connect((socket.gethostbyname("api"), 7007))
good = 0
for n in [1, 0, 100, 1400, 8000, 30000]:
    data = os.urandom(n)
    for i in range(5): # one may be lost
        s.send(data)
        try:
            good += s.recv(65536) == data
            break
        except TimeoutError:
            pass
print(good)')" 6
}

@test "UDP: a DNS server of the cluster, asked by its pod address" {
    ip=$(inside awk '$1 == "nameserver" { print $2; exit }' /etc/resolv.conf)
    matches "$(inside dig +short +time=5 "@$ip" echo.other.svc.cluster.local)" '^10\.'
}

@test "UDP: who comes in by a published port gets its answers" {
    docker exec -d "$box" socat UDP-RECVFROM:5353,fork PIPE
    got() { [[ $(echo hello | socat -T 2 - "UDP:127.0.0.1:$published") == hello ]]; }
    eventually 20 got
}

@test "UDP: a port where nobody listens" {
    equal "$(inside timeout 30 python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
s.connect((sys.argv[1], 99))
try:
    s.send(b"x")
    s.recv(100)
except OSError as e:
    print(type(e).__name__)' "$(pod_ip)")" ConnectionRefusedError
}

@test "one that is not read holds up no other" {
    docker exec -d "$box" python3 -c '
import socket, time
s = socket.create_connection(("api", 9000))
s.sendall(b"2000000000\n")
time.sleep(40)'
    pause 2
    matches "$(tcp ping api 7007 50)" 'p50 [0-9.]+ ms'
    matches "$(tcp pull api 9000 20000000)" 'MB/s'
}

@test "the link is cut: connections end with a reset, and it comes back" {
    docker exec -d "$box" sh -c 'nc api 7007 </dev/zero >/dev/null; echo ended >/tmp/cut'
    docker exec "$(sidecar_of "$box")" sh -c 'kill -KILL $(pidof ssh)'
    eventually 20 inside test -e /tmp/cut
    eventually 30 grep -q 'is back' "$session_err"
    matches "$(inside curl -sSm 10 http://echo.other:8080/)" '^hello from echo-'
}

@test "--engine=carrier-pigeon is refused" {
    try run --engine=carrier-pigeon "$client" true
    equal "$status" 125
    matches "$err" 'native and sshuttle'
}
