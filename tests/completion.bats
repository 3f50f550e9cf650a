#!/usr/bin/env bats
# The tab key: real shells on a terminal, and what they ask the program.

load lib/common

setup_file() {
    load lib/common
    user_setup api web
    bin=$BATS_FILE_TMPDIR/bin
    mkdir -p "$bin" "$TPT_HOME/.docker/cli-plugins" "$TPT_HOME/functions" "$TPT_HOME/some folder"
    ln -s "$TPDOCKER" "$bin/tpdocker"
    ln -s "$TPDOCKER" "$TPT_HOME/.docker/cli-plugins/docker-tpdocker"
    touch "$TPT_HOME/the-file.yaml"
    # What a user may list is not among what tpdocker needs (tests/cluster/manifests/10-access.yaml).
    allow list deployments,statefulsets,replicasets apps
    shells
    export bin
}
teardown_file() {
    load lib/common
    user_teardown
}
teardown() { check_teardown; }

# What a user of each shell has in the file that it reads first.
shells() {
    cat >"$TPT_HOME/bashrc" <<END
PS1='> ' PATH=$bin:\$PATH
bind 'set bell-style none'; bind 'set show-all-if-ambiguous on'; bind 'set page-completions off'; bind 'set completion-query-items 0'
bind 'set enable-bracketed-paste off'
eval "\$(tpdocker completion bash)"
cd
END
    "$TPDOCKER" completion zsh >"$TPT_HOME/functions/_tpdocker"
    cat >"$TPT_HOME/.zshrc" <<END
PS1='> ' PATH=$bin:\$PATH LISTMAX=1000
unsetopt beep prompt_sp; unset zle_bracketed_paste; zle_highlight=(suffix:none)
fpath=(\$HOME/functions \$fpath)
autoload -U compinit && compinit -u -D
cd
END
    "$TPDOCKER" completion fish >"$TPT_HOME/tpdocker.fish"
}

# complete WORD... - what the program answers; in $out, of which each line's value is in $values.
complete() {
    try __complete "$@"
    equal "$status" 0
    equal "$err" ''
    values=$(sed '$d; s/\t.*//' <<<"$out")
}
directive() { equal "$(tail -n 1 <<<"$out")" ":$1"; }

in_bash() { TPDOCKER=bash terminal --seconds 20 "$@" 'send:\x15exit\r' -- --rcfile "$TPT_HOME/bashrc" -i; }
in_zsh() { TPDOCKER=zsh terminal --seconds 20 "$@" 'send:\x15exit\r' -- -i; }
# What fish offers for a line, and nothing else.
in_fish() {
    PATH=$bin:$PATH TPDOCKER=fish try -c "source ~/tpdocker.fish; cd; complete -C \"$1\""
    equal "$err" ''
}

@test "commands, and only those that are for people" {
    complete ''
    equal "$values" "$("$TPDOCKER" help | sed -n '/^Commands:/,/^$/s/^  \([a-z]\+\) .*/\1/p')"
    directive 4
    complete cl
    matches "$out" $'^cleanup\tUndo '
    complete help cl
    equal "$values" cleanup
    try __completeNoDesc cl
    equal "$out" $'cleanup\n:4'
}

@test "each option of each command is there" {
    for command in $("$TPDOCKER" help | sed -n '/^Commands:/,/^$/s/^  \([a-z]\+\) .*/\1/p'); do
        complete "$command" --
        for option in $("$TPDOCKER" help "$command" | sed -n '/^Options:/,/^$/s/^  \(--[a-z0-9-]\+\).*/\1/p'); do
            grep -qxe "$option" <<<"$values" || fail "$command: no $option"
        done
    done
}

@test "docker run's flags, and none behind the image" {
    complete run --publ
    equal "$values" $'--publish\n--publish-all'
    complete run -itp 80:80 --net
    equal "$values" $'--net\n--net-alias\n--network\n--network-alias'
    complete run --pull ''
    equal "$values" $'always\nmissing\nnever'
    complete run "$client" --publ
    equal "$out" :4
    complete run "$client" sh -c ''
    equal "$out" :4
    complete up --
    matches "$values" '^--publish$'
    lacks "$values" '^--volume$'
}

