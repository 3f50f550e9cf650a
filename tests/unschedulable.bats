#!/usr/bin/env bats
# A pod that no node takes: after three minutes it is told why. (In a file of
# its own, beside which the others can run.)

load lib/common

setup_file() {
    load lib/common
    export BATS_TEST_TIMEOUT=260
    user_setup
    k_create deployment nowhere --image tpdocker-test-app:latest --replicas 0
    k patch deployment nowhere -p '{"spec": {"template": {"spec": {"nodeSelector": {"planet": "mars"}}}}}' >/dev/null
    eventually 20 settled
    remember_workloads
}
teardown_file() {
    load lib/common
    user_teardown
}
teardown() { check_teardown; }

@test "a pod that no node takes" {
    try run --swap-deployment nowhere "$client" true
    equal "$status" 125
    matches "$err" 'nodes are available|node.*selector|Unschedulable'
}
