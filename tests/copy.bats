#!/usr/bin/env bats
# The pod's volumes in the container: copies of them.

load lib/common
load lib/volumes

setup_file() {
    load lib/common
    load lib/volumes
    user_setup web
    build_images
    background --volumes copy --swap-deployment web "$client" sleep infinity
    export box
}
teardown_file() {
    load lib/common
    docker kill "$box" >/dev/null || true
    user_teardown
}
# Nothing is left but the file's own session: a container, and no more than the sidecar beside it.
teardown() {
    if [[ -n ${pid:-} ]]; then kill -KILL "$pid" 2>/dev/null || true; fi
    end_others
    if [[ -n ${own:-} ]]; then eventually 15 only_the_box; fi
}
only_the_box() {
    equal "$(our_containers | wc -l)" 2
    equal "$(docker volume ls -q --filter "label=dev.tpdocker.owner=$TPT_OWNER" | wc -l)" 1
    equal "$(our_pods | wc -l)" 1
}

# run_in OPTIONS... IMAGE COMMAND... - a session of its own with a copy of web's volumes.
run_in() {
    own=yes
    make_twin
    try run --volumes copy --swap-deployment twin "$@"
}

# workload NAME SCRIPT [CONTAINER] - a workload whose init container, root, runs SCRIPT with an emptyDir at /data, which its
# container has as well; CONTAINER: more of that, JSON.
workload() {
    jq -n --arg name "$1" --arg script "$2" --argjson more "${3:-{\}}" '{kind: "Deployment", apiVersion: "apps/v1", metadata: {name: $name},
        spec: {replicas: 1, selector: {matchLabels: {app: $name}}, template: {metadata: {labels: {app: $name}}, spec: {
        terminationGracePeriodSeconds: 1, automountServiceAccountToken: false, volumes: [{name: "data", emptyDir: {}}],
        initContainers: [{name: "init", image: "tpdocker-test-app:latest", imagePullPolicy: "IfNotPresent", command: ["sh", "-c", $script],
            securityContext: {runAsUser: 0}, volumeMounts: [{name: "data", mountPath: "/data"}]}],
        containers: [{name: "main", image: "tpdocker-test-app:latest", imagePullPolicy: "IfNotPresent",
            volumeMounts: [{name: "data", mountPath: "/data"}]} + $more]}}}}' | k apply -f - >/dev/null
    eventually 90 settled
}

# -------------------------------------------------------------- the copies

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
    for root in '' /tpdocker/root; do
        for key in greeting app.properties nested.json; do
            equal "$(inside cat "$root/etc/web/config/$key")" "$(jq -r --arg k "$key" '.data[$k]' <<<"$config")"
        done
        equal "$(inside base64 -w0 $root/etc/web/config/blob)" "$(jq -r '.binaryData.blob' <<<"$config")"
        equal "$(inside cat $root/etc/web/secret/password)" 's3cr3t pass=word'
        matches "$(inside cat $root/etc/podinfo/labels)" 'app="web"' 'tier="front"'
        equal "$(inside cat $root/etc/podinfo/name)" "$(agent_pod)"
        matches "$(inside cat $root/etc/web/single.properties)" '^color=blue$' '^size=10$'
        equal "$(inside cat $root/scratch/prepared)" prepared
        equal "$(inside cat "$root$account/namespace")" "$NS"
    done
}

@test "modes, times and links are the pod's" {
    # shellcheck disable=SC2016 # for the shells in there
    list='cd / && find etc/web/config etc/web/secret etc/podinfo scratch var/run/secrets/kubernetes.io/serviceaccount ! -type d -printf "%p %y %#m %l %T@\n" | sed "s/\.[0-9]*$//" | sort'
    theirs=$(k exec "$(agent_pod)" -c app -- sh -c "$list")
    matches "$theirs" '^etc/web/config/greeting l .* \.\.data/greeting' '^etc/web/secret/\.\..*/password f 0?440'
    equal "$(sh_in "$list")" "$theirs"
    equal "$(sh_in 'stat -c "%a %F" /scratch /etc/web/config')" "$(k exec "$(agent_pod)" -c app -- stat -c '%a %F' /scratch /etc/web/config)"
}

@test "TELEPRESENCE_ROOT and TELEPRESENCE_MOUNTS" {
    equal "$(inside printenv TELEPRESENCE_ROOT)" /tpdocker/root
    equal "$(inside printenv TELEPRESENCE_MOUNTS | tr : '\n' | sort | paste -sd :)" \
        "/etc/podinfo:/etc/web/config:/etc/web/secret:/etc/web/single.properties:/scratch:$account"
    fails inside test -e /run/tpdocker
}

