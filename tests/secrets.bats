#!/usr/bin/env bats
# What must be nowhere: tokens, keys, the pod's secrets.

load lib/common

setup_file() {
    load lib/common
    user_setup web
}
teardown_file() {
    load lib/common
    user_teardown
}
teardown() { check_teardown; }

secrets() {
    jq -r '.users[0].user.token' "$TPT_KUBECONFIG"
    jq -r '.users[0].user.token' "$TPT_KUBECONFIG" | cut -d . -f 3
    echo 's3cr3t pass=word'
    echo 'secret $VALUE'
    echo 'PRIVATE KEY'
    echo 'b3BlbnNzaC1rZXktdjE' # how such a key begins
}
# no_secret WHERE - reads; fails if there is one in it.
no_secret() {
    local text
    text=$(tr '\0' ' ')
    [[ -n $text ]] || fail "nothing to look at: $1"
    if grep -qF -f <(secrets) <<<"$text"; then fail "a secret is in $1" "$(grep -nF -f <(secrets) <<<"$text" | cut -c 1-300)"; fi
}

@test "not in logs, argv, docker inspect, docker logs, files, the pod's spec and log" {
    box=$(name_of)
    session run --verbose --timings --name "$box" --swap-deployment web "$client" sh -c 'echo up; until [ -e /end ]; do sleep 0.1; done'
    while ! running "$box"; do
        cat /proc/[0-9]*/cmdline 2>/dev/null >>"$BATS_TEST_TMPDIR/argv" || true
        echo >>"$BATS_TEST_TMPDIR/argv"
        [[ -d /proc/$pid ]]
    done
    sidecar=$(sidecar_of "$box") pod=$(agent_pod)
    docker exec "$box" curl -sSm 10 http://api.default:8080/
    docker inspect "$sidecar" >"$BATS_TEST_TMPDIR/inspect"
    docker logs "$sidecar" >"$BATS_TEST_TMPDIR/docker-logs" 2>&1 || true
    json pod "$pod" >"$BATS_TEST_TMPDIR/pod"
    json deployment web >"$BATS_TEST_TMPDIR/deployment"
    k logs "$pod" -c app >"$BATS_TEST_TMPDIR/pod-logs"
    find "$TPT_STATE" "$TPT_RUN" -type f -exec cat {} + >"$BATS_TEST_TMPDIR/files"
    equal "$(find "$TPT_STATE" "$TPT_RUN" -type f -perm /077 -printf '%p ')" ''
    # shellcheck disable=SC2016
    sample() { for p in $(ours); do tr '\0' ' ' <"/proc/$p/cmdline"; done; }
    sample >>"$BATS_TEST_TMPDIR/argv"
    docker exec "$box" touch /end
    wait_end
    equal "$status" 0
    no_secret argv <"$BATS_TEST_TMPDIR/argv"
    no_secret 'docker inspect' <"$BATS_TEST_TMPDIR/inspect"
    no_secret 'docker logs' < <(echo '(docker logs)'; cat "$BATS_TEST_TMPDIR/docker-logs")
    no_secret "the pod's spec" <"$BATS_TEST_TMPDIR/pod"
    no_secret 'the deployment' <"$BATS_TEST_TMPDIR/deployment"
    no_secret "the pod's log" <"$BATS_TEST_TMPDIR/pod-logs"
    no_secret 'the state' <"$BATS_TEST_TMPDIR/files"
    no_secret 'the output' < <(cat "$pid_out" "$pid_err")
}

@test "not in error texts" {
    jq '.users[0].user.token += "x"' "$TPT_KUBECONFIG" >"$BATS_TEST_TMPDIR/config"
    TPT_KUBECONFIG=$BATS_TEST_TMPDIR/config try run --verbose "$client" true
    equal "$status" 125
    no_secret 'the error' <<<"$out$err"
    try run --verbose --swap-deployment web:nothing "$client" true
    no_secret 'the error' <<<"$out$err"
}

@test "a wrong token is never shown" {
    jq '.users[0].user.token = "a-wrong-token-0123456789"' "$TPT_KUBECONFIG" >"$BATS_TEST_TMPDIR/config"
    TPT_KUBECONFIG=$BATS_TEST_TMPDIR/config try run --verbose "$client" true
    equal "$status" 125
    lacks "$out$err" a-wrong-token
    matches "$err" '[Uu]nauthori[sz]ed|401|credentials|does not accept'
}

