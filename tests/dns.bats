#!/usr/bin/env bats
# Names: every type that the cluster answers, as a pod sees it.

load lib/common

setup_file() {
    load lib/common
    user_setup db api
    background "$client" sleep infinity
    export box
}

teardown_file() {
    load lib/common
    docker stop -t 0 "$box" >/dev/null
    as_before
    user_teardown
}

dig() { inside dig +time=5 +tries=2 "$@"; }
cluster_ip() { admin get service -n "$1" "$2" -o json | jq -r .spec.clusterIP; }
pod_ips() { json pods -l "app=$1" | jq -r '.items[] | select(.metadata.deletionTimestamp | not) | .status.podIP' | sort; }

@test "a Service by each of its names, with getaddrinfo" {
    ip=$(cluster_ip "$NS" api)
    for name in api "api.$NS" "api.$NS.svc" "api.$NS.svc.cluster.local" "api.$NS.svc.cluster.local."; do
        equal "$(inside getent ahostsv4 "$name" | awk '{ print $1; exit }')" "$ip" "$name"
    done
    equal "$(inside getent ahostsv4 echo.other | awk '{ print $1; exit }')" "$(cluster_ip other echo)"
}

@test "a Service by each of its names, with HTTP" {
    for name in api "api.$NS" "api.$NS.svc.cluster.local"; do
        matches "$(inside curl -sSm 10 "http://$name:8080/")" '^hello from api-'
    done
    matches "$(inside curl -sSm 10 http://echo.other:8080/env/ROLE)" '^echo in other'
}

@test "the search list works for a bare name with a plain resolver" {
    equal "$(dig +search +short api)" "$(cluster_ip "$NS" api)"
}

@test "a headless Service gives its pods' addresses, and each pod has a name" {
    equal "$(dig +short "db.$NS.svc.cluster.local" | sort)" "$(pod_ips db)"
    equal "$(dig +short "db-0.db.$NS.svc.cluster.local")" "$(json pod db-0 | jq -r .status.podIP)"
    matches "$(inside curl -sSm 10 http://db-1.db:8080/)" '^hello from db-1'
}

@test "SRV" {
    matches "$(dig +short -t SRV "_http._tcp.api.$NS.svc.cluster.local")" "^0 [0-9]+ 8080 api\.$NS\.svc\.cluster\.local\.\$"
    matches "$(dig +short -t SRV "_sql._tcp.db.$NS.svc.cluster.local")" "^0 [0-9]+ 8080 db-0\.db\.$NS" "^0 [0-9]+ 8080 db-1\.db\.$NS"
    matches "$(dig +short -t SRV "_echo-udp._udp.api.$NS.svc.cluster.local")" ' 7007 api'
}

@test "PTR of Services and pods" {
    equal "$(dig +short -x "$(cluster_ip "$NS" api)")" "api.$NS.svc.cluster.local."
    equal "$(dig +short -x "$(json pod db-0 | jq -r .status.podIP)")" "db-0.db.$NS.svc.cluster.local."
    matches "$(inside getent hosts "$(cluster_ip "$NS" api)")" "api\.$NS\.svc\.cluster\.local"
}

@test "a name that does not exist fails at once" {
    local before=${EPOCHREALTIME/[.,]/}
    matches "$(dig "no-such-service.$NS.svc.cluster.local")" 'status: NXDOMAIN'
    matches "$(dig no-such.outside.test)" 'status: NXDOMAIN'
    fails inside getent hosts no-such-service
    fails inside getent hosts no-such.outside.test
    ((${EPOCHREALTIME/[.,]/} - before < 5000000)) || fail 'that took too long'
}

@test "a name without records of the type asked for is no error" {
    text=$(dig -t AAAA "api.$NS.svc.cluster.local")
    matches "$text" 'status: NOERROR' 'ANSWER: 0'
}

@test "a Service that is another name for one outside" {
    needs_node
    text=$(dig external.default.svc.cluster.local)
    matches "$text" 'CNAME\s+www\.outside\.test\.'
    matches "$(inside curl -sSm 10 http://external.default/)" '^hello from outside'
}

@test "names outside: A, AAAA, MX, TXT, CNAME, SRV, NS, SOA, PTR" {
    needs_node
    local address
    address=$(docker inspect -f '{{(index .NetworkSettings.Networks "tpdocker-test").IPAddress}}' "$outside")
    equal "$(dig +short www.outside.test)" "$address"
    equal "$(dig +short -t AAAA www.outside.test)" 2001:db8::80
    equal "$(dig +short -t MX outside.test | sort)" $'10 mail.outside.test.\n20 mail2.outside.test.'
    equal "$(dig +short -t TXT outside.test)" '"v=spf1 -all" "second string; with a semicolon"'
    equal "$(dig +short chain.outside.test)" $'alias.outside.test.\nwww.outside.test.\n'"$address"
    equal "$(dig +short -t SRV _echo._tcp.outside.test)" '10 5 7 www.outside.test.'
    equal "$(dig +short -t NS outside.test)" ns.outside.test.
    matches "$(dig +short -t SOA outside.test)" '^ns.outside.test. hostmaster.outside.test. 1 '
    equal "$(dig +short -x "$address")" www.outside.test.
    equal "$(dig +short many.outside.test | sort)" $'192.0.2.1\n192.0.2.2\n192.0.2.3'
}

@test "an answer that no UDP message holds, and a question over TCP" {
    needs_node
    equal "$(dig +short -t TXT big.outside.test | tr -d '" \n' | wc -c)" 2400
    matches "$(dig +notcp +ignore +bufsize=512 -t TXT big.outside.test)" 'flags:[a-z ]* tc'
    equal "$(dig +tcp +short -t AAAA v6.outside.test)" 2001:db8::6
}

@test "many questions at the same time" {
    text=$(sh_in 'for i in $(seq 50); do dig +time=5 +tries=2 +short api.'"$NS"'.svc.cluster.local & done; wait')
    equal "$(sort <<<"$text" | uniq -c | awk '{ print $1, $2 }')" "50 $(cluster_ip "$NS" api)"
}

@test "a Service without pods has a name too" {
    equal "$(dig +short nobody.default.svc.cluster.local)" "$(cluster_ip default nobody)"
}