@test "nothing is mounted, and the container has no more rights than it would have had" {
    equal "$(docker inspect --format '{{range .Mounts}}{{.Destination}} {{.RW}} {{end}}' "$box")" '/tpdocker/bin false '
    plain=$(docker create "$client" true)
    format='{{.HostConfig.CapAdd}} {{.HostConfig.CapDrop}} {{.HostConfig.Privileged}} {{.HostConfig.Devices}} {{.HostConfig.SecurityOpt}}'
    equal "$(docker inspect --format "$format" "$box")" "$(docker inspect --format "$format" "$plain")"
    docker rm "$plain" >/dev/null
    equal "$(our_containers | wc -l)" 2
    lacks "$(docker inspect --format '{{json .HostConfig}}' "$(sidecar_of "$box")")" SYS_ADMIN fuse
}

@test "it is a copy: what changes in the cluster is not seen, and what is written here stays here" {
    pod=$(agent_pod)
    k exec "$pod" -c helper -- sh -c 'echo new >/scratch/new'
    fails inside test -e /scratch/new
    sh_in 'echo here >/scratch/here'
    fails k exec "$pod" -c helper -- test -e /scratch/here
}

# ----------------------------------------------------------------- images

@test "an image without a shell, and one with musl" {
    for image in scratch musl; do
        run_in "$prefix-$image" /etc/web/config/greeting "$account/namespace" /tpdocker/root/etc/web/single.properties
        equal "$status" 0
        matches "$out" 'hello' "$NS" 'color=blue'
    done
}

@test "USER, a working directory that is a volume, an image's volumes and links" {
    run_in "$prefix-awkward" sh -c 'id -u; pwd; cat prepared; cat /real/podinfo/name; echo; cat /tpdocker/root/etc/podinfo/name; echo; readlink /etc/podinfo
        cat /var/own/file; touch mine && ls -l mine | cut -d" " -f1; cat /etc/web/secret/password'
    equal "$status" 0
    # /etc/podinfo is a link in the image, and stays one; /var/own is the image's affair alone; /scratch is a volume of the image's
    matches "$out" '^4321$' '^/scratch$' '^prepared' '^twin-tpdocker-' '^/real/podinfo$' '^image$' '^-rw-r--r--$' 's3cr3t'
}

@test "who the agent is there, the container's user is here" {
    workload mine 'umask 077; cd /data; echo "the user" >user; chown 1000:1 user; echo "the group" >group; chgrp 2000 group; chmod 640 group
        echo "all" >all; chmod 644 all; echo "none of them" >none' \
        '{"securityContext": {"runAsUser": 1000, "runAsGroup": 2000}}'
    own=yes
    try run --volumes copy --swap-deployment mine "$prefix-awkward" sh -c 'cd /data; cat user group all; ls; touch all; ls -n user group all | tr -s " " | cut -d" " -f1,3,4'
    equal "$status" 0
    equal "$out" "$(printf '%s\n' 'the user' 'the group' all all group user '-rw-r--r-- 0 0' '-rw-r----- 0 4321' '-rw------- 4321 1')"
    matches "$err" 'not copied: /data/none: permission denied' 'touch: .*Permission denied'
}

@test "file names are bytes; what is no file, folder or link is passed over" {
    workload odd 'cd /data; mkdir -p "a b/c" .hidden; echo 1 >"$(printf "a b/c/n\nl \303\274 \377 \047\042")"; ln -s "../no where" .hidden/link
        echo 2 >"a b/c/$(printf %0200d 0)"; mkfifo pipe; : >empty
        chmod 777 . "a b" "a b/c" .hidden' '{}'
    own=yes
    # shellcheck disable=SC2016
    try run --volumes copy --swap-deployment odd "$client" sh -c 'cd /data; find . ! -type d -printf "%p|%y|%l|%s\0" | sort -z | base64 -w0; cat a*/c/n*; cat /tpdocker/root/data/a*/c/0*'
    equal "$status" 0
    equal "$(head -n 1 <<<"$out" | sed 's/1$//' | base64 -d | tr '\0' '@')" \
        "$(printf './.hidden/link|l|../no where|11@./a b/c/%0200d|f||2@./a b/c/n\nl \303\274 \377 \047\042|f||2@./empty|f||0@' 0)"
    matches "$err" 'not copied: /data/pipe: a named pipe'
    matches "$out" '1$' '^2$'
}

# ----------------------------------------------------- the user's own mounts

