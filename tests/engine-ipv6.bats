#!/usr/bin/env bats
# The native engine beyond IPv4's TCP and UDP: IPv6, and ping.

load lib/common

# Of the tests' own, and nowhere but in the agent's pod: 2001:db8::/32 is for documentation.
far=2001:db8:7470::5

setup_file() {
    load lib/common
    user_setup api
    background --volumes off -v "$lib:/lib-of-tests:ro" "$client" sleep infinity
    agent=$(agent_pod)
    export box agent
}

teardown_file() {
    load lib/common
    docker kill "$box" >/dev/null
    user_teardown
}

tcp() { inside timeout 60 python3 /lib-of-tests/tcp.py "$@"; }
pod_ip() { json pods -l app=api | jq -r '.items[0].status.podIP'; }

# What connect says to PORT at ADDRESS: connected, or the error's name.
connect_to() {
    inside timeout 60 python3 -c '
import errno, socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
s.settimeout(30)
try:
    s.connect((sys.argv[1], int(sys.argv[2])))
    print("connected")
except OSError as e:
    print(errno.errorcode.get(e.errno, e))' "$@"
}

@test "ping: a pod answers, with what was sent and the time that it took" {
    inside ping -c 3 -i 0.2 -W 20 "$(pod_ip)" | tee "$BATS_TEST_TMPDIR/out"
    matches "$(cat "$BATS_TEST_TMPDIR/out")" '^64 bytes from .*icmp_seq=1 ttl=[0-9]+ time=' ' 3 received, 0% packet loss'
    matches "$(inside ping -c 1 -s 8000 -W 20 "$(pod_ip)")" '^8008 bytes from'
    matches "$(inside ping -c 1 -W 20 api-is-no-name 2>&1 || true)" 'not known'
}

@test "ping: many at once, from several programs" {
    ip=$(pod_ip)
    pids=()
    for i in 1 2 3 4 5; do
        inside ping -q -c 50 -i 0.01 -W 20 "$ip" >"$BATS_TEST_TMPDIR/$i" 3>&- 4>&- &
        pids+=($!)
    done
    wait "${pids[@]}"
    # on a busy machine one may be lost, as on any network
    for i in 1 2 3 4 5; do matches "$(cat "$BATS_TEST_TMPDIR/$i")" ' (4[0-9]|50) received'; done
}

@test "ping: localhost is the container's own, and an address that is nowhere is lost or unreachable" {
    matches "$(inside ping -c 1 127.0.0.1)" ' 1 received'
    lacks "$(inside ping -c 1 -W 2 10.244.255.254 2>&1 || true)" ' 1 received'
}

@test "IPv6: a pod without it says so at once" {
    equal "$(connect_to 2001:db8:7471::1 80)" ENETUNREACH
    equal "$(connect_to ::1 80)" ECONNREFUSED
}

@test "IPv6: connections, datagrams and ping reach what the pod reaches" {
    takes_root
    in_pod "$agent" sh -c "echo 0 >/proc/sys/net/ipv6/conf/lo/disable_ipv6; ip -6 addr add $far/128 dev lo"
    nsenter -t "$(far_half "$agent")" -n python3 "$lib/tcp.py" serve "$far" 7400 "$BATS_TEST_TMPDIR/served" 3>&- 4>&- &
    server=$!
    eventually 30 grep -q ready "$BATS_TEST_TMPDIR/served"
    equal "$(tcp outcome "$far" 7400)" hello
    equal "$(tcp call "$far" 7400 50 100000)" 50
    equal "$(connect_to "$far" 7401)" ECONNREFUSED
    matches "$(inside ping -c 2 -i 0.2 -W 20 "$far")" ' 2 received'
    nsenter -t "$(far_half "$agent")" -n socat "UDP6-RECVFROM:7402,bind=[$far],fork" PIPE 3>&- 4>&- &
    echo_server=$!
    answered() { [[ $(echo hello | docker exec -i "$box" socat -T 2 - "UDP6:[$far]:7402") == hello ]]; }
    eventually 30 answered
    kill "$server" "$echo_server"
}

@test "IPv6: --never-proxy takes ranges of it, with sshuttle it does not" {
    try run --engine sshuttle --never-proxy 2001:db8::/32 "$client" true
    equal "$status" 125
    matches "$err" '--engine sshuttle carries IPv4 only'
    try run --never-proxy 2001:db8::/129 "$client" true
    equal "$status" 125
    matches "$err" 'not an address range'
}
