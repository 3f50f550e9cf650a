#!/usr/bin/env bats
# The pod's volumes in the container: sshfs.

load lib/common
load lib/volumes

setup_file() {
    load lib/common
    load lib/volumes
    user_setup web
    build_images
    background --swap-deployment web "$client" sleep infinity
    export box
}
teardown_file() {
    load lib/common
    docker kill "$box" >/dev/null || true
    user_teardown
}
# Nothing is left but the file's own session.
teardown() {
    end_others
    if [[ -n ${own:-} ]]; then eventually 15 only_the_box; fi
}
only_the_box() { equal "$(our_containers | wc -l)" 3 && equal "$(docker volume ls -q --filter "label=dev.tpdocker.owner=$TPT_OWNER" | wc -l)" 1; }

# run_in OPTIONS... IMAGE COMMAND... - a session of its own, beside the box, with an agent of its own that has web's volumes.
run_in() {
    own=yes
    make_twin
    try run --swap-deployment twin "$@"
}

@test "the service account's files are at their own path, and what uses them finds itself in the pod" {
    equal "$(inside cat "$account/namespace")" "$NS"
    matches "$(inside cat "$account/ca.crt")" 'BEGIN CERTIFICATE'
    # shellcheck disable=SC2016 # for the shell in there
    who=$(sh_in 'a='"$account"'; curl -sSm 10 --cacert $a/ca.crt -H "Authorization: Bearer $(cat $a/token)" \
        https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/api/v1/namespaces/$(cat $a/namespace)/secrets')
    matches "$who" "system:serviceaccount:$NS:default"
}

@test "config map, secret, downward API, a single file: at their paths and below TELEPRESENCE_ROOT" {
    config=$(k get configmap web-config -o json)
    for key in greeting app.properties nested.json; do
        equal "$(inside cat "/etc/web/config/$key")" "$(jq -r --arg k "$key" '.data[$k]' <<<"$config")"
        equal "$(inside cat "/tpdocker/root/etc/web/config/$key")" "$(jq -r --arg k "$key" '.data[$k]' <<<"$config")"
    done
    equal "$(inside base64 -w0 /etc/web/config/blob)" "$(jq -r '.binaryData.blob' <<<"$config")"
    equal "$(inside cat /etc/web/secret/password)" 's3cr3t pass=word'
    matches "$(inside cat /etc/podinfo/labels)" 'app="web"' 'tier="front"'
    equal "$(inside cat /etc/podinfo/name)" "$(agent_pod)"
    matches "$(inside cat /etc/web/single.properties)" '^color=blue$' '^size=10$'
    equal "$(inside cat /scratch/prepared)" "$(k exec "$(agent_pod)" -c helper -- cat /scratch/prepared)"
}

@test "TELEPRESENCE_ROOT and TELEPRESENCE_MOUNTS" {
    equal "$(inside printenv TELEPRESENCE_ROOT)" /tpdocker/root
    equal "$(inside printenv TELEPRESENCE_MOUNTS | tr : '\n' | sort | paste -sd :)" \
        "/etc/podinfo:/etc/web/config:/etc/web/secret:/etc/web/single.properties:/scratch:$account"
    # the whole tree: what is there is the pod's, not this machine's
    equal "$(inside cat /tpdocker/root/etc/hostname)" "$(agent_pod)"
    # but not the agent's own files
    fails sh_in 'find /tpdocker/root/run/tpdocker /tpdocker/root/tmp -name "*key*" | grep .'
}

@test "what is written is there for the pod's other containers, and theirs here" {
    sh_in 'echo "from here" >/scratch/here && mkdir /scratch/folder && ln -s here /scratch/link && mv /scratch/link /scratch/folder/'
    pod=$(agent_pod)
    equal "$(k exec "$pod" -c helper -- cat /scratch/here)" 'from here'
    equal "$(k exec "$pod" -c helper -- readlink /scratch/folder/link)" here
    k exec "$pod" -c helper -- sh -c 'echo "from there" >/scratch/there && rm /scratch/here'
    eventually 15 inside grep -q 'from there' /scratch/there
    gone() { fails inside test -e /scratch/here; }
    eventually 15 gone
    sh_in 'rm -r /scratch/there /scratch/folder'
}

