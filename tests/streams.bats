#!/usr/bin/env bats
# Streams and exit codes.

load lib/common

setup_file() {
    load lib/common
    user_setup
}
teardown_file() {
    load lib/common
    user_teardown
}
teardown() { check_teardown; }

@test "stdout is the container's alone, ours goes to stderr" {
    try run --verbose --timings "$client" sh -c 'echo to stdout; echo to stderr >&2'
    equal "$status" 0
    equal "$out" 'to stdout'
    matches "$err" '^to stderr$' '^tpdocker: '
}

@test "--quiet says nothing at all" {
    try run --quiet "$client" true
    equal "$status" 0
    equal "$out$err" ''
}

@test "--timings tells where the time went" {
    try run --timings "$client" true
    matches "$err" 'agent pod created' 'session ready' 'container ended' 'cluster cleaned up'
}

@test "100 MB of output arrive intact" {
    tpd run "$client" python3 -c '
import hashlib, os, sys
h, block = hashlib.sha256(), os.urandom(1 << 20)
for i in range(100):
    data = bytes([i]) + block[1:]
    h.update(data)
    sys.stdout.buffer.write(data)
sys.stderr.write(h.hexdigest())' 2>"$BATS_TEST_TMPDIR/err" </dev/null | sha256sum | cut -d ' ' -f 1 >"$BATS_TEST_TMPDIR/sum"
    equal "$(tail -n 1 "$BATS_TEST_TMPDIR/err" | grep -oE '[0-9a-f]{64}')" "$(cat "$BATS_TEST_TMPDIR/sum")"
}

@test "-i: binary data both ways, and the end of one way does not end the other" {
    head -c 20000000 /dev/urandom >"$BATS_TEST_TMPDIR/data"
    # The sum can be told only after the end of the input has been seen.
    tpd run -i "$client" sh -c 'tee /tmp/copy; sha256sum </tmp/copy >&2' \
        <"$BATS_TEST_TMPDIR/data" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err"
    cmp "$BATS_TEST_TMPDIR/data" "$BATS_TEST_TMPDIR/out"
    matches "$(cat "$BATS_TEST_TMPDIR/err")" "^$(sha256sum <"$BATS_TEST_TMPDIR/data" | cut -d ' ' -f 1)"
}

@test "-i: the input is the user's, none of it is taken before the container runs" {
    equal "$(printf 'a\nb' | tpd run -i "$client" cat 2>/dev/null)" $'a\nb'
}

@test "without -i the input is left alone" {
    equal "$(printf 'line\n' | { tpd run "$client" cat 2>/dev/null; cat; })" line
}

@test "a reader that leaves ends the session" {
    # docker itself ends with an error then, and so does the session.
    { tpd run "$client" sh -c 'while echo line; do :; done' 2>/dev/null </dev/null || echo $? >"$BATS_TEST_TMPDIR/code"; } |
        head -n 3 >"$BATS_TEST_TMPDIR/out"
    equal "$(cat "$BATS_TEST_TMPDIR/out")" $'line\nline\nline'
    [[ -s $BATS_TEST_TMPDIR/code ]]
}

@test "exit codes: the container's" {
    try run "$client" sh -c 'exit 3'
    equal "$status" 3
    try run "$client" sh -c 'exit 255'
    equal "$status" 255
}

@test "exit codes: a signal's" {
    try run --init "$client" sh -c 'kill -KILL $$'
    equal "$status" 137
    try run --init "$client" sh -c 'kill -SEGV $$'
    equal "$status" 139
}

@test "exit codes: a program that is not there, one that cannot be run" {
    try run "$client" no-such-program
    equal "$status" 127
    matches "$err" no-such-program
    nothing_left
    try run "$client" /etc/passwd
    equal "$status" 126
    matches "$err" /etc/passwd
}

@test "exit codes: what docker refuses is 125" {
    try run --memory nonsense "$client" true
    equal "$status" 125
    nothing_left
    name=$(name_of)
    docker create --name "$name" "$client" >/dev/null
    try run --name "$name" "$client" true
    docker rm "$name" >/dev/null
    equal "$status" 125
    matches "$err" "$name"
}

@test "--entrypoint, --user, --workdir, --volume, --label, --cidfile go to docker" {
    mkdir "$BATS_TEST_TMPDIR/dir"
    echo 'from the host' >"$BATS_TEST_TMPDIR/dir/file"
    try run --entrypoint sh -u 1000:1000 -w /tmp -v "$BATS_TEST_TMPDIR/dir:/data:ro" --cidfile "$BATS_TEST_TMPDIR/cid" "$client" \
        -c 'id -u; pwd; cat /data/file; touch /data/no 2>/dev/null || echo read-only'
    equal "$status" 0
    equal "$out" $'1000\n/tmp\nfrom the host\nread-only'
    matches "$(cat "$BATS_TEST_TMPDIR/cid")" '^[0-9a-f]{64}$'
}

@test "an image without a shell, and one that is not root's" {
    mkdir "$BATS_TEST_TMPDIR/build"
    printf '#include <stdio.h>\n#include <stdlib.h>\nint main(void) { return !printf("%%s\\n", getenv("TELEPRESENCE_POD")); }\n' |
        gcc -static -xc -o "$BATS_TEST_TMPDIR/build/hello" -
    printf 'FROM scratch\nCOPY hello /\nUSER 1234\nENTRYPOINT ["/hello"]\n' >"$BATS_TEST_TMPDIR/build/Dockerfile"
    docker build -q -t "tpt-$TPT_ID-scratch" "$BATS_TEST_TMPDIR/build" >/dev/null
    try run --pull=never "tpt-$TPT_ID-scratch"
    docker rmi "tpt-$TPT_ID-scratch" >/dev/null
    equal "$status" 0
    matches "$out" '^tpdocker-[a-z0-9]+$'
}
