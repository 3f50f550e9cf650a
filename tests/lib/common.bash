# What every end to end test has: a user's surroundings of its own, a namespace
# of its own, the program, and the check that nothing of it is left. Loaded by
# the *.bats files.
# shellcheck shell=bash disable=SC2034,SC2119 # variables for the tests

bats_require_minimum_version 1.5.0
set -o pipefail
# How often a failed test is tried again. (bats 1.8 takes it from the file alone, not from the environment.)
BATS_TEST_RETRIES=${TPT_RETRIES:-0}

root=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
lib=$root/tests/lib
cluster_build=$root/build/cluster
TPDOCKER=${TPDOCKER:-$root/build/release/tpdocker}
version=$(make -s -C "$root" version)
sidecar_image=tpdocker/sidecar:$version
client=tpdocker-test-client # an image with dig, curl, nc, socat, python3
own_cluster=${TPDOCKER_TEST_KUBECONFIG:-}
admin_kubeconfig=${own_cluster:-$cluster_build/kubeconfig}
node=tpdocker-test-node
# what the test cluster's pods and Services have, for methods that capture by ranges
cluster_ranges=(--pod-cidr 10.244.0.0/16 --service-cidr 10.96.0.0/12)
outside=tpdocker-test-outside
PATH=$PATH:$cluster_build/bin

# ------------------------------------------------------------- small things

# shellcheck disable=SC2120
pause() { read -rt "${1:-0.1}" <> <(:) || true; }

# eventually SECONDS COMMAND... - until it succeeds; its last output if it does not.
# It is tried less often as time passes, as a try may cost a kubectl.
eventually() {
    local deadline=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000)) text seconds=$1 tries=0
    shift
    until text=$("$@" 2>&1); do
        if ((${EPOCHREALTIME/[.,]/} > deadline)); then
            printf 'not so after %s s: %s\n%s\n' "$seconds" "$*" "$text" >&2
            return 1
        fi
        pause "0.$((tries++ < 10 ? 1 : 5))"
    done
}

# Bash's ! and [[ ]] do not end a test when they are not its last line, these do.
fails() { if "$@"; then fail "succeeded, but should fail: $*"; fi; }
fail() {
    printf '%s\n' "$@" >&2
    return 1
}
equal() { [[ $1 == "$2" ]] || fail "${3:-values differ}" "  got:      $1" "  expected: $2"; }
# matches TEXT REGEXP... - each of the extended regular expressions occurs in it.
matches() {
    local text=$1 re
    shift
    for re; do grep -qE -e "$re" <<<"$text" || fail "this does not match '$re':" "$text" || return; done
}
lacks() {
    local text=$1 re
    shift
    for re; do
        if grep -qE -e "$re" <<<"$text"; then fail "this should not match '$re':" "$text" || return; fi
    done
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# Where a test needs the cluster in the container, not a user's own.
needs_node() { if [[ -n $own_cluster ]]; then skip 'the cluster is not the one in the container'; fi; }

# ------------------------------------------------------------------ cluster

admin() { kubectl --kubeconfig "$admin_kubeconfig" "$@"; }
k() { admin -n "$NS" "$@"; }

# k_create ARGS... - `kubectl create` in a test, which may be tried a second time: what is there already is no error then.
k_create() {
    local text
    text=$(k create "$@" 2>&1 >/dev/null) || ! grep -v 'already exists' <<<"$text"
}

# json RESOURCE[,RESOURCE...] [NAME] [-l SELECTOR] - objects of the namespace, as
# `kubectl get -o json` has them. Asked of the file's `kubectl proxy`: this is
# what tests poll, and starting a kubectl costs ten times as much.
json() {
    local resources=$1 name='' selector='' resource urls=() file=$BATS_FILE_TMPDIR/answer.$BASHPID
    # To something named curl the API server lays its answers out, which takes longer (and 1.20, built with a newer Go, cannot do it).
    local get=(curl --user-agent tests -sSfm 20 --unix-socket "$BATS_FILE_TMPDIR/proxy")
    shift
    while (($#)); do
        if [[ $1 == -l ]]; then selector="?labelSelector=${2//=/%3D}" && shift; else name=/$1; fi
        shift
    done
    for resource in ${resources//,/ }; do
        case $resource in
        deployment | statefulset | replicaset | pod | service | secret) resource+=s ;;
        quota) resource=resourcequotas ;;
        esac
        case $resource in
        deployments | statefulsets | replicasets) resource=apis/apps/v1/namespaces/$NS/$resource ;;
        *) resource=api/v1/namespaces/$NS/$resource ;;
        esac
        urls+=("http://localhost/$resource$name$selector")
    done
    if [[ -n $name ]]; then
        "${get[@]}" "${urls[@]}"
    else
        "${get[@]}" "${urls[@]}" >"$file" &&
            jq -s '{items: [.[] | (.kind | sub("List$"; "")) as $kind | .items[] | .kind = $kind]}' "$file"
    fi
}