@test "read-only stays so" {
    for path in /etc/web/config /etc/web/secret /etc/podinfo "$account" /tpdocker/root/etc/web/config; do
        matches "$(sh_in "touch $path/x 2>&1" || true)" 'Read-only file system'
    done
    matches "$(sh_in 'echo x 2>&1 >>/etc/web/single.properties' 2>&1 || true)" 'Read-only file system'
    matches "$(sh_in 'mount -o remount,rw /etc/web/config 2>&1' || true)" 'permission denied|only root|must be superuser'
    inside touch /scratch/x
    inside rm /scratch/x
}

@test "links that are absolute in the pod stay in the pod" {
    k exec "$(agent_pod)" -c helper -- sh -c 'cd /scratch && echo target >target && ln -s /scratch/target near && ln -s /etc/hostname far'
    eventually 15 inside test -e /scratch/near
    equal "$(inside cat /scratch/near)" target
    equal "$(inside cat /tpdocker/root/scratch/near)" target
    equal "$(inside cat /tpdocker/root/scratch/far)" "$(agent_pod)"
    sh_in 'rm /scratch/target /scratch/near /scratch/far'
}

@test "a change of the config map is seen" {
    changed() { [[ $(inside cat /etc/web/config/greeting) == "$1" && $(inside cat /tpdocker/root/etc/web/config/greeting) == "$1" ]]; }
    k patch configmap web-config -p '{"data": {"greeting": "changed", "added": "new"}}' >/dev/null
    # The kubelet looks at a pod's volumes once a minute, and when the pod changes.
    k annotate pod "$(agent_pod)" touched=yes >/dev/null
    eventually 90 changed changed
    equal "$(inside cat /etc/web/config/added)" new
    # a file mounted by itself is not updated by Kubernetes either
    matches "$(inside cat /etc/web/single.properties)" '^color=blue$'
    k patch configmap web-config -p '{"data": {"greeting": "hello", "added": null}}' >/dev/null
}

@test "an image without a shell, and one with musl" {
    for image in scratch musl; do
        run_in "$prefix-$image" /etc/web/config/greeting "$account/namespace" /tpdocker/root/etc/web/single.properties
        equal "$status" 0
        matches "$out" 'hello|changed' "$NS" 'color=blue'
    done
}

@test "USER, a working directory that is a volume, an image's volumes and links" {
    own=yes
    run_in "$prefix-awkward" sh -c 'id -u; pwd; cat prepared; cat /real/podinfo/name; echo; cat /var/own/file; touch mine && ls -l mine | cut -d" " -f1; rm mine; cat /etc/web/secret/password'
    equal "$status" 0
    # /var/own is the image's affair alone; /scratch is the pod's although the image has a volume there
    matches "$out" '^4321$' '^/scratch$' '^prepared' '^twin-tpdocker-' '^image$' '^-rw-r--r--$' 's3cr3t'
}

@test "--read-only, --init, --cap-drop ALL, and a numeric user" {
    run_in --read-only --init --cap-drop ALL --user 1234:5678 --security-opt no-new-privileges "$client" \
        sh -c 'cat /etc/web/config/greeting; echo; touch /x /etc/web/x; grep " / " /proc/self/mountinfo | cut -d" " -f6; id -u; cat /scratch/prepared; tr "\0" " " </proc/1/cmdline'
    equal "$status" 0
    matches "$out" '^(hello|changed)$' '^ro,' '^1234$' '^prepared' 'docker-init|/sbin/init'
    matches "$err" 'touch: .*/x.*Read-only file system' 'touch: .*/etc/web/x.*Read-only file system'
}

