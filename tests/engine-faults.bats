#!/usr/bin/env bats
# The native engine when things go wrong: packets that are lost, peers that do not read, garbage on its own stream,
# a kernel without NFQUEUE.

load lib/common

setup_file() {
    load lib/common
    user_setup api
    BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR BATS_TEST_NUMBER=0
    box=$(name_of box)
    session run --verbose --volumes off --name "$box" -v "$lib:/lib-of-tests:ro" "$client" sleep infinity
    session_err=$pid_err
    until_running "$box"
    agent=$(agent_pod)
    export box session_err agent
}

teardown_file() {
    load lib/common
    docker kill "$box" >/dev/null
    as_before
    user_teardown
}

tcp() { inside timeout 120 python3 /lib-of-tests/tcp.py "$@"; }
pod_ip() { json pods -l app=api | jq -r '.items[0].status.podIP'; }
near_half() { docker top "$(sidecar_of "$box")" -o pid,args | awk '/tpdocker-sidecar redirect/ { print $1; exit }'; }
kilobytes() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }

@test "packets are lost on the agent's side: all arrives, in order" {
    takes_root
    in_pod "$agent" iptables -A OUTPUT -o eth0 -m statistic --mode random --probability 0.03 -j DROP
    in_pod "$agent" iptables -A INPUT -i eth0 -m statistic --mode random --probability 0.03 -j DROP
    inside sh -c 'head -c 1000000 /dev/urandom >/tmp/data; sha256sum </tmp/data >/tmp/sum'
    inside timeout 120 sh -c 'nc -N api 7007 </tmp/data | sha256sum | cmp - /tmp/sum'
    in_pod "$agent" iptables -F
    inside timeout 60 sh -c 'nc -N api 7007 </tmp/data | sha256sum | cmp - /tmp/sum'
}

@test "a server that never reads: memory is bounded, and others go on" {
    takes_root
    nsenter -t "$(far_half "$agent")" -n python3 -c '
import socket
s = socket.socket()
s.bind(("0.0.0.0", 7500))
s.listen(50)
print("ready", flush=True)
kept = []
while True:
    kept.append(s.accept()[0])' >"$BATS_TEST_TMPDIR/deaf" 3>&- 4>&- &
    deaf=$!
    eventually 30 grep -q ready "$BATS_TEST_TMPDIR/deaf"
    address=$(json pod "$agent" | jq -r .status.podIP)
    near=$(near_half) far=$(far_half "$agent")
    before_near=$(kilobytes "$near") before_far=$(kilobytes "$far")
    docker exec -d "$box" python3 -c '
import select, socket, sys, time
all = [socket.create_connection((sys.argv[1], 7500)) for i in range(20)]
for s in all:
    s.setblocking(False)
end = time.monotonic() + 8
while time.monotonic() < end:
    for s in select.select([], all, [], 1)[1]:
        try:
            s.send(b"x" * 1000000)
        except BlockingIOError:
            pass
open("/tmp/full", "w")
time.sleep(60)' "$address"
    for try in 1 2 3 4 5; do
        matches "$(tcp ping api 7007 20)" 'p50 [0-9.]+ ms'
        matches "$(tcp pull api 9000 2000000)" 'MB/s'
    done
    eventually 60 inside test -e /tmp/full
    # what one side can be made to hold is 64 MB (engine/flows.h)
    echo "# KB: near $before_near to $(kilobytes "$near"), far $before_far to $(kilobytes "$far")" >&3
    (($(kilobytes "$near") - before_near < 80000 && $(kilobytes "$far") - before_far < 80000))
    inside pkill python3
    kill "$deaf"
}

@test "one byte at a time, and an end behind each of many" {
    inside timeout 100 python3 -c '
import socket
for i in range(50):
    s = socket.create_connection(("api", 7007), timeout=20)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for b in b"one by one":
        s.sendall(bytes([b]))
    s.shutdown(socket.SHUT_WR)
    got = b""
    while more := s.recv(100):
        got += more
    assert got == b"one by one", got
print("all")'
}

# The stream is ssh's, and so nobody but one of its ends can do that; it is told apart all the same.
@test "garbage on the stream: a clear word, and a new stream" {
    takes_root
    "$lib/intrude.py" "$(near_half)" 0 5000
    told() { grep -qE "the tunnel ended|is not the engine's protocol|does not keep to the protocol" "$session_err"; }
    eventually 30 told
    eventually 60 grep -q 'is back' "$session_err"
    answers() { inside curl -sSm 10 http://api:8080/ | grep -q '^hello from api-'; }
    eventually 30 answers
    matches "$(cat "$session_err")" "what came in is not the engine's protocol|does not keep to the protocol"
}

@test "without NFQUEUE a refused port is reset at once, UDP is refused, and --verbose says so" {
    image=tpt-$TPT_ID-no-queue
    sidecar_image_without "$image" /usr/sbin/iptables /usr/sbin/ip6tables
    tests=$lib/..
    "$tests/cluster/load" "$image"
    try run --verbose --image "$image" --volumes off -v "$lib:/lib-of-tests:ro" "$client" sh -c '
        curl -sSm 20 http://api:8080/
        python3 /lib-of-tests/tcp.py outcome "$0" 81
        python3 -c "
import errno, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
s.connect((sys.argv[1], 7007))
try:
    s.send(b\"x\")
    print(\"answered\", s.recv(10))
except OSError as e:
    print(errno.errorcode.get(e.errno, e))" "$0"' "$(pod_ip)"
    equal "$status" 0
    matches "$out" '^hello from api-' '^(reset|refused)$' '^E(PERM|ACCES|HOSTUNREACH)$'
    matches "$err" 'this kernel has no NFQUEUE .*: a port where nobody listens looks open for a moment'
}
