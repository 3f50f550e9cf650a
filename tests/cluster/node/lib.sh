# What the node's scripts share; sourced, never run.
# shellcheck shell=bash disable=SC2034 # the variables are for them

set -euo pipefail

pki=/etc/kubernetes/pki
run=/run/node           # pids, and marks of components that are to stay down
logs=/var/log/node
state=/var/lib/node     # what outlives a stop of the container

components=(etcd kube-apiserver kube-controller-manager kube-scheduler dockerd kubelet kube-proxy)

# The node's and the outside world's address, given by tests/cluster/up.
node_ip=${NODE_IP:?} outside_ip=${OUTSIDE_IP:?}

# wait_for SECONDS COMMAND... - run the command until it succeeds.
wait_for() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        if ((SECONDS >= deadline)); then
            echo "gave up waiting for: $*" >&2
            return 1
        fi
        sleep 0.05
    done
}

# What tells that a component does its work.
healthy() {
    case $1 in
    etcd) http http://127.0.0.1:2379/health ;;
    # Ready, and its own groups are listed: they are not, for a moment more.
    kube-apiserver) kubectl get --raw /readyz && kubectl get --raw /apis | grep '"apps"' ;;
    kube-controller-manager) http http://127.0.0.1:10252/healthz ;;
    kube-scheduler) http http://127.0.0.1:10251/healthz ;;
    dockerd) docker version ;;
    kubelet) http http://127.0.0.1:10248/healthz ;;
    kube-proxy) http http://127.0.0.1:10256/healthz ;;
    *) false ;;
    esac >/dev/null 2>&1
}

# A GET without curl: succeeds when the status is 200.
http() {
    local host=${1#http://} port path=${1##*/} line
    port=${host#*:}
    exec 5<>"/dev/tcp/${host%%:*}/${port%%/*}" || return
    printf 'GET /%s HTTP/1.0\r\n\r\n' "$path" >&5
    read -rt 2 line <&5 || true
    exec 5>&-
    [[ $line == *' 200 '* ]]
}