@test "a user's own mount at the same path wins, in every spelling; the copy is below TELEPRESENCE_ROOT" {
    mkdir -p "$BATS_TEST_TMPDIR/mine"
    echo mine >"$BATS_TEST_TMPDIR/mine/file"
    from=$(docker create -v /etc/web/secret -v "$BATS_TEST_TMPDIR/mine/file:/etc/web/single.properties" "$client")
    run_in -v "$BATS_TEST_TMPDIR/mine:/etc/web/config/" --mount "type=bind,src=$BATS_TEST_TMPDIR/mine,dst=/etc/podinfo,readonly" \
        --tmpfs /run/secrets/kubernetes.io/serviceaccount --volumes-from "$from" -v "tpt-$TPT_ID-data:/scratch" "$client" sh -c '
        cat /etc/web/config/file /etc/podinfo/file /etc/web/single.properties; ls -A /etc/web/secret /scratch '"$account"'
        cd /tpdocker/root; cat etc/web/single.properties etc/web/secret/password etc/web/config/greeting scratch/prepared; ls var/run/secrets/kubernetes.io/serviceaccount'
    docker rm -v "$from" >/dev/null
    docker volume rm "tpt-$TPT_ID-data" >/dev/null
    equal "$status" 0
    equal "$out" "$(printf '%s\n' mine mine mine /etc/web/secret: '' /scratch: '' "$account:" color=blue size=10 's3cr3t pass=wordhelloprepared' ca.crt namespace token)"
    equal "$(ls -A "$BATS_TEST_TMPDIR/mine")" file
}

@test "a user's mounts below the pod's stay, and nothing is copied into them" {
    mkdir -p "$BATS_TEST_TMPDIR/mine"
    echo mine >"$BATS_TEST_TMPDIR/mine/file"
    run_in -v "$BATS_TEST_TMPDIR/mine/file:/etc/web/config/greeting" -v "$BATS_TEST_TMPDIR/mine:/scratch/mine" "$client" sh -c \
        'cat /etc/web/config/greeting /etc/web/config/app.properties /scratch/mine/file /scratch/prepared'
    equal "$status" 0
    equal "$out" "$(printf '%s\n' mine color=blue size=10 mine prepared)"
    equal "$(cat "$BATS_TEST_TMPDIR/mine/file")" mine
}

@test "a copy that would end up in the user's own mount is refused before the container" {
    mkdir -p "$BATS_TEST_TMPDIR/mine"
    for options in "-v $BATS_TEST_TMPDIR/mine:/etc/web" '--tmpfs /etc'; do
        # shellcheck disable=SC2086
        run_in $options "$client" sh -c 'echo never'
        equal "$status" 125
        equal "$out" ''
        matches "$err" "the pod's volume /etc/podinfo|/etc/web/config would have to be copied into /etc" 'sshfs or off'
    done
    # where only a link of the image's leads there, it shows later
    run_in -v "$BATS_TEST_TMPDIR/mine:/run/secrets" "$client" sh -c 'echo never'
    equal "$status" 125
    equal "$out" ''
    matches "$err" "the pod's volume $account cannot be copied: .*/run/secrets, which is a mount of yours"
    equal "$(ls -A "$BATS_TEST_TMPDIR/mine")" ''
    own_root=$BATS_TEST_TMPDIR/mine
    run_in -v "$own_root:/tpdocker/root" "$client" sh -c 'echo never'
    equal "$status" 125
    matches "$err" 'TELEPRESENCE_ROOT.*a mount of yours'
    equal "$(ls -A "$own_root")" ''
}

# ------------------------------------------------------------ what cannot be

@test "what cannot be written stops it before the entrypoint, and is named" {
    run_in "$prefix-file" sh -c 'echo never'
    equal "$status" 125
    equal "$out" ''
    matches "$err" "the pod's volume /etc/podinfo cannot be copied: in the container /etc/podinfo is a file"
    run_in --read-only "$client" sh -c 'echo never'
    equal "$status" 125
    equal "$out" ''
    matches "$err" "the pod's volume /etc/podinfo cannot be copied: .*read-only"
    # with -d, too, and no container of ours is left
    run_in -d "$prefix-file" sh -c 'sleep 60'
    equal "$status" 125
    matches "$err" "the pod's volume /etc/podinfo cannot be copied"
}

