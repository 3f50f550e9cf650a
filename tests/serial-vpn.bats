#!/usr/bin/env bats
# --method vpn-tcp: connect, disconnect, and run. Alone, since there is one such session on a machine, and it is
# in the machine's own network namespace.

load lib/common

setup_file() {
    load lib/common
    if ((EUID)) || [[ -n $own_cluster ]]; then skip 'that takes root, and the cluster in the container'; fi
    user_setup api web
    allow list pods,services
    allow create,get pods/exec
    standing_agent | k create -f - >/dev/null
    eventually 150 settled
    remember_workloads
    start_stray
    # the machine's name server, and its resolv.conf as our own processes see it
    names_log=$BATS_FILE_TMPDIR/names.log resolv=$BATS_FILE_TMPDIR/resolv.conf
    printf 'nameserver 127.84.0.53\nsearch corp.test\noptions timeout:5 attempts:2\n' >"$resolv"
    : >"$names_log"
    "$lib/names.py" 127.84.0.53 "$names_log" 3>&- 4>&- &
    echo $! >"$BATS_FILE_TMPDIR/names.pid"
    export names_log resolv
    eventually 20 grep -q ready "$names_log"
}
teardown_file() {
    load lib/common
    if [[ -z ${TPT_ID:-} ]]; then return; fi
    kill "$(cat "$BATS_FILE_TMPDIR/names.pid")"
    stop_stray
    user_teardown
}
setup() {
    scope=("${cluster_ranges[@]}")
    ip=$(json service api | jq -r .spec.clusterIP)
    pod_ip=$(json pods -l app=api | jq -r '[.items[] | select(.metadata.deletionTimestamp | not)][0].status.podIP')
}
teardown() {
    if [[ -n ${pid:-} ]]; then kill -CONT "$pid" 2>/dev/null || true; fi
    if [[ -z ${BATS_TEST_COMPLETED:-} ]]; then
        cat "$TPT_STATE"/tpdocker/sessions/*.log 2>/dev/null || true
        tpd disconnect 2>&1 || true
    fi
    docker network rm "$(name_of net)" >/dev/null 2>&1 || true
    check_teardown && eventually 30 no_rules && eventually 60 settled
}

# --------------------------------------------------------------------- tools

tables() { docker run --rm --user 0 --network host --cap-drop ALL --cap-add NET_ADMIN --entrypoint nft "$sidecar_image" list tables; }
no_rules() { ! tables 2>&1 | grep tpdocker; }

# here COMMAND... - a plain process of this machine, with its resolv.conf.
here() { unshare --mount sh -c 'mount --bind "$0" /etc/resolv.conf && exec "$@"' "$resolv" "$@" 3>&- 4>&-; }
# The same for the program itself.
htpd() { (tpd_here "$@"); }
tpd_here() {
    declare -f tpd_exec >"$BATS_TEST_TMPDIR/exec.sh"
    here bash -c '. "$0" && tpd_exec "$@"' "$BATS_TEST_TMPDIR/exec.sh" "$@"
}
export TPDOCKER

address() { here getent ahostsv4 "$1" | awk '{ print $1; exit }'; }
resolves() { [[ $(address "$1") == "$2" ]]; }
calls() { here curl -sSm 20 "http://$1/" | grep -q "${2:-^hello from api-}"; }
# in_box COMMAND... - in a container that the engine made as it makes all of them
in_box() { docker run --rm "${box_options[@]}" "$client" "$@"; }
box_options=()
box_calls() { in_box curl -sSm 20 "http://$1/" | grep -q "${2:-^hello from api-}"; }
echoes() { # HOST PORT - by UDP
    python3 -c 'import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(20)
s.connect((sys.argv[1], int(sys.argv[2])))
s.send(b"to and fro")
assert s.recv(100) == b"to and fro"' "$1" "$2"
}
refused() { # HOST PORT
    python3 -c 'import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
except ConnectionRefusedError:
    sys.exit(0)
sys.exit(1)' "$1" "$2"
}
sidecar_pid() { docker inspect -f '{{.State.Pid}}' tpdocker-vpn; }
helper_pid() { tpd status vpn --format json | jq .pid; }
not_connected() { [[ -z $(our_containers) ]]; }

# --------------------------------------------------------------------- tests

@test "processes and ordinary containers reach pods and Services, and all else stays as it is" {
    htpd connect "${scope[@]}"
    calls "$ip:8080"
    calls "$pod_ip:8080"
    calls "api.$NS.svc.cluster.local:8080"
    echoes "$ip" 7007
    refused "$pod_ip" 9
    docker run --rm --network host "$client" ping -c 1 -W 10 "$pod_ip"
    box_calls "$ip:8080"
    box_calls "$pod_ip:8080"
    # a network that was made later than the session
    docker network create "$(name_of net)" >/dev/null
    box_options=(--network "$(name_of net)")
    box_calls "$ip:8080"
    box_options=()
    # not by way of the cluster
    curl -sSm 5 "http://$stray:$stray_port/" >/dev/null
    eventually 30 stray_got "^tcp $(docker network inspect -f '{{(index .IPAM.Config 0).Gateway}}' bridge)"
    try connect "${scope[@]}"
    equal "$status" 125
    matches "$err" 'connected already' 'disconnect'
    tpd disconnect
    eventually 30 no_rules
    try disconnect
    equal "$status" 125
    matches "$err" 'not connected'
}

@test "names: the cluster's by all of their forms, the machine's own by its own servers" {
    htpd connect "${scope[@]}" --namespace "$NS"
    : >"$names_log"
    for name in api "api.$NS" "api.$NS.svc" "api.$NS.svc.cluster.local" "api.corp.test"; do
        equal "$(address "$name")" "$ip" "$name"
    done
    equal "$(here getent hosts "$ip" | awk '{ print $2 }')" "api.$NS.svc.cluster.local"
    equal "$(address www.host.test)" 192.0.2.77
    equal "$(address a.b.c.d.host.test)" 192.0.2.77
    equal "$(here python3 -c 'import socket; print(socket.gethostbyname("x.host.test"))')" 192.0.2.77
    fails address nobody.at.all.example
    # nothing of the cluster's was asked there
    lacks "$(cat "$names_log")" "$NS" svc hellotelepresence
    # an ordinary container: this is what it gets from docker where the machine's own servers are on its loopback
    box_options=(--dns 8.8.8.8)
    equal "$(in_box getent ahostsv4 "api.$NS" | awk '{ print $1; exit }')" "$ip"
    equal "$(in_box dig +short +tcp www.host.test)" 192.0.2.77
    matches "$(in_box dig +noall +answer -t SRV "_http._tcp.api.$NS.svc")" "^_http\._tcp\.api\.$NS\.svc\..*8080 api\.$NS\.svc\.cluster\.local\.\$"
    tpd disconnect
    : >"$names_log"
    fails resolves "api.$NS.svc.cluster.local" "$ip"
    matches "$(cat "$names_log")" "^udp api\.$NS\.svc\.cluster\.local\$"
    equal "$(address www.host.test)" 192.0.2.77
}

@test "--also-proxy, by address and by name; --never-proxy" {
    outside_ip=$(docker inspect -f '{{(index .NetworkSettings.Networks "tpdocker-test").IPAddress}}' "$outside")
    peer() { curl -sSm 5 "http://$outside_ip/peer" | cut -d : -f 1; }
    here_ip=$(peer)
    htpd connect "${scope[@]}" --also-proxy www.outside.test
    equal "$(address www.outside.test)" "$outside_ip"
    captured() { docker exec tpdocker-vpn nft list set ip tpdocker-vpn scope | grep -qF "$outside_ip"; }
    eventually 30 captured
    calls www.outside.test '^hello from outside'
    # who is called sees the cluster's node, and not this machine
    equal "$(peer)" "$(docker inspect -f '{{(index .NetworkSettings.Networks "tpdocker-test").IPAddress}}' "$node")"
    tpd disconnect
    htpd connect "${scope[@]}" --also-proxy www.outside.test --never-proxy "$outside_ip"
    equal "$(address www.outside.test)" "$outside_ip"
    equal "$(peer)" "$here_ip"
    tpd disconnect
    # as an address it is one of a network that this machine has, which lies within a wider range of its own: said, and done
    try connect "${scope[@]}" --also-proxy "$outside_ip"
    equal "$status" 0
    matches "$err" 'tpdocker-test.* has .* too'
    fails test "$(peer)" = "$here_ip"
    tpd disconnect
}

@test "what clashes is named before anything is made" {
    docker network create --subnet 10.244.77.0/24 "$(name_of net)" >/dev/null
    try connect "${scope[@]}"
    equal "$status" 125
    matches "$err" "the docker network $(name_of net), 10.244.77.0/24 lies in 10.244.0.0/16" '--never-proxy 10.244.77.0/24'
    equal "$(our_pods)$(our_containers)" ''
    try connect "${scope[@]}" --never-proxy 10.244.77.0/24 -- true
    equal "$status" 0
}

@test "refusals by name" {
    refuse() { # OPTIONS... -- WORDS...
        local options=()
        while [[ $1 != -- ]]; do options+=("$1") && shift; done
        try "${options[@]}"
        equal "$status" 125
        shift
        matches "$err" "$@"
        equal "$(our_pods)$(our_containers)" ''
    }
    refuse connect --method container -- 'connect is --method vpn-tcp'
    refuse connect --volumes sshfs -- '--volumes' '--method container'
    refuse connect --to-pod 8080 -- '--to-pod'
    refuse run --method vpn-tcp --container-to-host 8080 "$client" true -- '--container-to-host'
    refuse up there --method vpn-tcp -- 'no network that containers join' 'connect'
    refuse connect --pod-cidr 10.0.0.0/33 -- '--pod-cidr 10.0.0.0/33'
    refuse connect --also-proxy 'no..name' -- '--also-proxy no..name'
    refuse run --pod-cidr 10.0.0.0/8 "$client" true -- '--pod-cidr is for --method vpn-tcp and teleproxy'
    refuse connect --host tcp://127.0.0.1:1 -- "another machine's"
    refuse disconnect web -- 'takes no name'
    # with no more rights than a session needs, ranges cannot be found
    refuse connect --namespace restricted -- "the cluster's pods" '--pod-cidr CIDR'
}

@test "ranges are found, and told" {
    try connect -- true
    equal "$status" 0
    matches "$err" "captured: pods 10\.244\.[0-9.]+/[0-9]+ \(pods' addresses\), services 10\.[0-9.]+/[0-9]+ \(Services' addresses\)"
}

@test "one program: the pod's environment, its own exit code, its end is the session's" {
    try connect "${scope[@]}" --swap-deployment web -- sh -c 'echo "$TELEPRESENCE_METHOD $HOME $PLAIN"; exit 7'
    equal "$status" 7
    equal "$out" "vpn-tcp $TPT_HOME $(json deployment web | jq -r '.spec.template.spec.containers[0].env[] | select(.name == "PLAIN").value')"
    nothing_left
    try connect "${scope[@]}" -- /no/such/program
    equal "$status" 127
    nothing_left
    session connect "${scope[@]}" -- sh -c 'trap "exit 9" TERM; echo up; while :; do sleep 0.1; done'
    eventually 60 grep -q up "$pid_out"
    kill -TERM "$pid"
    wait_end 30
    equal "$status" 9
}

@test "run: a container with a network of its own, and the pod's traffic" {
    port=$(free_port) box=$(name_of)
    session run --method vpn-tcp "${scope[@]}" --swap-deployment web --name "$box" -p "127.0.0.1:$port:8080" \
        -e HTTP_PORT=8080 -e ROLE=mine tpdocker-test-app
    until_running "$box"
    published() { [[ $(curl -sSm 5 "http://127.0.0.1:$port/env/ROLE") == mine ]]; }
    eventually 20 published
    matches "$(docker inspect -f '{{.HostConfig.NetworkMode}}' "$box")" '^(default|bridge)$'
    docker kill "$box" >/dev/null
    wait_end
    equal "$status" 137
    nothing_left
    try run --method vpn-tcp "${scope[@]}" --swap-deployment web "$client" sh -c "echo \"\$PLAIN\"; curl -sSm 5 http://$ip:8080/"
    equal "$status" 0
    matches "$out" '^hello from api-' "^$(json deployment web | jq -r '.spec.template.spec.containers[0].env[] | select(.name == "PLAIN").value')\$"
}

@test "a standing agent, and sshuttle" {
    htpd connect "${scope[@]}" --deployment standing --engine sshuttle
    calls "$ip:8080"
    calls "api.$NS.svc.cluster.local:8080"
    box_calls "$pod_ip:8080"
    matches "$(tpd status vpn)" '^method +vpn-tcp$' '^engine +sshuttle$'
    tpd disconnect
    eventually 30 no_rules
    nothing_left
    try connect "${scope[@]}" --deployment standing -- curl -sSm 5 "http://$ip:8080/"
    equal "$status" 0
    matches "$out" '^hello from api-'
}

@test "the sidecar is killed, or the helper: no rule is left" {
    for engine in native sshuttle; do
        htpd connect "${scope[@]}" --engine "$engine"
        calls "$ip:8080"
        docker kill tpdocker-vpn >/dev/null
        eventually 30 no_rules
        nothing_left 30
    done
    htpd connect "${scope[@]}" --swap-deployment web
    calls "$ip:8080"
    kill -KILL "$(helper_pid)"
    eventually 30 no_rules
    nothing_left 60
}

@test "the link stands still: the machine's names go on, the cluster's go nowhere" {
    htpd connect "${scope[@]}"
    calls "$ip:8080"
    pid=$(helper_pid)
    kill -STOP "$pid"
    still() { ! here curl -sm 2 "http://$ip:8080/"; }
    eventually 60 still
    : >"$names_log"
    equal "$(address a.b.c.d.host.test)" 192.0.2.77
    fails resolves "api.$NS.svc.cluster.local" "$ip"
    lacks "$(cat "$names_log")" svc "$NS"
    refused_or_late() { ! here curl -sm 2 "http://$pod_ip:8080/"; }
    refused_or_late
    kill -CONT "$pid"
    eventually 60 calls "$ip:8080"
    resolves "api.$NS.svc.cluster.local" "$ip"
    tpd disconnect
}

@test "the agent is gone: it is made again" {
    htpd connect "${scope[@]}"
    agent=$(agent_pod)
    uid=$(json pod "$agent" | jq -r .metadata.uid)
    k delete pod "$agent" --wait=false >/dev/null
    eventually 90 made_again "$agent" "$uid"
    eventually 60 calls "$ip:8080"
    eventually 30 calls "api.$NS.svc.cluster.local:8080"
    tpd disconnect
}
