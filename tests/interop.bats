#!/usr/bin/env bats
# Programs that people use, each with network code of its own, by way of the native engine.

load lib/common

setup_file() {
    load lib/common
    user_setup api
    k create -f - >/dev/null <<YAML
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "servers", "labels": {"app": "servers"}}, "spec": {"terminationGracePeriodSeconds": 1,
 "containers": [
    {"name": "iperf", "image": "$client", "imagePullPolicy": "IfNotPresent", "command": ["iperf3", "-s"]},
    {"name": "redis", "image": "$client", "imagePullPolicy": "IfNotPresent",
     "command": ["redis-server", "--bind", "0.0.0.0", "--protected-mode", "no", "--save", "", "--appendonly", "no", "--dir", "/tmp"]}]}}
YAML
    k create -f - >/dev/null <<'YAML'
{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "servers"}, "spec": {"selector": {"app": "servers"}, "ports": [
 {"name": "redis", "port": 6379}, {"name": "iperf", "port": 5201}, {"name": "iperf-udp", "port": 5201, "protocol": "UDP"}]}}
YAML
    background --volumes off "$client" sleep infinity
    eventually 60 serves
    service=$(json service api | jq -r .spec.clusterIP)
    export box service
}

teardown_file() {
    load lib/common
    docker kill "$box" >/dev/null
    user_teardown
}

serves() { [[ $(json pod servers | jq -r '[.status.containerStatuses[].ready] | all') == true ]] && inside redis-cli -h servers ping | grep -q PONG; }

@test "dig, host and nslookup, by UDP and TCP" {
    name=api.$NS.svc.cluster.local
    equal "$(inside dig +short "$name")" "$service"
    equal "$(inside dig +short +tcp "$name")" "$service"
    equal "$(inside dig +short +search api)" "$service"
    matches "$(inside dig +noedns "$name")" 'status: NOERROR'
    matches "$(inside host "$name")" "has address $service"
    matches "$(inside host -T "$name")" "has address $service"
    matches "$(inside nslookup api)" "Address: $service"
    matches "$(inside nslookup -type=SRV "_http._tcp.$name")" "8080 $name"
    matches "$(inside host "$service")" "domain name pointer $name"
    matches "$(inside host "no-such.$NS.svc.cluster.local" || true)" 'NXDOMAIN'
}

@test "getent, of glibc and of musl" {
    equal "$(inside getent ahostsv4 api | awk '{ print $1; exit }')" "$service"
    equal "$(inside getent hosts "$service" | awk '{ print $2 }')" "api.$NS.svc.cluster.local"
    cat >"$BATS_TEST_TMPDIR/look.c" <<'C'
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
int main(int argc, char **argv)
{
	struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *a;
	char text[64];
	int rc = getaddrinfo(argv[argc > 1], NULL, &hints, &a);
	if (rc)
		return puts(gai_strerror(rc)), 1;
	puts(inet_ntop(AF_INET, &((struct sockaddr_in *)a->ai_addr)->sin_addr, text, sizeof(text)));
}
C
    musl-gcc -static -o "$BATS_TEST_TMPDIR/look" "$BATS_TEST_TMPDIR/look.c"
    docker cp "$BATS_TEST_TMPDIR/look" "$box:/usr/local/bin/musl-look"
    equal "$(inside musl-look "api.$NS")" "$service"
    equal "$(inside musl-look api)" "$service"
    fails inside musl-look "no-such.$NS"
}

@test "curl: by name, by address, and both on a connection that is kept" {
    matches "$(inside curl -sSm 20 http://api:8080/ "http://$service:8080/")" '^hello from api-'
    equal "$(inside curl -sSm 20 -o /dev/null -w '%{http_code} %{num_connects}\n' http://api:8080/ http://api:8080/ | tail -n 1)" '200 0'
}

# (What is received is counted when the sender is done, and not what is under way then.)
@test "iperf3: TCP both ways, several streams, UDP" {
    inside timeout 60 iperf3 -c servers -n 30M -J >"$BATS_TEST_TMPDIR/up"
    jq -e '.end.sum_sent.bytes >= 30000000 and .end.sum_received.bytes > 1000000' "$BATS_TEST_TMPDIR/up"
    inside timeout 60 iperf3 -c servers -R -n 30M -P 4 -J >"$BATS_TEST_TMPDIR/down"
    jq -e '.end.sum_sent.bytes >= 30000000 and .end.sum_received.bytes > 1000000' "$BATS_TEST_TMPDIR/down"
    inside timeout 60 iperf3 -c servers -u -b 5M -t 2 -l 1200 -J >"$BATS_TEST_TMPDIR/udp"
    jq -e '.end.sum.packets > 500 and .end.sum.lost_percent < 20' "$BATS_TEST_TMPDIR/udp"
}

@test "redis: commands, a pipeline, a large value, a subscription" {
    cli() { docker exec -i "$box" redis-cli -h servers "$@"; }
    equal "$(cli set here 'and there')" OK
    equal "$(cli get here)" 'and there'
    head -c 3000000 /dev/zero | tr '\0' x | cli -x set large >/dev/null
    equal "$(cli strlen large)" 3000000
    equal "$(cli get large | tr -d '\n' | wc -c)" 3000000
    for i in $(seq 2000); do printf 'SET key%d %d\r\n' "$i" "$i"; done | cli --pipe | grep -q 'errors: 0, replies: 2000'
    docker exec "$box" timeout 60 redis-cli -h servers subscribe news >"$BATS_TEST_TMPDIR/news" 3>&- 4>&- &
    told() { cli publish news 'it is told' >/dev/null; grep -q 'it is told' "$BATS_TEST_TMPDIR/news"; }
    eventually 30 told
}
