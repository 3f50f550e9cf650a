#!/usr/bin/env bats
# --method and --engine: what is chosen, what is told of it, and what does not go together.

load lib/common

setup_file() {
    load lib/common
    user_setup api
}
teardown_file() {
    load lib/common
    user_teardown
}
teardown() { check_teardown; }

@test "the default is method container with the native engine, and status tells it" {
    name=tpt-$(tr -d _ <<<"${TPT_ID: -4}")
    tpd up "$name" --volumes off
    json=$(tpd status --format json "$name")
    matches "$(tpd status "$name")" '^method +container$' '^engine +native$'
    tpd down "$name"
    equal "$(jq -r '.method, .engine' <<<"$json")" $'container\nnative'
}

@test "--method auto takes container where a packet filter can be set, and says why" {
    try run --verbose --method auto --volumes off "$client" sh -c 'echo "$TELEPRESENCE_METHOD"; curl -sSm 10 http://api:8080/'
    equal "$status" 0
    matches "$out" '^container$' '^hello from api-'
    matches "$err" '--method auto: container, since a packet filter can be set'
}

@test "--method auto says what is missing where no packet filter can be set, and leaves nothing" {
    image=tpt-$TPT_ID-no-nft
    sidecar_image_without "$image" /usr/sbin/nft
    # inject-tcp would do, but for what it cannot have
    try run --method auto --engine native --image "$image" --swap-deployment api "$client" true
    equal "$status" 125
    matches "$err" '--method auto: a packet filter cannot be set here: .*nft' 'NET_ADMIN' '--engine: connections go through SOCKS'
    lacks "$err" 'swapped out'
}

@test "what is no method, and an engine that a method cannot have" {
    try run --method pigeon "$client" true
    equal "$status" 125
    matches "$err" '--method pigeon: it is one of container, vpn-tcp, teleproxy, inject-tcp and auto'
    try run --engine pigeon "$client" true
    equal "$status" 125
    matches "$err" '--engine pigeon: it is one of native and sshuttle'
    try run --method auto --engine pigeon "$client" true
    equal "$status" 125
    matches "$err" '--engine pigeon: it is one of native and sshuttle'
}
