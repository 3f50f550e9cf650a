#!/usr/bin/env bats
# A person in front of a terminal.

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

# The docker CLI tells a terminal's size only a moment after the container has begun.
sized='until stty size | grep -v "^0 0"; do sleep 0.1; done\r'

@test "-it is a real terminal, of the right size, and the exit code comes back" {
    terminal --size 31x97 'expect:# $' 'send:tty\r' 'expect:/dev/pts/\d+' 'expect:# $' "send:$sized" 'expect:31 97\r\n' 'expect:# $' \
        'resize:40x120' 'send:until stty size | grep "^40"; do sleep 0.1; done\r' 'expect:40 120\r\n' 'expect:# $' \
        'send:exit 3\r' -- run -it "$client" sh
    equal "$status" 3
}

@test "Ctrl-C reaches the program, not the session" {
    # A plain shell, and a program that says when it can be interrupted: what is typed in between may be lost.
    terminal 'expect:# $' 'send:sh -c '\''trap "echo caug""ht; exit 9" INT; echo rea""dy; while :; do sleep 0.1; done'\''; echo code $?\r' \
        'expect:ready\r\n' 'send:\x03' 'expect:caught\r\n' 'expect:code 9\r\n' 'expect:# $' 'send:exit 0\r' -- run -it "$client" sh
    equal "$status" 0
}

@test "Ctrl-C ends a program that does not heed it otherwise" {
    terminal 'expect:up' 'send:\x03' -- run -it "$client" bash -c 'trap "exit 8" INT; echo up; while :; do sleep 0.1; done'
    equal "$status" 8
}

@test "Ctrl-C once, without -t" {
    terminal 'expect:up' 'send:\x03' -- run "$client" bash -c 'trap "exit 8" INT; echo up; while :; do sleep 0.1; done'
    equal "$status" 8
}

@test "Ctrl-C twice, without -t, of a program that does not heed it" {
    terminal 'expect:up' 'send:\x03' 'run:sleep 0.5' 'send:\x03' -- \
        run "$client" bash -c 'trap "" INT; trap "exit 6" TERM; echo up; while :; do sleep 0.1; done'
    equal "$status" 6
}

@test "Ctrl-C while the session begins" {
    terminal 'expect:swapped out' 'send:\x03' -- run --swap-deployment api "$client" sleep infinity
    equal "$status" 130
}

@test "Ctrl-C twice while the session begins" {
    terminal 'expect:swapped out' 'send:\x03\x03' -- run --swap-deployment api "$client" sleep infinity
    equal "$status" 130
}

@test "the terminal is closed" {
    name=$(name_of)
    terminal 'expect:# $' 'hangup:' -- run -it --name "$name" "$client" bash
    nothing_left
    fails running "$name"
}

@test "the detach keys: the container and its session live on" {
    name=$(name_of)
    terminal 'expect:# $' 'send:\x10\x11' -- run -it --name "$name" "$client" bash
    equal "$status" 0
    running "$name"
    matches "$(docker exec "$name" curl -sSm 10 http://api:8080/)" '^hello from api-'
    terminal --seconds 20 'expect:' 'send:echo again\r' 'expect:again' 'send:\x10\x11' -- version >/dev/null || true
    docker kill "$name"
}

@test "detach keys of the user's choice" {
    name=$(name_of)
    terminal 'expect:# $' 'send:\x10\x11' 'send:\x18d' -- run -it --detach-keys ctrl-x,d --name "$name" "$client" bash
    equal "$status" 0
    running "$name"
    docker kill "$name"
}

@test "colours and a full screen program arrive" {
    terminal 'expect:\x1b\[31mred' -- run -it -e TERM=xterm-256color "$client" printf '\033[31mred\033[0m\n'
    equal "$status" 0
}

@test "-t without -i" {
    terminal 'expect:/dev/pts|not a tty' -- run -t "$client" tty
    matches "$screen" 'not a tty|/dev/pts'
}

@test "-it without a terminal is refused" {
    try run -it "$client" bash
    equal "$status" 125
    matches "$err" 'not a terminal'
}