@test "workloads and their containers" {
    complete run --swap-deployment ''
    equal "$values" $'api\nweb'
    directive 4
    complete run --swap-deployment=w
    equal "$values" web
    complete run --swap-deployment web # it has two containers
    equal "$values" $'web\nweb:app\nweb:helper'
    complete run --swap-deployment web:h
    equal "$values" web:helper
    complete run --swap-deployment deploy/a
    equal "$values" deploy/api
    complete run --swap-deployment rs/ # those that are a Deployment's are refused
    equal "$out" :4
    complete cleanup api w
    equal "$values" web
    complete run --deployment '' # none of them has an agent
    equal "$out" :4
}

@test "what is not allowed, not there, or not to be had: nothing, silently" {
    complete run --namespace kube-system --swap-deployment ''
    equal "$out" :4
    complete run --swap-deployment nonesuch:
    equal "$out" :4
    complete run --swap-deployment nonesuch/
    equal "$out" :4
    complete run --context nonesuch --swap-deployment ''
    equal "$out" :4
    complete run --kubeconfig /nonexistent --swap-deployment ''
    equal "$out" :4
    complete run --host "unix://$BATS_TEST_TMPDIR/nobody" dock
    equal "$out" :4
    complete nothing ''
    equal "$out" :4
    TPT_KUBECONFIG=/dev/null complete run --swap-deployment ''
    equal "$out" :4
}

@test "namespaces, contexts" {
    complete run --namespace ''
    equal "$values" "$NS" # which the kubeconfig names; the developer may not list them
    complete run --kubeconfig "$admin_kubeconfig" --namespace kube-
    matches "$values" '^kube-system$'
    jq '.contexts += [{name: "arn:aws:x/y z", context: (.contexts[0].context + {namespace: "elsewhere"})}]' \
        "$TPT_KUBECONFIG" >"$BATS_TEST_TMPDIR/kubeconfig"
    TPT_KUBECONFIG=$BATS_TEST_TMPDIR/kubeconfig complete run --context ''
    equal "$values" "$(jq -r '.contexts[].name' "$BATS_TEST_TMPDIR/kubeconfig")"
    TPT_KUBECONFIG=$BATS_TEST_TMPDIR/kubeconfig complete run --namespace else
    equal "$values" elsewhere
}

@test "what the engine has" {
    name=$(name_of net)
    docker network create "$name" >/dev/null
    complete run --network tpt-
    docker network rm "$name" >/dev/null
    matches "$values" "^$name$"
    complete run --network ''
    lacks "$values" '^(host|none)$' # they are refused
    complete run "${client:0:8}"
    matches "$values" "^$client:latest$"
    complete run -v /etc/
    equal "$out" :0
    HOME=$TPT_HOME docker context create there --docker host=unix:///nobody >/dev/null
    complete run --docker-context ''
    equal "$(sort <<<"$values")" $'default\nthere'
    HOME=$TPT_HOME docker context rm there >/dev/null
}

@test "sessions; and looking for them leaves nothing" {
    complete down ''
    equal "$out" :4
    tpd up --new-deployment "$(name_of one)" </dev/null
    complete down ''
    equal "$values" "$(name_of one)"
    complete run --session ''
    equal "$values" "$(name_of one)"
    # a session's parts are nothing to join other containers to
    complete run --volumes-from tpdocker-
    lacks "$values" "^tpdocker-$(name_of one)$"
    tpd down "$(name_of one)"
}

# A server that takes connections and says nothing.
start_silent() {
    silent=$(free_port)
    socat "TCP-LISTEN:$silent,bind=127.0.0.1,fork,reuseaddr" 'EXEC:sleep 60' 3>&- &
    silent_pid=$!
    eventually 5 nc -z 127.0.0.1 "$silent"
}
stop_silent() { kill "$silent_pid"; }
# took MILLISECONDS COMMAND... - at most.
took() {
    local begun=${EPOCHREALTIME/[.,]/} limit=$1
    shift
    "$@"
    local ms=$(((${EPOCHREALTIME/[.,]/} - begun) / 1000))
    ((ms <= limit)) || fail "that took $ms ms: $*"
}

