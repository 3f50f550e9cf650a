#!/usr/bin/env bats
# The pod's files when the link to the cluster stalls or breaks, and comes back.

load lib/common

token=/var/run/secrets/kubernetes.io/serviceaccount/token

setup_file() {
    load lib/common
    user_setup web
}
teardown_file() {
    load lib/common
    user_teardown
}
teardown() { check_teardown; }

start_box() {
    box=$(name_of)
    session run --name "$box" --swap-deployment web "$@" "$client" sleep infinity
    until_running "$box"
}
# seconds COMMAND... - how long it takes inside; what it said is in $said. It must fail.
failing_seconds() {
    local begin=$EPOCHREALTIME
    said=$(docker exec "$box" timeout 40 "$@" 2>&1) && fail "this should have failed: $*" "$said"
    echo "$(((${EPOCHREALTIME/[.,]/} - ${begin/[.,]/}) / 1000000)) s: $said"
    (((${EPOCHREALTIME/[.,]/} - ${begin/[.,]/}) < 15000000)) || fail "that took too long"
}
# Whatever reads does not go on for ever: it is over within 15 s, with an I/O error.
io_error() {
    failing_seconds "$@"
    matches "$said" 'Input/output error'
}
fine() { [[ $(docker exec "$box" cat /etc/web/config/greeting) == hello ]]; }

@test "a stalled link: errors within 15 s, at once after that, and all is well when it is back" {
    start_box
    docker exec "$box" sh -c 'head -c 20000000 /dev/zero >/scratch/big; ls /etc/web/config >/dev/null'
    # One that reads on and on, one that has a file open, one whose working directory it is.
    docker exec -d "$box" sh -c 'while cat /scratch/big >/dev/null; do :; done 2>/reader.err; echo "over" >>/reader.err'
    docker exec -d -w /etc/web/config "$box" sh -c 'sleep 3; until [ -e /back ]; do sleep 0.2; done; cat greeting >/standing 2>&1'
    eventually 15 docker exec "$box" pgrep -f 'cat /scratch/big'
    kill -STOP "$pid"
    io_error cat /etc/web/config/greeting
    # the reader that was under way
    eventually 15 docker exec "$box" grep -q over /reader.err
    matches "$(docker exec "$box" cat /reader.err)" 'Input/output error'
    # now that the link is known to be down, nobody waits
    begin=$EPOCHREALTIME
    for path in "$token" /etc/podinfo/labels /tpdocker/root/etc/hostname /scratch/prepared; do io_error cat "$path"; done
    io_error ls /etc/web/secret
    io_error sh -c 'echo x >/scratch/new'
    (((${EPOCHREALTIME/[.,]/} - ${begin/[.,]/}) < 10000000))
    # what is the container's own is not touched by it
    docker exec "$box" sh -c 'echo own >/tmp/x && cat /tmp/x' | grep -q own
    kill -CONT "$pid"
    eventually 30 fine
    docker exec "$box" sh -c 'touch /back; cmp -n 20000000 /scratch/big /dev/zero && cat /tpdocker/root/etc/hostname'
    standing() { [[ $(docker exec "$box" cat /standing) == hello ]]; }
    eventually 15 standing
    # read-only mounts are still read-only
    matches "$(docker exec "$box" touch /etc/web/config/x 2>&1 || true)" 'Read-only file system'
    docker kill "$box"
    wait_end
}

@test "a broken link: the same, over docker exec" {
    TPT_RUN=/proc/nothing start_box
    fine
    # ssh is killed again and again, and so never gets far
    docker exec -d "$(sidecar_of "$box")" sh -c 'until [ -e /run/tpdocker/stop ]; do for p in /proc/[0-9]*; do
        if grep -qs "^ssh" "$p/comm"; then kill -9 "${p#/proc/}"; fi; done; sleep 0.1; done'
    down() { failing_seconds cat /etc/web/config/greeting; }
    eventually 15 down
    io_error cat "$token"
    docker exec "$(sidecar_of "$box")" touch /run/tpdocker/stop
    eventually 40 fine
    docker kill "$box"
    wait_end
}

@test "many readers and writers, while the link breaks and comes back: what is said to be written is" {
    start_box
    # shellcheck disable=SC2016
    docker exec -d "$box" bash -c 'mkdir -p /scratch/many; for i in {1..8}; do (
        n=0; until [ -e /stop ]; do n=$((n + 1)); f=/scratch/many/$i-$((n % 50))
            if head -c $((n * 997 % 70000)) /dev/zero | tr "\0" "$i" >"$f.tmp" 2>/dev/null && mv "$f.tmp" "$f" 2>/dev/null; then echo "$f $((n * 997 % 70000))" >>"/log.$i"; else echo failed >>"/log.$i"; sleep 0.2; fi
        done; echo over >>"/over") & done; wait'
    eventually 60 docker exec "$box" sh -c '[ $(cat /log.* | wc -l) -gt 200 ]'
    docker exec "$(sidecar_of "$box")" sh -c 'for p in /proc/[0-9]*; do if grep -qs "^ssh$" "$p/comm"; then kill -9 "${p#/proc/}"; fi; done'
    eventually 15 docker exec "$box" sh -c 'grep -q failed /log.*'
    eventually 40 fine
    mark=$(docker exec "$box" sh -c 'cat /log.* | wc -l')
    later() { (($(docker exec "$box" sh -c 'cat /log.* | wc -l') > mark + 200)); }
    eventually 60 later
    docker exec "$box" touch /stop
    all_over() { [[ $(docker exec "$box" wc -l /over) == "8 /over" ]]; }
    eventually 40 all_over
    # The last word on each file that was not followed by a failure of the same writer is true, seen from the pod.
    # shellcheck disable=SC2016
    docker exec "$box" sh -c 'for l in /log.*; do tac $l | sed "/failed/q" | grep -v failed | awk "!seen[\$1]++"; done' >"$BATS_TEST_TMPDIR/said"
    (($(wc -l <"$BATS_TEST_TMPDIR/said") > 50))
    k exec "$(agent_pod)" -c helper -- sh -c 'cd / && wc -c scratch/many/*' | awk '{print "/" $2, $1}' >"$BATS_TEST_TMPDIR/are"
    wrong=$(grep -vxF -f "$BATS_TEST_TMPDIR/are" "$BATS_TEST_TMPDIR/said" || true)
    equal "$wrong" ''
    docker kill "$box"
    wait_end
}

@test "an agent that is deleted and made again: the volumes are those of the new pod" {
    start_box
    old=$(agent_pod)
    uid=$(json pod "$old" | jq -r .metadata.uid)
    docker exec "$box" sh -c 'echo mine >/scratch/mine'
    k delete pod "$old" --wait=false >/dev/null
    eventually 60 made_again "$old" "$uid"
    eventually 60 grep -q 'is back' "$pid_err"
    eventually 60 fine
    # an emptyDir is the pod's
    fails docker exec "$box" test -e /scratch/mine
    docker exec "$box" grep -q prepared /scratch/prepared
    docker kill "$box"
    wait_end
}
