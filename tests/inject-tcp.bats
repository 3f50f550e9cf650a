#!/usr/bin/env bats
# --method inject-tcp: torsocks in the container, the agent's SOCKS server, and no NET_ADMIN anywhere.
# What each session must do: matrix-*-inject-tcp-none-*.bats.

load lib/common
load lib/volumes

setup_file() {
    load lib/common
    load lib/volumes
    user_setup web api
    build_images
    docker build -q -t "tpt-$TPT_ID-setuid" - >/dev/null <<<"FROM $client"$'\nRUN cp /bin/cat /bin/other-cat && chmod u+s /bin/other-cat && printf "#!/bin/bash\\necho script\\n" >/bin/script && chmod 755 /bin/script'
    background --method inject-tcp --volumes off "$client" sleep infinity
    export box
}
teardown_file() {
    load lib/common
    docker kill "$box" >/dev/null || true
    user_teardown
}

injected() { try run --method inject-tcp "$@"; }

@test "no NET_ADMIN, no network, and everything of the cluster's by TCP" {
    sidecar=$(sidecar_of "$box")
    equal "$(docker inspect -f '{{.HostConfig.CapAdd}} {{.HostConfig.NetworkMode}} {{.HostConfig.Privileged}}' "$sidecar")" '[] none false'
    equal "$(docker inspect -f '{{.HostConfig.CapAdd}} {{.HostConfig.Privileged}}' "$box")" '[] false'
    # by each form of its name, and by address
    ip=$(json service web | jq -r .spec.clusterIP)
    for host in web "web.$NS" "web.$NS.svc" "web.$NS.svc.cluster.local" "web.$NS.svc.cluster.local." "$ip"; do
        matches "$(inside curl -sSm 20 "http://$host/")" '^hello from web-'
    done
    pod_ip=$(json pods -l app=api | jq -r '.items[0].status.podIP')
    matches "$(inside curl -sSm 20 "http://$pod_ip:8080/")" '^hello from api-'
    # what is not injected has no way out, not even by the engine's network
    fails inside env LD_PRELOAD= curl -sSm 5 "http://$pod_ip:8080/"
    fails inside env LD_PRELOAD= curl -sSm 5 "http://$(docker network inspect -f '{{(index .IPAM.Config 0).Gateway}}' bridge):1/"
}

@test "names: getent, gethostbyname, dig, nslookup, backwards" {
    ip=$(json service web | jq -r .spec.clusterIP)
    equal "$(inside getent hosts web | awk '{print $1}')" "$ip"
    matches "$(inside getent ahosts "web.$NS")" "^$ip +STREAM"
    equal "$(inside dig +short +tries=3 "web.$NS.svc.cluster.local")" "$ip"
    equal "$(inside dig +short +tcp +tries=3 "web.$NS.svc.cluster.local")" "$ip"
    matches "$(inside nslookup web)" "$ip"
    matches "$(inside dig +short +tries=3 SRV "_http._tcp.web.$NS.svc.cluster.local")" "web\.$NS\.svc\.cluster\.local\.$"
    matches "$(inside getent hosts "$ip")" "web\.$NS\.svc\.cluster\.local"
    equal "$(inside python3 -c 'import socket; print(socket.gethostbyname_ex("web")[2])')" "['$ip']"
    fails inside getent hosts no-such-thing
    fails inside curl -sSm 20 http://no-such-thing/
}

@test "a closed port is refused, UDP is, and programs of the container talk to each other" {
    pod_ip=$(json pods -l app=api | jq -r '.items[0].status.podIP')
    equal "$(inside python3 -c "
import socket, errno
s = socket.socket()
print(errno.errorcode[s.connect_ex(('$pod_ip', 9))])")" ECONNREFUSED
    equal "$(inside python3 -c "
import socket, errno
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
try:
    s.sendto(b'x', ('$pod_ip', 9))
except OSError as e:
    print(errno.errorcode[e.errno])")" EPERM
    equal "$(inside python3 -c "
import socket
a = socket.create_server(('127.0.0.1', 0))
b = socket.create_connection(a.getsockname())
c, _ = a.accept()
b.sendall(b'hello')
print(c.recv(5).decode())")" hello
}