# (The busiest of machines is given a few tries.)
@test "an answer comes within a second, or none does" {
    start_silent
    jq --arg s "https://127.0.0.1:$silent" '.clusters[0].cluster.server = $s' "$TPT_KUBECONFIG" >"$BATS_TEST_TMPDIR/kubeconfig"
    for option in swap-deployment deployment serviceaccount; do
        words=(run --kubeconfig "$BATS_TEST_TMPDIR/kubeconfig" "--$option" '')
        eventually 10 took 1000 "$TPDOCKER" __complete "${words[@]}"
        equal "$("$TPDOCKER" __complete "${words[@]}")" :4
    done
    eventually 10 took 1000 "$TPDOCKER" __complete run --host "tcp://127.0.0.1:$silent" x
    equal "$("$TPDOCKER" __complete run --host "tcp://127.0.0.1:$silent" x)" :4
    stop_silent
}

@test "nobody is asked for credentials, and the program that would ask is gone" {
    cat >"$BATS_TEST_TMPDIR/login" <<'END'
#!/bin/bash
echo $$ >"$0.pid"
echo 'Your password:' >&2
if (: <>/dev/tty) 2>/dev/null; then echo terminal >"$0.tty"; echo 'Your password:' >/dev/tty; fi
exec sleep 100
END
    chmod +x "$BATS_TEST_TMPDIR/login"
    jq --arg login "$BATS_TEST_TMPDIR/login" '.users[0].user = {exec: {apiVersion: "client.authentication.k8s.io/v1beta1", command: $login}}' \
        "$TPT_KUBECONFIG" >"$BATS_TEST_TMPDIR/kubeconfig"
    TPT_KUBECONFIG=$BATS_TEST_TMPDIR/kubeconfig in_bash 'expect:> $' 'send:tpdocker run --swap-deployment \t' 'run:sleep 1.5'
    lacks "$screen" password
    [[ -s $BATS_TEST_TMPDIR/login.pid && ! -e $BATS_TEST_TMPDIR/login.tty ]]
    eventually 2 ended "$(cat "$BATS_TEST_TMPDIR/login.pid")"
    # the same when the key is pressed and the shell is left
    jq '.users[0].user.exec.interactiveMode = "Always"' "$BATS_TEST_TMPDIR/kubeconfig" >"$BATS_TEST_TMPDIR/always"
    rm "$BATS_TEST_TMPDIR/login.pid"
    TPT_KUBECONFIG=$BATS_TEST_TMPDIR/always complete run --swap-deployment ''
    [[ ! -e $BATS_TEST_TMPDIR/login.pid ]]
}

@test "bash" {
    in_bash 'expect:> $' 'send:tpdocker run --swap-dep\t' 'expect:--swap-deployment $' \
        'send:w\t' 'expect:web $' 'send:\x7f\t' 'expect:web:app +web:helper' 'send::h\t' 'expect:helper $' \
        'send:tpdocker-test-cl\t' 'expect:client:latest $' 'send:--publ\t\t' 'expect:--publ$' \
        'send:\x15tpdocker run --swap-deployment=ap\t' 'expect:=api $' \
        'send:\x15tpdocker run --kubeconfig the-f\t' 'expect:the-file.yaml $' \
        'send:\x15tpdocker run --kubeconfig=the-f\t' 'expect:=the-file.yaml $' \
        'send:\x15~/../bin/tpdocker clean\t' 'expect:cleanup $' \
        'send:\x15tpdocker compl\t' 'expect:completion $' 'send:\t' 'expect:bash +fish +zsh'
    equal "$status" 0
}

@test "bash: names that the shell would take apart" {
    jq '.contexts += [{name: "x:aws x/y z", context: .contexts[0].context}]' "$TPT_KUBECONFIG" >"$BATS_TEST_TMPDIR/kubeconfig"
    TPT_KUBECONFIG=$BATS_TEST_TMPDIR/kubeconfig in_bash 'expect:> $' 'send:tpdocker run --context x\t' 'expect:x:aws\\\\ x/y\\\\ z $' \
        'send:--swap-deployment ap\t' 'expect:api $'
}

