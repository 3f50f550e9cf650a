# Shared by the scripts of tests/cluster; sourced, never run.
# shellcheck shell=bash disable=SC2034 # the variables are for them

here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
# shellcheck source-path=SCRIPTDIR source=../setup/lib.sh
. "$here/../setup/lib.sh"

node=tpdocker-test-node
outside=tpdocker-test-outside
network=tpdocker-test
build=${here%/tests/cluster}/build/cluster
own_kubeconfig=${TPDOCKER_TEST_KUBECONFIG:-}

# The user's own cluster when one is named, otherwise the one in the container;
# never what KUBECONFIG happens to hold.
if [[ -n $own_kubeconfig ]]; then
    kubectl() { KUBECONFIG=$own_kubeconfig command kubectl "$@"; }
else
    kubectl() { docker exec -i "$node" kubectl "$@"; }
fi

running() { [[ $(docker container inspect --format '{{.State.Running}}' "$1" 2>/dev/null) == true ]]; }

exists() { docker container inspect "$1" >/dev/null 2>&1; }

image_id() { docker image inspect --format '{{.Id}}' "$1"; }