@test "too much is refused before the container, with sizes and what to do" {
    workload large 'cd /data; head -c 3000000 /dev/zero >a; head -c 70000000 /dev/zero >b' '{}'
    own=yes
    try run --volumes copy --swap-deployment large "$client" sh -c 'echo never'
    equal "$status" 125
    equal "$out" ''
    matches "$err" 'larger than 64 MiB, which is what --volumes copy may copy: more than 6[0-9.]* MiB /data' '--volumes-limit 1g' '--volumes sshfs'
    equal "$(docker ps -aq --filter "label=dev.tpdocker.owner=$TPT_OWNER" --filter label=dev.tpdocker.role=user | wc -l)" 1
    try run --volumes copy --volumes-limit 2m --swap-deployment large "$client" sh -c 'echo never'
    equal "$status" 125
    matches "$err" 'larger than 2 MiB'
    try run --volumes copy --volumes-limit 100m --swap-deployment large "$client" sh -c 'cat /data/a /data/b | wc -c'
    equal "$status" 0
    equal "$out" 73000000
}

@test "values that are none are refused before anything is made" {
    own=yes
    for value in '' x 0 64q -1; do
        try run --volumes copy --volumes-limit "$value" "$client" true
        equal "$status" 125
        matches "$err" "--volumes-limit $value: not a size"
    done
    try run --volumes-limit 1g "$client" true
    equal "$status" 125
    matches "$err" '--volumes-limit is for --volumes copy'
    try run --volumes nfs "$client" true
    equal "$status" 125
    matches "$err" '--volumes nfs: it is one of sshfs, copy and off'
}

# -------------------------------------------------- agents, links and ends

@test "a new agent; over docker exec; another root" {
    own=yes
    TPT_RUN=/proc/nothing try run --volumes copy --volumes-root /mnt/the/pod "$client" sh -c "printenv TELEPRESENCE_ROOT TELEPRESENCE_MOUNTS; cat $account/namespace /mnt/the/pod$account/namespace; ls /tpdocker"
    equal "$status" 0
    matches "$out" '^/mnt/the/pod$' "^$account$" "^$NS$NS" 'bin$'
}

@test "a standing agent" {
    standing_agent '.spec.template.spec |= (.containers[0].volumeMounts += [{name: "config", mountPath: "/etc/config"}]
        | .volumes += [{name: "config", configMap: {name: "web-config"}}])' | k_create -f -
    eventually 90 settled
    allow list pods
    allow create,get pods/exec
    own=yes
    try run --volumes copy --deployment standing "$client" sh -c "cat /etc/config/greeting; echo; cat $account/namespace; ls -A /run"
    equal "$status" 0
    matches "$out" '^hello$' "^$NS"
    lacks "$out" tpdocker
    k delete deployment standing >/dev/null
    eventually 30 settled
}

@test "a container that docker starts again has its copies still" {
    own=yes
    make_twin
    name=$(name_of again)
    # shellcheck disable=SC2016
    tpd run -d --volumes copy --rm=false --restart on-failure:3 --name "$name" --swap-deployment twin "$client" sh -c '
        cat /scratch/prepared && echo run >>/root/runs && [ $(wc -l </root/runs) = 3 ] && exec sleep infinity' </dev/null >/dev/null
    third() { [[ $(docker logs "$name" | grep -c prepared) == 3 ]] && running "$name"; }
    eventually 30 third
    equal "$(docker exec "$name" cat /etc/web/secret/password)" 's3cr3t pass=word'
    docker kill "$name" >/dev/null
    kept() { equal "$(our_containers | wc -l)" 3; }
    eventually 15 kept
    docker rm "$name" >/dev/null
    tpd cleanup
}

# A session whose copying takes its time, and is under way.
copying() {
    own=yes
    workload huge 'truncate -s 1G /data/f1 /data/f2' '{}'
    name=$(name_of huge)
    session run --verbose --volumes copy --volumes-limit 3g --name "$name" --swap-deployment huge "$client" sh -c 'echo never'
    eventually 60 begun
}
# (The engine looks at no container while it puts files into it.)
begun() { grep -q "copying the pod's volume /data (2 GiB)" "$pid_err"; }

@test "a signal while it copies ends it, and nothing is left" {
    copying
    kill -TERM "$pid"
    wait_end 30
    equal "$status" 143
    lacks "$(cat "$pid_out")" never
    eventually 15 only_the_box
}

@test "killed while it copies, nothing is left" {
    copying
    kill -KILL "$pid"
    wait_end 30
    eventually 20 only_the_box
    lacks "$(cat "$pid_out")" never
}

@test "a connection that breaks while it copies ends the container before its entrypoint" {
    copying
    pod=$(our_pods | grep '^huge-')
    # shellcheck disable=SC2016 # for the shell in there
    k exec "$pod" -c main -- sh -c 'for p in /proc/[0-9]*; do read -r name <$p/comm && [ "$name" = sshd ] && kill -9 "${p#/proc/}"; done' || true
    wait_end 60
    equal "$status" 125
    matches "$(cat "$pid_err")" "the pod's volume /data cannot be copied: "
    lacks "$(cat "$pid_out")" never
}