# Workloads of tests/cluster/manifests, copied to the namespace of the file.
copy_workloads() {
    local file objects name
    objects=$(for file in "$root"/tests/cluster/manifests/[2-9]*.yaml; do
        kubectl create --dry-run=client --validate=false -f "$file" -o json --kubeconfig "$admin_kubeconfig"
    done | jq -s '[.[] | if .kind == "List" then .items[] else . end]')
    for name; do
        jq --arg name "$name" --arg ns "$NS" '{kind: "List", apiVersion: "v1", items: [.[]
            | select(.metadata.name == $name or (.metadata.name | startswith($name + "-")))
            | .metadata.namespace = $ns]}' <<<"$objects"
    done | jq -s '{kind: "List", apiVersion: "v1", items: [.[].items[]]}' >"$BATS_FILE_TMPDIR/copies"
    k apply -f "$BATS_FILE_TMPDIR/copies" >/dev/null
    eventually 90 settled
    remember_workloads
}

settled() {
    local text
    text=$(set -o pipefail && json deployments,statefulsets,replicasets | jq -r '.items[]
        | select((.status.readyReplicas // 0) != .spec.replicas or (.status.observedGeneration // 0) < .metadata.generation)
        | "\(.kind) \(.metadata.name) is not ready"') || return
    if [[ -n $text ]]; then
        echo "$text"
        return 1
    fi
}

# How many replicas each workload has, for the check that they have them again.
remember_workloads() { json deployments,statefulsets,replicasets >"$BATS_FILE_TMPDIR/before.json"; }

# standing_agent [JQ] - the manifest of a Deployment "standing" with an agent that stands by itself, changed by the filter.
standing_agent() {
    jq -n --arg image "$sidecar_image" '{apiVersion: "apps/v1", kind: "Deployment", metadata: {name: "standing"}, spec: {
            replicas: 1, selector: {matchLabels: {app: "standing"}}, template: {metadata: {labels: {app: "standing"}}, spec: {
                terminationGracePeriodSeconds: 1,
                containers: [{name: "agent", image: $image, imagePullPolicy: "IfNotPresent",
                    command: ["/usr/lib/tpdocker/tpdocker-agent", "run"], volumeMounts: [{name: "run", mountPath: "/run/tpdocker"}]}],
                volumes: [{name: "run", emptyDir: {medium: "Memory"}}]}}}} | '"${1:-.}"
}

# allow VERBS RESOURCES [APIGROUP] - more rights for the developer in this namespace.
allow() {
    local name=extra-$RANDOM
    jq -n --arg verbs "$1" --arg resources "$2" --arg group "${3:-}" --arg name "$name" '{
        kind: "List", apiVersion: "v1", items: [
        {kind: "Role", apiVersion: "rbac.authorization.k8s.io/v1", metadata: {name: $name}, rules: [
            {apiGroups: [$group], resources: ($resources | split(",")), verbs: ($verbs | split(","))}]},
        {kind: "RoleBinding", apiVersion: "rbac.authorization.k8s.io/v1", metadata: {name: $name},
         roleRef: {apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: $name},
         subjects: [{kind: "ServiceAccount", name: "developer", namespace: "default"}]}]}' |
        k apply -f - >/dev/null
}

# ------------------------------------------------ the user of a file of tests

