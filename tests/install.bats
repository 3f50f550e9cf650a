#!/usr/bin/env bats
# make install, make uninstall: what is put where, found there by those who look for it, and taken away again.

load lib/common

setup() {
    dest=$BATS_TEST_TMPDIR/dest
    mkdir "$dest"
}

quiet_make() { make -s -C "$root" "$@" 3>&- >"$BATS_TEST_TMPDIR/make" 2>&1 || fail "make $*" "$(cat "$BATS_TEST_TMPDIR/make")"; }
installed() { (cd "$1" && find . ! -type d -printf '%P %m %l\n' | sed 's/ 777 / -> /; s/ $//' | sort); }

files() { # ZSH'S FOLDER
    sort <<END
bin/tpdocker 755
libexec/docker/cli-plugins/docker-tpdocker -> ../../../bin/tpdocker
share/bash-completion/completions/tpdocker 644
share/doc/tpdocker/LICENSE 644
share/fish/vendor_completions.d/tpdocker.fish 644
share/man/man1/docker-tpdocker.1 -> tpdocker.1
share/man/man1/tpdocker.1 644
share/zsh/$1/_tpdocker 644
END
}
vendor() { if [[ -e /etc/debian_version ]]; then echo vendor-completions; else echo site-functions; fi; }

@test "below /usr/local, with DESTDIR: installed, and nothing left" {
    quiet_make install DESTDIR="$dest"
    equal "$(installed "$dest/usr/local")" "$(files site-functions)"
    equal "$(cd "$dest" && echo * usr/*)" "usr usr/local"
    quiet_make uninstall DESTDIR="$dest"
    equal "$(find "$dest" -mindepth 1)" ''
}

@test "below /usr, as a package has it; a mask of the user's changes nothing" {
    umask 077
    quiet_make install DESTDIR="$dest" PREFIX=/usr
    equal "$(installed "$dest/usr")" "$(files "$(vendor)")"
    equal "$(find "$dest/usr" -type d ! -perm 755)" ''
    quiet_make uninstall DESTDIR="$dest" PREFIX=/usr
    equal "$(find "$dest" -mindepth 1)" ''
}

@test "below a folder of the user's own: says how docker finds it" {
    quiet_make install PREFIX="$dest/own"
    matches "$(cat "$BATS_TEST_TMPDIR/make")" "ln -sf $dest/own/bin/tpdocker ~/.docker/cli-plugins/docker-tpdocker"
    equal "$(installed "$dest/own")" "$(files site-functions)"
    quiet_make uninstall PREFIX="$dest/own"
    equal "$(find "$dest/own" -mindepth 1)" ''
}

@test "twice, over an older one, and what is somebody else's stays" {
    quiet_make install DESTDIR="$dest"
    echo old >"$dest/usr/local/share/zsh/site-functions/_tpdocker"
    ln -sf nowhere "$dest/usr/local/libexec/docker/cli-plugins/docker-tpdocker"
    touch "$dest/usr/local/libexec/docker/cli-plugins/docker-compose" "$dest/usr/local/share/zsh/site-functions/_docker"
    mkdir "$dest/etc"
    quiet_make install DESTDIR="$dest"
    equal "$(readlink -f "$dest/usr/local/libexec/docker/cli-plugins/docker-tpdocker")" "$dest/usr/local/bin/tpdocker"
    matches "$(cat "$dest/usr/local/share/zsh/site-functions/_tpdocker")" '^#compdef tpdocker'
    quiet_make uninstall DESTDIR="$dest"
    equal "$(installed "$dest" | cut -d ' ' -f 1 | xargs)" \
        'usr/local/libexec/docker/cli-plugins/docker-compose usr/local/share/zsh/site-functions/_docker'
    [[ -d $dest/etc ]]
    quiet_make uninstall DESTDIR="$dest" # of nothing
}

@test "it is found: program, man pages, plugin" {
    quiet_make install DESTDIR="$dest"
    matches "$("$dest/usr/local/bin/tpdocker" version)" "$version"
    matches "$("$dest/usr/local/libexec/docker/cli-plugins/docker-tpdocker" docker-cli-plugin-metadata)" SchemaVersion
    if command -v man >/dev/null; then
        for page in tpdocker docker-tpdocker; do
            MANPATH=$dest/usr/local/share/man man "$page" 2>/dev/null | grep -q 'TPDOCKER(1)'
        done
    fi
    mkdir -p "$BATS_TEST_TMPDIR/config"
    jq -n --arg dir "$dest/usr/local/libexec/docker/cli-plugins" '{cliPluginsExtraDirs: [$dir]}' >"$BATS_TEST_TMPDIR/config/config.json"
    matches "$(docker --config "$BATS_TEST_TMPDIR/config" tpdocker version)" "$version"
}

@test "it is found: in the program's image, by the docker in it" {
    matches "$(docker run --rm --entrypoint docker "tpdocker/tpdocker:$version" tpdocker version)" "$version"
}

@test "it is found: completion, by each shell, where it looks" {
    quiet_make install DESTDIR="$dest"
    cd "$BATS_TEST_TMPDIR"
    export PATH=$dest/usr/local/bin:$PATH XDG_DATA_DIRS=$dest/usr/local/share:/usr/share
    if [[ -e /usr/share/bash-completion/bash_completion ]]; then
        # shellcheck disable=SC2016 # for the inner shell
        matches "$(bash -c '. /usr/share/bash-completion/bash_completion; _completion_loader tpdocker; complete -p tpdocker' || true)" '-F _tpdocker'
    fi
    if command -v fish >/dev/null; then
        matches "$(HOME=$BATS_TEST_TMPDIR fish -c 'complete -C "tpdocker cl"')" cleanup
    fi
    if command -v zsh >/dev/null; then
        # Its folders are what they are: those of the system for what packages bring, and for what is installed beside them.
        matches "$(zsh -fc 'print -l $fpath')" '^/usr/local/share/zsh/site-functions$' "^/usr/share/zsh/$(vendor)$"
        # shellcheck disable=SC2016
        equal "$(zsh -fc 'fpath=('"$dest"'/usr/local/share/zsh/site-functions $fpath); autoload -U compinit; compinit -u -D; print $_comps[tpdocker]')" _tpdocker
    fi
}