@test "a user's own mount at the same path wins, in every spelling" {
    mkdir -p "$BATS_TEST_TMPDIR/mine"
    echo mine >"$BATS_TEST_TMPDIR/mine/file"
    from=$(docker create -v /etc/web/secret -v "$BATS_TEST_TMPDIR/mine/file:/etc/web/single.properties" "$client")
    run_in -v "$BATS_TEST_TMPDIR/mine:/etc/web/config/" --mount "type=bind,src=$BATS_TEST_TMPDIR/mine,dst=/etc/podinfo,readonly" \
        --tmpfs /run/secrets/kubernetes.io/serviceaccount --volumes-from "$from" -v "tpt-$TPT_ID-data:/scratch" "$client" sh -c '
        cat /etc/web/config/file /etc/podinfo/file /etc/web/single.properties; ls -A /etc/web/secret /scratch '"$account"'
        cat /tpdocker/root/etc/web/single.properties /tpdocker/root/etc/web/secret/password'
    docker rm -v "$from" >/dev/null
    docker volume rm "tpt-$TPT_ID-data" >/dev/null
    equal "$status" 0
    equal "$out" "$(printf '%s\n' mine mine mine /etc/web/secret: '' /scratch: '' "$account:" color=blue size=10 's3cr3t pass=word')"
}

@test "a user's mounts below the pod's stay visible" {
    mkdir -p "$BATS_TEST_TMPDIR/mine"
    echo mine >"$BATS_TEST_TMPDIR/mine/file"
    run_in -v "$BATS_TEST_TMPDIR/mine/file:/etc/web/config/greeting" -v "$BATS_TEST_TMPDIR/mine:/etc/web/config/deep/er/mine:ro" \
        -v "$BATS_TEST_TMPDIR/mine:/scratch/mine" "$client" sh -c 'cd /etc/web/config
        cat greeting deep/er/mine/file app.properties /scratch/mine/file /scratch/prepared; ls
        echo from-there >/scratch/mine/back; touch x; touch /scratch/own && echo ok; cat /tpdocker/root/etc/web/config/greeting'
    equal "$status" 0
    equal "$(sed -n '1,4p' <<<"$out")" $'mine\nmine\ncolor=blue\nsize=10'
    matches "$out" '^prepared' '^deep$' '^nested.json$' '^ok$' '^(hello|changed)$'
    matches "$err" 'touch: .*Read-only file system'
    equal "$(cat "$BATS_TEST_TMPDIR/mine/back")" from-there
}

@test "a volume that has no place in the container stops it before its entrypoint, and is named" {
    run_in "$prefix-file" sh -c 'echo never'
    equal "$status" 125
    equal "$out" ''
    matches "$err" "the pod's volume at /etc/podinfo: it is a folder in the pod, and a file here"
    run_in -d "$prefix-file" sh -c 'sleep 60'
    equal "$status" 125
    matches "$err" "the pod's volume at /etc/podinfo: it is a folder"
}

@test "a volume that the agent may not reach is named" {
    own=yes
    k_create -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata: {name: locked}
spec:
  replicas: 1
  selector: {matchLabels: {app: locked}}
  template:
    metadata: {labels: {app: locked}}
    spec:
      terminationGracePeriodSeconds: 1
      initContainers:
      - name: lock
        image: tpdocker-test-app:latest
        imagePullPolicy: IfNotPresent
        command: [sh, -c, 'mkdir -m 700 /scratch/locked']
        volumeMounts: [{name: scratch, mountPath: /scratch}]
      containers:
      - name: locked
        image: tpdocker-test-app:latest
        imagePullPolicy: IfNotPresent
        volumeMounts:
        - {name: scratch, mountPath: /scratch}
        - {name: config, mountPath: /scratch/locked/config}
      volumes:
      - {name: scratch, emptyDir: {}}
      - name: config
        configMap: {name: web-config}
YAML
    eventually 60 settled
    try run --swap-deployment locked "$client" sh -c 'echo never'
    equal "$status" 125
    equal "$out" ''
    matches "$err" "the pod's volume at /scratch/locked/config cannot be reached: Permission denied"
    try run --volumes off --swap-deployment locked "$client" sh -c 'echo fine'
    equal "$status" 0
}

