# The workloads of tests/cluster/manifests; sourced, never run.
# shellcheck shell=bash disable=SC2154 # the variables are lib.sh's

apply() {
    kubectl apply -f - < <(for file in "$here"/manifests/*.yaml; do printf -- '---\n'; cat "$file"; done)
}

wait_for_workloads() {
    local workloads namespace kind name line
    if [[ -z $own_kubeconfig ]]; then wait_for 60 docker exec "$node" pods-settled || return; fi
    # (Not those that a test run left which was cut off: they may be on their way out.)
    mapfile -t workloads < <(kubectl get deployments,statefulsets -A --no-headers \
        -o custom-columns=NS:.metadata.namespace,KIND:.kind,NAME:.metadata.name | grep -v '^tpt-')
    for line in "${workloads[@]}"; do
        read -r namespace kind name <<<"$line"
        kubectl rollout status --timeout 120s -n "$namespace" "$kind/$name" || return
    done
    kubectl wait --for=condition=Ready --timeout 60s pod -l app=bare -n default
}
