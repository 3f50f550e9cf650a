#!/usr/bin/env bats
# Whose names are whose where the network namespace is the machine's: suffixes that its resolver puts behind them, another server for
# those of others, and a cluster whose DNS asks this machine. Alone, as serial-vpn.bats.

load lib/common

setup_file() {
    load lib/common
    if ((EUID)) || [[ -n $own_cluster ]]; then skip 'that takes root, and the cluster in the container'; fi
    user_setup api
    allow list pods,services
    allow create,get pods/exec
    # An agent whose pod asks this machine for all names, as the DNS of a local cluster does for those that it does not know.
    gateway=$(docker network inspect -f '{{(index .IPAM.Config 0).Gateway}}' tpdocker-test)
    standing_agent ".spec.template.spec += {dnsPolicy: \"None\", dnsConfig: {nameservers: [\"$gateway\"], searches: [\"$NS.svc.cluster.local\", \"svc.cluster.local\", \"cluster.local\"]}}" |
        k create -f - >/dev/null
    eventually 150 settled
    remember_workloads
    for server in 127.84.0.53 127.84.1.53 "$gateway"; do
        log=$BATS_FILE_TMPDIR/$server.log
        : >"$log"
        "$lib/names.py" "$server" "$log" 3>&- 4>&- &
        echo $! >>"$BATS_FILE_TMPDIR/names.pids"
        eventually 20 grep -q ready "$log"
    done
    export gateway
}
teardown_file() {
    load lib/common
    if [[ -z ${TPT_ID:-} ]]; then return; fi
    xargs kill <"$BATS_FILE_TMPDIR/names.pids"
    user_teardown
}
setup() {
    scope=("${cluster_ranges[@]}" --namespace "$NS")
    ip=$(json service api | jq -r .spec.clusterIP)
}
teardown() {
    if [[ -z ${BATS_TEST_COMPLETED:-} ]]; then
        cat "$TPT_STATE"/tpdocker/sessions/*.log 2>/dev/null || true
        tpd disconnect 2>&1 || true
    fi
    check_teardown && eventually 60 settled
}

# with SERVER COMMAND... - a plain process of this machine, whose resolv.conf names this server.
with() {
    printf 'nameserver %s\nsearch corp.test\noptions timeout:5 attempts:2\n' "$1" >"$BATS_FILE_TMPDIR/resolv.$1"
    unshare --mount sh -c 'mount --bind "$0" /etc/resolv.conf && exec "$@"' "$BATS_FILE_TMPDIR/resolv.$1" "${@:2}" 3>&- 4>&-
}
connect() {
    local server=$1
    shift
    { declare -p TPDOCKER; declare -f tpd_exec; } >"$BATS_TEST_TMPDIR/exec.sh"
    status=0
    with "$server" bash -c '. "$0" && tpd_exec "$@"' "$BATS_TEST_TMPDIR/exec.sh" connect "${scope[@]}" "$@" 2>"$BATS_TEST_TMPDIR/err" || status=$?
    err=$(cat "$BATS_TEST_TMPDIR/err")
    printf '%s\n' "$err"
    equal "$status" 0
}
address() { with "$1" getent ahostsv4 "$2" | awk '{ print $1; exit }'; }
ask() { docker run --rm --network host "$client" dig +tries=3 @127.84.0.53 "$@"; }
asked() { cat "$BATS_FILE_TMPDIR/$1.log"; }

@test "suffixes: those of resolv.conf, and what the marker teaches, the longest first" {
    # glibc's own way to have others than resolv.conf says
    LOCALDOMAIN='lab.corp.test elsewhere.test' connect 127.84.0.53 --verbose
    : >"$BATS_FILE_TMPDIR/127.84.0.53.log"
    for name in api "api.$NS" "api.$NS.svc" "api.$NS.svc.cluster.local"; do
        for suffix in corp.test lab.corp.test elsewhere.test; do
            equal "$(address 127.84.0.53 "$name.$suffix.")" "$ip" "$name.$suffix"
        done
    done
    lacks "$(asked 127.84.0.53)" "$NS" svc hellotelepresence
    # nobody's suffix
    fails address 127.84.0.53 "api.$NS.nowhere.test."
    # EDNS and what is beside the answer come through with the name changed
    matches "$(ask "api.$NS.corp.test")" 'EDNS: version: 0' "api\.$NS\.corp\.test\..*$ip"
    matches "$(ask AAAA "api.$NS.corp.test")" 'status: NOERROR' 'ANSWER: 0' 'IN[[:space:]]+SOA'
    tpd disconnect
}

@test "--dns-upstream is asked for what is not the cluster's, and the machine's servers are not" {
    connect 127.84.0.53 --dns-upstream 127.84.1.53
    : >"$BATS_FILE_TMPDIR/127.84.0.53.log"
    : >"$BATS_FILE_TMPDIR/127.84.1.53.log"
    equal "$(address 127.84.0.53 www.host.test)" 192.0.2.77
    equal "$(address 127.84.0.53 api)" "$ip"
    matches "$(asked 127.84.1.53)" 'www\.host\.test'
    lacks "$(asked 127.84.1.53)" "$NS"
    equal "$(asked 127.84.0.53)" ''
    tpd disconnect
    for wrong in a.name 1.2.3.4:0 1.2.3.4:x 1.2.3:53 '[::1' ''; do
        try connect "${scope[@]}" --dns-upstream "$wrong"
        equal "$status" 125
        matches "$err" '--dns-upstream .*ADDRESS'
    done
    try run --dns-upstream 1.2.3.4 "$client" true
    equal "$status" 125
    matches "$err" '--dns-upstream is for --method vpn-tcp and teleproxy'
}

@test "a cluster whose DNS asks this machine: no question goes round" {
    connect "$gateway" --deployment standing --also-proxy www.host.test
    : >"$BATS_FILE_TMPDIR/$gateway.log"
    # of the machine's own server, once or twice, and not of itself by way of the cluster
    equal "$(address "$gateway" www.host.test)" 192.0.2.77
    matches "$(asked "$gateway")" 'www\.host\.test'
    (($(asked "$gateway" | grep -c 'www\.host\.test') <= 4)) || fail "$(asked "$gateway")"
    # The pod's own server knows nothing of the cluster here: an error, and soon.
    since=$SECONDS
    fails address "$gateway" "api.$NS.svc.cluster.local."
    ((SECONDS - since < 30)) || fail 'that took too long'
    lacks "$(asked "$gateway")" 'cluster\.local'
    matches "$err" "the cluster's DNS asks this machine" 'dns-upstream'
    tpd disconnect
}