@test "a container that docker starts again has its volumes again" {
    own=yes
    make_twin
    name=$(name_of again)
    tpd run -d --rm=false --restart on-failure:3 --name "$name" --swap-deployment twin "$client" sh -c '
        cat /scratch/prepared && echo run >>/root/runs && [ $(wc -l </root/runs) = 3 ] && exec sleep infinity' </dev/null >/dev/null
    third() { [[ $(docker logs "$name" | grep -c prepared) == 3 ]] && running "$name"; }
    eventually 30 third
    equal "$(docker exec "$name" cat /etc/web/secret/password)" 's3cr3t pass=word'
    docker kill "$name" >/dev/null
    kept() { equal "$(our_containers | wc -l)" 4; }
    eventually 15 kept
    # the stopped container still has the session's volume; the next run, or cleanup, sees to it
    docker rm "$name" >/dev/null
    tpd cleanup
}

@test "--volumes off" {
    own=yes
    try run --volumes off --new-deployment "off-$TPT_ID" --entrypoint /bin/sh "$client" -c "ls $account; env | grep TELEPRESENCE_; cat /proc/1/cmdline | tr '\\0' ' '; grep -c sshfs /proc/mounts"
    matches "$err" "cannot access '$account'"
    matches "$out" '^TELEPRESENCE_MOUNTS=$' '^/bin/sh -c' '(^| )0$'
    lacks "$out" TELEPRESENCE_ROOT
    lacks "$err" companion
}

@test "--volumes-root, and --volumes sshfs with a new agent over docker exec" {
    own=yes
    TPT_RUN=/proc/nothing try run --volumes sshfs --volumes-root /mnt/the/pod "$client" sh -c "printenv TELEPRESENCE_ROOT TELEPRESENCE_MOUNTS; cat $account/namespace /mnt/the/pod/etc/hostname; ls /tpdocker"
    equal "$status" 0
    matches "$out" '^/mnt/the/pod$' "^$account$" "^$NS" '^bin$'
}

@test "what cannot be is refused before anything is made" {
    own=yes
    for value in nfs '' SSHFS; do
        try run --volumes "$value" "$client" true
        equal "$status" 125
        matches "$err" 'it is one of sshfs'
    done
    for value in relative / /proc/x /tpdocker /tpdocker/bin/x /a/../b; do
        try run --volumes-root "$value" "$client" true
        equal "$status" 125
        matches "$err" "--volumes-root $value: "
    done
    docker build -q -t "$prefix-nothing" - >/dev/null 2>&1 <<<"FROM $prefix-scratch"$'\nENTRYPOINT []'
    try run "$prefix-nothing"
    equal "$status" 125
    matches "$err" "no command is given, and the image $prefix-nothing has none"
    try run --volumes-from no-such-container "$client" true
    equal "$status" 125
    matches "$err" 'volumes-from no-such-container'
    lacks "$err" 'agent pod'
}

@test "containers that join a session in the background have its volumes, each its own mounts" {
    own=yes
    make_twin
    name=s$TPT_ID
    tpd up "$name" --swap-deployment twin --volumes-root /pod </dev/null
    for user in 0 1234; do
        try run --session "$name" --user "$user" "$prefix-awkward" sh -c 'cat /etc/web/config/greeting /pod/etc/hostname /scratch/prepared; echo $TELEPRESENCE_ROOT'
        equal "$status" 0
        matches "$out" '^(hello|changed)twin-tpdocker-' '^prepared' '^/pod$'
    done
    tpd run -d --session "$name" --name "$(name_of joined)" "$client" sleep infinity </dev/null >/dev/null
    equal "$(docker exec "$(name_of joined)" cat /etc/web/secret/password)" 's3cr3t pass=word'
    try run -d --session "$name" "$prefix-file" sleep infinity
    equal "$status" 125
    matches "$err" "the pod's volume at /etc/podinfo: it is a folder"
    tpd down "$name"
    # and with a session that has none, there is no gate
    tpd up "$name" --volumes off </dev/null
    try run --session "$name" "$client" sh -c 'ls /tpdocker; echo "[$TELEPRESENCE_MOUNTS]"'
    matches "$out$err" "cannot access '/tpdocker'" '^\[\]'
    tpd down "$name"
}
