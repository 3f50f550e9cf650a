#!/usr/bin/env bats
# --method teleproxy: the cluster's networks alone, and its names from a watch. What each session must do:
# matrix-*-teleproxy-native-*.bats.

load lib/common

setup_file() {
    load lib/common
    user_setup web api db
    allow list,watch,get services,pods
    allow list,watch endpointslices discovery.k8s.io
    start_stray
    network=tpt-$TPT_ID-net
    docker network create "$network" >/dev/null
    docker run -d --rm --name "tpt-$TPT_ID-neighbour" --network "$network" --network-alias neighbour "$client" \
        python3 -m http.server 8000 >/dev/null
    background --method teleproxy "${cluster_ranges[@]}" --volumes off --network "$network" \
        --also-proxy "$(docker inspect -f '{{(index .NetworkSettings.Networks "tpdocker-test").IPAddress}}' "$outside")/32" \
        --also-proxy www.outside.test "$client" sleep infinity
    export box network
}
teardown_file() {
    load lib/common
    docker kill "$box" >/dev/null || true
    stop_stray
    docker rm -f "tpt-$TPT_ID-neighbour" >/dev/null
    user_teardown
}

# Said by the sidecar itself, and so with the "aa" of the cluster's own DNS, though nobody was asked.
answer() { inside dig +noall +answer +tries=3 "$@"; }
lines() { awk '{print $NF}' | sort; }
ip_of() { json service "$1" | jq -r .spec.clusterIP; }

@test "Services, headless ones, endpoints, named ports, backwards" {
    zone=$NS.svc.cluster.local
    equal "$(answer "web.$zone" | lines)" "$(ip_of web)"
    equal "$(answer "db.$zone" | lines)" "$(json pods -l app=db | jq -r '.items[].status.podIP' | sort)"
    equal "$(answer "db-0.db.$zone" | lines)" "$(json pod db-0 | jq -r .status.podIP)"
    matches "$(answer SRV "_http._tcp.web.$zone")" "SRV[[:space:]]0 100 80 web\.$NS\.svc"
    equal "$(answer -x "$(ip_of web)" | lines)" "web.$zone."
    pod_ip=$(json pod db-0 | jq -r .status.podIP)
    equal "$(answer -x "$pod_ip" | lines)" "db-0.db.$zone."
    equal "$(answer "${pod_ip//./-}.$NS.pod.cluster.local" | lines)" "$pod_ip"
    matches "$(inside dig +tries=3 AAAA "web.$zone")" 'status: NOERROR' 'ANSWER: 0' 'IN[[:space:]]+SOA'
    matches "$(inside dig +tries=3 "no-such.$zone")" 'status: NXDOMAIN' 'IN[[:space:]]+SOA'
    matches "$(inside dig +tcp +tries=3 "web.$zone")" 'status: NOERROR' "$(ip_of web)"
    # by the search list, and in glibc's own way
    for name in web "web.$NS" "web.$NS.svc"; do
        equal "$(inside getent ahostsv4 "$name" | awk '{print $1; exit}')" "$(ip_of web)"
        matches "$(inside curl -sSm 20 "http://$name/")" '^hello from web-'
    done
}

@test "what the watch cannot tell, the agent does: ExternalName, other namespaces" {
    k_create service externalname elsewhere --external-name echo.other.svc.cluster.local
    there() { answer "elsewhere.$NS.svc.cluster.local" | grep -q CNAME; }
    eventually 30 there
    matches "$(inside curl -sSm 20 http://echo.other:8080/env/ROLE)" '^echo in other'
}

@test "a new Service resolves at once, one that is gone does not" {
    name=fresh-$BATS_TEST_TRY_NUMBER
    fails inside getent ahostsv4 "$name.$NS.svc.cluster.local."
    k create service clusterip "$name" --tcp 80:80 >/dev/null
    since=${EPOCHREALTIME/[.,]/}
    resolves() { inside getent ahostsv4 "$name.$NS.svc.cluster.local."; }
    eventually 30 resolves
    echo "# a new Service resolved after $(((${EPOCHREALTIME/[.,]/} - since) / 1000)) ms" >&3
    k delete service "$name" >/dev/null
    gone() { ! resolves; }
    eventually 30 gone
    # endpoints come and go, too
    before=$(answer "db.$NS.svc.cluster.local" | lines)
    pod=$(json pods -l app=db | jq -r '.items[-1].metadata.name')
    ip=$(json pod "$pod" | jq -r .status.podIP)
    k delete pod "$pod" --wait=false >/dev/null
    changed() { [[ $(answer "db.$NS.svc.cluster.local" | lines) != "$before" ]]; }
    eventually 60 changed
    lacks "$(answer "db.$NS.svc.cluster.local")" "[[:space:]]${ip//./\\.}\$"
    eventually 120 settled
}

@test "the cluster's networks are captured, nothing else is" {
    # a container of the session's network, by name and by address; one of another, by address
    matches "$(inside curl -sSm 20 http://neighbour:8000/)" 'Directory listing'
    fails stray_got '^tcp 172|^tcp 1[0-9]+\.'
    sidecar=$(sidecar_of "$box")
    docker network connect bridge "$sidecar"
    inside curl -sm 5 "http://$stray:$stray_port/" || true
    eventually 10 stray_got '^tcp '
    # a closed port of the cluster's is refused by the pod's network
    pod_ip=$(json pods -l app=api | jq -r '[.items[] | select(.metadata.deletionTimestamp | not)][0].status.podIP')
    equal "$(inside python3 -c "
import socket, errno
s = socket.socket()
print(errno.errorcode[s.connect_ex(('$pod_ip', 9))])")" ECONNREFUSED
}

@test "--also-proxy: an address, a name" {
    [[ -z $own_cluster ]] || skip 'the outside world is the test cluster'"'"'s'
    address=$(docker inspect -f '{{(index .NetworkSettings.Networks "tpdocker-test").IPAddress}}' "$outside")
    matches "$(inside curl -sSm 20 "http://$address/")" '^hello from outside'
    matches "$(inside curl -sSm 20 http://www.outside.test/)" '^hello from outside'
}

@test "while the link is down nothing of the cluster's leaves by the container's network" {
    break_link "$box"
    fails inside curl -sSm 1 http://10.96.77.77/
    again() { inside curl -sSm 5 http://web/; }
    eventually 60 again
}

@test "without the right to watch, the agent answers; --verbose says so" {
    try run --verbose --method teleproxy "${cluster_ranges[@]}" --namespace other \
        --volumes off "$client" sh -c 'getent ahostsv4 echo; curl -sSm 20 http://echo:8080/env/ROLE'
    equal "$status" 0
    matches "$out" '^echo in other'
    matches "$err" 'captured: pods 10\.244\.0\.0/16 \(given\), services 10\.96\.0\.0/12 \(given\)' 'the agent answers names in its place'
}

@test "-d: the names are kept up after the command line has returned" {
    name=$(name_of kept)
    tpd run -d --name "$name" --method teleproxy "${cluster_ranges[@]}" --volumes off "$client" sleep infinity >/dev/null
    k create service clusterip "late-$BATS_TEST_TRY_NUMBER" --tcp 80:80 >/dev/null
    late() { docker exec "$name" dig +noall +answer "late-$BATS_TEST_TRY_NUMBER.$NS.svc.cluster.local" | grep -q 'IN[[:space:]]*A'; }
    eventually 30 late
    docker kill "$name" >/dev/null
}

@test "what does not go together is refused by name" {
    try run --method teleproxy --engine sshuttle "$client" true
    equal "$status" 125
    matches "$err" '--engine sshuttle: --method teleproxy is for the native engine alone'
}