@test "the companion has what mounting takes and no more, and the user's container nothing of it" {
    box=$(name_of)
    session run --name "$box" "$client" sleep infinity
    until_running "$box"
    companion=$(companion_of "$box")
    host=$(docker inspect -f '{{json .HostConfig}}' "$companion")
    equal "$(jq -c '[.Privileged, .ReadonlyRootfs, (.CapDrop | sort), (.CapAdd | map(ltrimstr("CAP_")) | sort)]' <<<"$host")" \
        '[false,true,["ALL"],["DAC_OVERRIDE","SYS_ADMIN","SYS_CHROOT"]]'
    equal "$(jq -c '[.Devices[].PathOnHost]' <<<"$host")" '["/dev/fuse"]'
    equal "$(jq -c '[.Binds, .Mounts, .PidMode, .IpcMode, .UTSMode]' <<<"$host")" '[null,null,"","private",""]'
    matches "$(jq -c '.SecurityOpt' <<<"$host")" no-new-privileges
    equal "$(jq -r '.NetworkMode' <<<"$host")" "container:$(sidecar_of "$box")"
    # sshfs, which reads what the pod sends, has no capability at all, and cannot get one
    # shellcheck disable=SC2016 # for the shell in there
    status_of='for p in /proc/[0-9]*; do if [ "$(cat "$p/comm")" = sshfs ]; then grep -E "^(CapPrm|CapEff|CapAmb|NoNewPrivs):" "$p/status"; fi; done'
    equal "$(docker exec "$companion" sh -c "$status_of" | tr -d '\t' | sort -u)" \
        $'CapAmb:0000000000000000\nCapEff:0000000000000000\nCapPrm:0000000000000000\nNoNewPrivs:1'
    # the door's token is in nobody's argv or environment, nor where the engine tells it
    token=$(docker exec "$companion" cut -d ' ' -f 2 /run/tpdocker/door)
    [[ ${#token} == 32 ]]
    lacks "$(docker inspect "$companion" "$(sidecar_of "$box")" "$box")" "$token"
    lacks "$(for p in /proc/[0-9]*; do tr '\0' ' ' <"$p/cmdline"; done 2>/dev/null | grep -v -e 'grep -qE')" "$token"
    equal "$(docker exec "$companion" stat -c %a /run/tpdocker/door)" 600
    # without it the door stays shut, for the user's container that can reach it, too
    knock='import array, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.settimeout(10); s.connect("\0" + sys.argv[1]); a, b = socket.socketpair()
s.sendmsg([b"sftp " + b"0" * 32], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [b.fileno()]))]); print(s.recv(10))'
    equal "$(docker exec "$box" python3 -c "$knock" "$(docker exec "$companion" cut -d ' ' -f 1 /run/tpdocker/door)")" "b''"
    # the user's container has what docker gives any other, to the bit
    plain=$(docker run --rm --network none "$client" grep -E '^(Cap|NoNewPrivs|Seccomp)' /proc/self/status)
    equal "$(docker exec "$box" grep -E '^(Cap|NoNewPrivs|Seccomp)' /proc/self/status)" "$plain"
    user=$(docker inspect -f '{{json .HostConfig}}' "$box")
    equal "$(jq -c '[.Privileged, .CapAdd, .CapDrop, .SecurityOpt, (.Devices // [] | length), .PidMode, .Binds]' <<<"$user")" \
        '[false,null,null,null,0,"",null]'
    fails docker exec "$box" test -e /dev/fuse
    fails docker exec "$box" umount /tpdocker/root
    docker kill "$box"
    wait_end
}

@test "the sidecar has NET_ADMIN and no more than it needs" {
    box=$(name_of)
    session run --name "$box" "$client" sleep infinity
    until_running "$box"
    host=$(docker inspect -f '{{json .HostConfig}}' "$(sidecar_of "$box")")
    equal "$(jq -c '.Privileged' <<<"$host")" false
    matches "$(jq -c '.CapDrop' <<<"$host")" ALL
    matches "$(jq -c '.CapAdd' <<<"$host")" NET_ADMIN
    lacks "$(jq -c '.CapAdd' <<<"$host")" SYS_ SETPCAP DAC_READ MKNOD
    # the user's container has what docker gives it, and nothing of ours
    user=$(docker inspect -f '{{json .HostConfig}}' "$box")
    equal "$(jq -c '[.Privileged, .CapAdd, .CapDrop]' <<<"$user")" '[false,null,null]'
    fails docker exec "$box" ip link set lo down
    docker kill "$box"
    wait_end
}