@test "zsh" {
    if ! command -v zsh >/dev/null; then skip 'there is no zsh'; fi
    # (It goes on drawing behind what is expected: no $ at the end.)
    in_zsh 'expect:> ' 'send:tpdocker run --swap-dep\t' 'expect:--swap-deployment ' \
        'send:web:h\t' 'expect:web:helper ' 'send:tpdocker-test-cl\t' 'expect:client:latest ' \
        'send:\x15tpdocker run --swap-deployment=ap\t' 'expect:=api ' \
        'send:\x15tpdocker run --kubeconfig the-f\t' 'expect:the-file.yaml ' \
        'send:\x15tpdocker c\t\t' 'expect:cleanup +-- Undo' 'expect:completion +-- Print'
    equal "$status" 0
}

@test "fish" {
    if ! command -v fish >/dev/null; then skip 'there is no fish'; fi
    in_fish 'tpdocker run --swap-dep'
    matches "$out" $'^--swap-deployment\tput the agent'
    in_fish 'tpdocker run --swap-deployment w'
    equal "$out" $'web\tDeployment'
    in_fish 'tpdocker run --swap-deployment=web:'
    equal "$(cut -f 1 <<<"$out")" $'--swap-deployment=web:app\n--swap-deployment=web:helper'
    in_fish 'tpdocker run --kubeconfig the-f'
    equal "$out" the-file.yaml
    in_fish 'tpdocker run --kubeconfig=the-f'
    equal "$out" --kubeconfig=the-file.yaml
    in_fish 'tpdocker run img the-f'
    equal "$out" ''
    in_fish 'tpdocker he'
    matches "$out" $'^help\t'
}

bash_completion=/usr/share/bash-completion/bash_completion
needs_bash_completion() { if [[ ! -e $bash_completion ]]; then skip 'there is no bash-completion'; fi; }

# docker's own completion asks its plugins.
newest() { for cli in $(type -ap docker); do echo "$("$cli" --version | sed 's/[^0-9]*\([0-9.]*\).*/\1/') $cli"; done | sort -V | tail -n 1 | cut -d ' ' -f 2; }
needs_newer_docker() {
    cli=$(newest)
    if ! HOME=$TPT_HOME "$cli" __complete tpdocker run --swap-dep 2>/dev/null | grep -q swap; then
        skip "$("$cli" --version) does not ask its plugins"
    fi
    ln -sf "$cli" "$bin/docker"
}

@test "docker tpdocker, in docker's own completion" {
    needs_newer_docker
    needs_bash_completion
    docker completion bash >"$TPT_HOME/docker.bash"
    { cat "$TPT_HOME/bashrc" && echo ". $bash_completion; . ~/docker.bash"; } >"$TPT_HOME/bashrc-docker"
    TPDOCKER=bash terminal --seconds 20 'expect:> $' 'send:docker tpdo\t' 'expect:tpdocker $' 'send:run --swap-dep\t' 'expect:--swap-deployment $' \
        'send:ap\t' 'expect:api $' 'send:\x15exit\r' -- --rcfile "$TPT_HOME/bashrc-docker" -i
    equal "$status" 0
}

@test "docker tpdocker, in the completion of docker before 23" {
    script=/usr/share/bash-completion/completions/docker
    needs_bash_completion
    if ! grep -qs '_docker_docker()' "$script"; then skip 'it is not here'; fi
    { cat "$TPT_HOME/bashrc" && echo ". $bash_completion; . $script"; } >"$TPT_HOME/bashrc-old"
    TPDOCKER=bash terminal --seconds 20 'expect:> $' 'send:docker tpdocker run --swap-dep\t' 'expect:--swap-deployment $' \
        'send:web:h\t' 'expect:helper $' 'send:\x15exit\r' -- --rcfile "$TPT_HOME/bashrc-old" -i
    equal "$status" 0
}
