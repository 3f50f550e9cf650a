#!/usr/bin/env bats
# The entry gate in containers of every kind, before a listener of the test's.

load lib/common

setup_file() {
    load lib/common
    owner=tpt-gate-$$ volume=tpt-gate-$$
    export owner volume
    export BATS_TEST_TIMEOUT=60
    mkdir "$BATS_FILE_TMPDIR/image"
    # What it becomes in an image that has nothing else.
    cat >"$BATS_FILE_TMPDIR/image/say.c" <<'END'
#include <stdio.h>
int main(int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		printf("%s%c", argv[i], i + 1 < argc ? ' ' : '\n');
	return 3;
}
END
    musl-gcc -static -s -o "$BATS_FILE_TMPDIR/image/say" "$BATS_FILE_TMPDIR/image/say.c"
    printf 'FROM scratch\nCOPY say /say\n' | docker build -q -t "$owner" -f - "$BATS_FILE_TMPDIR/image" >/dev/null
    # The engine fills the volume from the image as it does for a session's sidecar.
    docker run -d --rm --name "$owner" --network none -v "$volume:/tpdocker/bin" -v "$root/tests/lib:/lib.tests:ro" \
        --entrypoint sleep "$sidecar_image" infinity >/dev/null
    for answer in go wait 'fail the volume at /data: it is not there'; do
        docker exec -d "$owner" sh -c 'exec /lib.tests/gatekeeper.py "$1" "$2" >"/tmp/$1"' - "gates-${answer%% *}" "$answer"
        eventually 5 docker exec "$owner" grep -q listening "/tmp/gates-${answer%% *}"
    done
}
teardown_file() {
    docker rm -f "$owner" $(docker ps -aq --filter "ancestor=$owner") >/dev/null
    docker volume rm "$volume" >/dev/null
    docker rmi "$owner" >/dev/null
}

# gated LISTENER [OPTIONS] IMAGE COMMAND... - docker run with the gate in front; its code is $status.
gated() {
    local listener=gates-$1
    shift
    local options=() image
    while [[ $1 == -* ]]; do options+=("$1") && shift; done
    image=$1
    shift
    status=0
    out=$(docker run --rm "--network=container:$owner" "--mount=type=volume,source=$volume,target=/tpdocker/bin,readonly" \
        --entrypoint=/tpdocker/bin/gate "${options[@]}" "$image" "$listener/tag" "$@" 2>"$BATS_TEST_TMPDIR/err") || status=$?
    err=$(cat "$BATS_TEST_TMPDIR/err")
    printf '%s\n' "$out" "$err" "(status $status)"
}

@test "small, static, and in no need of anything" {
    docker run --rm --network none --entrypoint cat "$sidecar_image" /tpdocker/bin/gate >"$BATS_TEST_TMPDIR/gate"
    (($(stat -c %s "$BATS_TEST_TMPDIR/gate") < 100000))
    lacks "$(readelf -lW "$BATS_TEST_TMPDIR/gate")" INTERP DYNAMIC
}

@test "an image with nothing in it, and one with everything" {
    gated go "$owner" /say 'a b' c
    equal "$status" 3
    equal "$out" '/say a b c'
    gated go "$client" sh -c 'echo "$$ $(pwd) $*"; exit 4' - x
    equal "$status" 4
    equal "$out" '1 / x'
    matches "$(docker exec "$owner" cat /tmp/gates-go)" '^tpdocker-gate 1 tag mnt$'
}

@test "any user, --read-only, --init, --workdir, no capability" {
    gated go --user=1234:5678 "$client" sh -c 'id -u; id -g'
    equal "$out" $'1234\n5678'
    gated go --read-only --cap-drop=ALL --security-opt=no-new-privileges --user=1 "$owner" /say
    equal "$status" 3
    gated go --init --workdir=/usr/lib "$client" sh -c 'pwd; [ $$ != 1 ]'
    equal "$status" 0
    equal "$out" /usr/lib
    # a folder that the user may not enter: the engine has put it there
    gated go --user=1234 --workdir=/root "$client" sh -c 'echo here'
    equal "$out" here
}

@test "docker's exit codes for what cannot be run" {
    gated go "$client" no-such-program
    equal "$status" 127
    equal "$err" 'tpdocker: no-such-program: no such program in PATH'
    gated go "$client" /etc
    equal "$status" 126
    gated go "$client" /etc/passwd
    equal "$status" 126
    gated go "$owner" /nothing
    equal "$status" 127
}

@test "a refusal ends the container with the reason" {
    gated fail "$client" sh -c 'echo never'
    equal "$status" 125
    equal "$out" ''
    equal "$err" 'tpdocker: the volume at /data: it is not there'
}

@test "without a listener it says so" {
    gated nobody "$client" true
    equal "$status" 125
    matches "$err" 'the session that this container belongs to is over'
}

@test "as PID 1 it can be stopped while it waits" {
    for signal in TERM INT HUP USR1; do
        id=$(docker run -d "--network=container:$owner" "--mount=type=volume,source=$volume,target=/tpdocker/bin,readonly" \
            --entrypoint=/tpdocker/bin/gate "$owner" gates-wait /say)
        # until it has begun to wait, the kernel shields it; again is no harm
        ended() { docker kill --signal "$signal" "$id" >/dev/null 2>&1 || true; [[ $(docker inspect -f '{{.State.Running}}' "$id") == false ]]; }
        eventually 20 ended
        code=$(docker wait "$id")
        docker rm "$id" >/dev/null
        equal "$code" $((128 + $(kill -l "$signal")))
    done
}

@test "a container that is started again comes to the gate again" {
    id=$(docker create "--network=container:$owner" "--mount=type=volume,source=$volume,target=/tpdocker/bin,readonly" \
        --entrypoint=/tpdocker/bin/gate "$owner" gates-go /say)
    before=$(docker exec "$owner" grep -c gate /tmp/gates-go)
    for _ in 1 2; do
        docker start -a "$id" || equal $? 3
    done
    docker rm "$id" >/dev/null
    equal "$(docker exec "$owner" grep -c gate /tmp/gates-go)" $((before + 2))
}