@test "programs that cannot be served are refused with the reason, and what would do" {
    injected --volumes off "tpt-$TPT_ID-scratch"
    equal "$status" 125
    matches "$err" '/look: --method inject-tcp cannot serve it: it is statically linked; --method container can'
    injected --volumes off "tpt-$TPT_ID-musl"
    equal "$status" 125
    matches "$err" 'look: --method inject-tcp cannot serve it: its C library is not glibc'
    # with volumes as well
    injected "tpt-$TPT_ID-scratch"
    equal "$status" 125
    matches "$err" 'it is statically linked'
    injected --volumes off -u 4321 "tpt-$TPT_ID-setuid" /bin/other-cat /etc/hostname
    equal "$status" 125
    matches "$err" 'it runs as another user'
    injected --volumes off "tpt-$TPT_ID-setuid" script
    equal "$status" 0
    equal "$out" script
}

@test "what does not go together is refused by name, before anything is made" {
    for flags in '--engine native' '--never-proxy 10.1.2.3' '--also-proxy 10.1.2.3' '--network somewhere' '--dns 10.1.2.3' '--add-host a:10.1.2.3'; do
        # shellcheck disable=SC2086 # words
        injected $flags --swap-deployment web "$client" true
        equal "$status" 125
        matches "$err" "${flags%% *}: .*with --method inject-tcp" '--method container can do that'
    done
    try up --method inject-tcp --gate somewhere other
    equal "$status" 125
    matches "$err" 'for containers that tpdocker makes itself'
    equal "$(json deployment web | jq .spec.replicas)" 2
}

@test "LD_PRELOAD of the user's stands behind ours" {
    injected --volumes off -e LD_PRELOAD=libm.so.6 "$client" sh -c 'echo "$LD_PRELOAD"; curl -sSm 20 http://web/'
    equal "$status" 0
    matches "$out" '/libtpdocker-inject\.so:.*/libtorsocks\.so:libm\.so\.6$' '^hello from web-'
    echo LD_PRELOAD=libm.so.6 >"$BATS_TEST_TMPDIR/env"
    injected --volumes off --env-file "$BATS_TEST_TMPDIR/env" "$client" true
    equal "$status" 125
    matches "$err" 'give LD_PRELOAD with -e'
}

@test "IPv6 on the pod's loopback, a name with many addresses, a large transfer both ways" {
    matches "$(sh_in 'head -c 50000000 /dev/zero | curl -sSm 60 --data-binary @- http://web/ | head -c 5')" .
    equal "$(inside python3 -c "
import socket
s = socket.socket(socket.AF_INET6)
s.settimeout(20)
print(s.connect_ex(('fd00::1', 80)) != 0)")" True
}

@test "a session that is joined, and its ports" {
    name=inj$(tr -dc a-z0-9 <<<"${TPT_ID: -4}")
    port=$(free_port)
    tpd up "$name" --method inject-tcp --volumes off -p "127.0.0.1:$port:8090"
    matches "$(tpd status "$name")" '^method +inject-tcp$' '^engine +none$'
    try run --session "$name" "$client" curl -sSm 20 http://web/
    equal "$status" 0
    matches "$out" '^hello from web-'
    ctr=$(name_of server)
    tpd run -d --session "$name" --name "$ctr" "$client" python3 -m http.server 8090 >/dev/null
    answers() { curl -sSm 5 "http://127.0.0.1:$port/etc/hostname"; }
    eventually 30 answers
    tpd down "$name"
}

@test "the link breaks, and is back: names and connections are there again" {
    break_link "$box"
    again() { inside curl -sSm 20 http://web/; }
    eventually 60 again
    matches "$(inside getent hosts web)" web
}

@test "--method auto takes it where no packet filter can be set, and says why" {
    image=tpt-$TPT_ID-no-nft
    sidecar_image_without "$image" /usr/sbin/nft
    "$root/tests/cluster/load" "$image" >/dev/null
    try run --verbose --method auto --image "$image" --volumes off "$client" sh -c 'echo "$TELEPRESENCE_METHOD"; curl -sSm 20 http://web/'
    equal "$status" 0
    matches "$out" '^inject-tcp$' '^hello from web-'
    matches "$err" '--method auto: inject-tcp, since a packet filter cannot be set here: .*nft'
}