# A home, a state folder, a runtime folder, a host name, a namespace with the
# developer's rights, and a kubeconfig that names it: to be called by setup_file,
# with the workloads that the file wants there.
user_setup() {
    local name=${BATS_TEST_FILENAME##*/}
    TPT_ID=$(tr -d _ <<<"${name%.bats}")-$(printf %04x $RANDOM)
    # The one in containers' and pods' labels, so that those of each file are known apart.
    TPT_HOST=$TPT_ID
    if ((EUID)); then TPT_HOST=$(uname -n); fi
    TPT_OWNER=$(id -un)@$TPT_HOST
    NS=tpt-$TPT_ID
    TPT_HOME=$BATS_FILE_TMPDIR/home
    mkdir -p "$TPT_HOME" "$BATS_FILE_TMPDIR/state" "$BATS_FILE_TMPDIR/tmp"
    mkdir -m 700 "$BATS_FILE_TMPDIR/run"
    export TPT_ID TPT_HOST TPT_OWNER TPT_HOME NS
    TPT_STATE=$BATS_FILE_TMPDIR/state TPT_RUN=$BATS_FILE_TMPDIR/run TPT_KUBECONFIG=$BATS_FILE_TMPDIR/kubeconfig
    export TPT_STATE TPT_RUN TPT_KUBECONFIG
    export BATS_TEST_TIMEOUT=${BATS_TEST_TIMEOUT:-300}
    (umask 077 && jq --arg ns "$NS" '.contexts[0].context.namespace = $ns' \
        "$cluster_build/developer.kubeconfig" >"$TPT_KUBECONFIG")
    kubectl --kubeconfig "$admin_kubeconfig" proxy --unix-socket "$BATS_FILE_TMPDIR/proxy" >/dev/null 2>&1 3>&- 4>&- &
    echo $! >"$BATS_FILE_TMPDIR/proxy.pid"
    admin create namespace "$NS" >/dev/null
    k create rolebinding tpdocker-developer --clusterrole tpdocker-developer \
        --serviceaccount default:developer >/dev/null
    echo '{"items": []}' >"$BATS_FILE_TMPDIR/before.json"
    eventually 60 json serviceaccounts default
    if (($#)); then copy_workloads "$@"; fi
}

user_teardown() {
    local rc=0
    # The kubelet takes its time with pods that were deleted while they were made.
    eventually 180 clean all || rc=$?
    docker ps -aq --filter "label=dev.tpdocker.owner=$TPT_OWNER" | xargs -r docker rm -f >/dev/null 2>&1
    docker volume ls -q --filter "label=dev.tpdocker.owner=$TPT_OWNER" | xargs -r docker volume rm >/dev/null 2>&1
    ours | xargs -r kill -KILL 2>/dev/null || true
    # what tests that failed have left of theirs
    docker ps -aq --filter "name=^tpt-$TPT_ID" | xargs -r docker rm -fv >/dev/null 2>&1
    docker network ls -q --filter "name=^tpt-$TPT_ID" | xargs -r docker network rm >/dev/null 2>&1
    docker volume ls -q --filter "name=^tpt-$TPT_ID" | xargs -r docker volume rm >/dev/null 2>&1
    docker images -q "tpt-$TPT_ID-*" | xargs -r docker rmi -f >/dev/null 2>&1
    admin delete namespace "$NS" --wait=false >/dev/null
    kill "$(cat "$BATS_FILE_TMPDIR/proxy.pid")"
    return "$rc"
}

# ------------------------------------------------------------------ program

# The program with the file's user, instead of this shell. The descriptors are bats'.
tpd_exec() {
    local command=(env '--default-signal=INT,QUIT,TERM,HUP'
        TPT_MARK="$TPT_ID" HOME="$TPT_HOME" XDG_STATE_HOME="$TPT_STATE" XDG_RUNTIME_DIR="$TPT_RUN"
        KUBECONFIG="$TPT_KUBECONFIG" ${TPT_DOCKER_HOST:+DOCKER_HOST="$TPT_DOCKER_HOST"} "$TPDOCKER" "$@")
    if ((EUID == 0)); then
        # shellcheck disable=SC2016 # for the inner shell
        command=(unshare --uts sh -c 'hostname "$0" && exec "$@"' "$TPT_HOST" "${command[@]}")
    fi
    exec "${command[@]}" 3>&- 4>&-
}

# tpd ARGS... - runs it. Stdin, unless it is given, is empty.
tpd() { (tpd_exec "$@"); }

# try ARGS... - runs it; what it wrote is in $out and $err, its exit code in $status.
try() {
    local dir=${BATS_TEST_TMPDIR:-$BATS_FILE_TMPDIR}
    status=0
    tpd "$@" >"$dir/try.out" 2>"$dir/try.err" </dev/null || status=$?
    out=$(cat "$dir/try.out") err=$(cat "$dir/try.err")
    printf '$ tpdocker %s\n%s\n%s\n(status %s)\n' "$*" "$out" "$err" "$status"
}

# session ARGS... - starts it in the background; its process is $pid, what it writes in the files $pid_out and $pid_err.
session() {
    pid_out=$BATS_TEST_TMPDIR/session.$RANDOM.out
    pid_err=${pid_out%.out}.err
    printf '$ tpdocker %s &\n' "$*"
    (tpd_exec "$@") >"$pid_out" 2>"$pid_err" </dev/null &
    pid=$!
}

# terminal STEP... -- ARGS... - the program on a terminal; see lib/terminal.py.
terminal() {
    local steps=() command
    while [[ $1 != -- ]]; do steps+=("$1") && shift; done
    shift
    command=$(declare -p TPT_ID TPT_HOME TPT_STATE TPT_RUN TPT_KUBECONFIG TPDOCKER TPT_HOST; declare -f tpd_exec)
    status=0
    "$lib/terminal.py" "${steps[@]}" -- bash -c "$command"'; tpd_exec "$@"' - "$@" 3>&- >"$BATS_TEST_TMPDIR/screen" || status=$?
    screen=$(tr -d '\r' <"$BATS_TEST_TMPDIR/screen")
    printf '%s\n(status %s)\n' "$screen" "$status"
}

# A container on the engine's default network that writes down who comes, by TCP
# and UDP: what a session's container sends to it, and nothing stops, gets there.
# For setup_file; its address is $stray, its port $stray_port.
start_stray() {
    stray_name=tpt-$TPT_ID-stray stray_port=4242
    docker run -d --rm --name "$stray_name" -v "$lib/listen.py:/listen.py:ro" "$client" \
        python3 /listen.py 0.0.0.0 $stray_port /dev/stdout >/dev/null
    eventually 20 stray_listens
    stray=$(docker inspect -f '{{.NetworkSettings.IPAddress}}' "$stray_name")
    export stray stray_name stray_port
}
stray_listens() { stray_log | grep -q ready; }
stray_log() { docker logs "$stray_name"; }
# stray_got REGEXP - a caller's line, "tcp ADDRESS" or "udp ADDRESS".
stray_got() { stray_log | grep -qE "$1"; }
stop_stray() { docker rm -f "$stray_name" >/dev/null; }

# A container's name that no other test has.
name_of() { echo "tpt-$TPT_ID-${BATS_TEST_NUMBER:-0}-${1:-c}"; }

running() { [[ $(docker container inspect --format '{{.State.Running}}' "$1" 2>/dev/null) == true ]]; }

# until_running NAME - of a session in the background, which may end before.
until_running() {
    local i
    for ((i = 0; i < 300; i++)); do
        if running "$1"; then return; fi
        if [[ -n ${pid:-} && ! -d /proc/$pid ]]; then break; fi
        pause 0.2
    done
    fail "the container $1 does not run" "$(cat "${pid_err:-/dev/null}")"
}

ended() {
    local line
    read -r line 2>/dev/null <"/proc/$1/stat" || return 0
    [[ ${line##*) } == Z* ]]
}

# wait_end [SECONDS] - of the session in the background; its code is $status then.
wait_end() {
    local deadline=$((SECONDS + ${1:-20}))
    until ended "$pid"; do
        if ((SECONDS > deadline)); then fail "the session does not end" "$(cat "$pid_err")" || return; fi
        pause
    done
    status=0
    wait "$pid" || status=$?
    printf '%s\n' "$(cat "$pid_err")" "(status $status)"
}

# background ARGS... - a session with -d whose container is $box; waits until it is up.
background() {
    box=$(name_of box)
    tpd run -d --name "$box" "$@" >"$BATS_FILE_TMPDIR/box.id" </dev/null || return
    running "$box" || fail "the container $box does not run"
}
inside() { docker exec "$box" "$@"; }
# What a shell in there prints.
sh_in() { docker exec "$box" sh -c "$1"; }

# ssh ends in the sidecar of the container, and the link with it.
break_link() { docker exec "$(sidecar_of "$1")" sh -c 'kill $(pidof ssh)'; }

# sidecar_image_without IMAGE PROGRAM... - builds IMAGE, the sidecar's less these programs.
sidecar_image_without() {
    docker build -q -t "$1" - >/dev/null 2>&1 <<<"FROM $sidecar_image
USER 0
RUN rm ${*:2}
USER $(docker image inspect --format '{{.Config.User}}' "$sidecar_image")"
}

# the session's parts
sidecar_of() {
    docker container inspect --format '{{.HostConfig.NetworkMode}}' "$1" | sed 's/^container://'
}
our_pods() { json pods -l tpdocker.dev/session | jq -r '.items[] | select(.metadata.deletionTimestamp | not) | .metadata.name'; }
agent_pod() { our_pods | head -n 1; }
# The process of the native engine's far half in the pod POD, as this machine numbers it; only as root, and of a cluster on it.
far_half() {
    local p
    for p in $(pgrep -f '^[^ ]*tpdocker-agent engine'); do
        if [[ $(nsenter -t "$p" -u hostname) == "$1" ]]; then echo "$p" && return; fi
    done
    fail "the pod $1 has no engine"
}
# Runs a program of this machine in the network namespace of the pod of such a session.
in_pod() { nsenter -t "$(far_half "$1")" -n "${@:2}"; }
takes_root() { if ((EUID)) || [[ -n $own_cluster ]]; then skip 'it is done in the pod, which takes root here'; fi; }
# made_again POD UID - there is such a pod, and it is not the one with UID.
made_again() { json pod "$1" | jq -e --arg was "$2" '.metadata.uid != $was and .metadata.deletionTimestamp == null'; }
companion_of() { echo "$(docker container inspect --format '{{.Name}}' "$(sidecar_of "$1")" | tr -d /)-mounts"; }
our_containers() { docker ps -aq --filter "label=dev.tpdocker.owner=$TPT_OWNER"; }

# ------------------------------------------------------------- nothing left

# Processes that descend from ours: they have our mark in their environment.
ours() { { grep -lszF "TPT_MARK=$TPT_ID" /proc/[0-9]*/environ || true; } | sed 's|/proc/\([0-9]*\)/.*|\1|'; } # (one may end meanwhile)

# What is left: of pods those that nobody has deleted yet, or all of them. (A pod
# that is deleted takes the cluster a few seconds to be rid of.)
leftovers() ( # [all]
    set -o pipefail
    docker ps -a --filter "label=dev.tpdocker.owner=$TPT_OWNER" --format 'container {{.Names}} ({{.Status}})'
    docker volume ls --filter "label=dev.tpdocker.owner=$TPT_OWNER" --format 'volume {{.Name}}'
    json deployments,statefulsets,replicasets,pods,services | jq -r --slurpfile before "$BATS_FILE_TMPDIR/before.json" --arg all "${1:-}" '
        ($before[0].items | map({key: "\(.kind)/\(.metadata.name)", value: .spec.replicas}) | from_entries) as $were
        | .items[] | "\(.kind)/\(.metadata.name)" as $name
        | if .kind == "Service" then select(.metadata.labels["tpdocker.dev/session"]) | $name
          elif .kind == "Pod"
          then select(.metadata.labels["tpdocker.dev/session"])
              | select($all == "all" or (.metadata.deletionTimestamp | not)) | "\($name) (\(.status.phase))"
          else (select((.metadata.labels // {}) + (.metadata.annotations // {}) | keys | any(startswith("tpdocker.dev/")))
                | "a mark of ours on \($name)"),
               (select(.metadata.ownerReferences | not) | select($were[$name] != null and $were[$name] != .spec.replicas)
                | "\($name) has \(.spec.replicas) replicas, not \($were[$name])")
          end' || echo 'what the cluster does not tell'
    find "$TPT_STATE" "$TPT_RUN" ! -type d -printf 'file %p\n'
    find "$TPT_RUN" -mindepth 2 -printf 'folder %p\n'
    for process in $(ours); do
        printf 'process %s %s\n' "$process" "$(tr '\0' ' ' <"/proc/$process/cmdline" 2>/dev/null)"
    done
)

clean() {
    local text
    text=$(leftovers "$@")
    if [[ -n $text ]]; then
        echo "left: $text"
        return 1
    fi
}

# Within 10 s of the end all is gone and as before; a little later its pods are ready again.
nothing_left() { eventually "${1:-10}" clean; }
as_before() { nothing_left "$@" && eventually 150 settled; }

# For files whose tests share the session of $box: ends what a test that failed has left of sessions of its own.
end_others() {
    local id
    if [[ -n ${BATS_TEST_COMPLETED:-} ]]; then return; fi
    [[ -z ${pid_err:-} ]] || cat "$pid_err"
    [[ -z ${pid:-} ]] || kill -TERM "$pid" 2>/dev/null || true
    tpd down --all >/dev/null 2>&1 || true
    for id in $(docker ps -aq --filter "label=dev.tpdocker.owner=$TPT_OWNER" --filter label=dev.tpdocker.role=user); do
        if [[ $(docker inspect -f '{{.Name}}' "$id") != "/$box" ]]; then docker rm -f "$id" >/dev/null || true; fi
    done
    eventually 30 one_sidecar || true
}
one_sidecar() { equal "$(docker ps -q --filter "label=dev.tpdocker.owner=$TPT_OWNER" --filter label=dev.tpdocker.role=sidecar | wc -l)" 1; }

# For files where each test has its sessions: the end of each.
check_teardown() {
    if [[ -n ${BATS_TEST_COMPLETED:-} ]]; then
        nothing_left
        return
    fi
    # A test that failed: no more trouble for the next one than needs be.
    [[ -z ${pid_err:-} ]] || cat "$pid_err"
    ours | xargs -r kill -TERM 2>/dev/null || true
    nothing_left 15 || { our_containers | xargs -r docker rm -f; k delete pods -l tpdocker.dev/session --wait=false; }
}
