# For tests that run the dev containers' own CLI.
# shellcheck shell=bash

# cli_offline - for this shell and its children: the CLI finds what it would
# otherwise ask containers.dev for, which a test must not.
cli_offline() {
    local folder
    export TMPDIR=$BATS_FILE_TMPDIR/cli
    folder=$TMPDIR/devcontainercli-$(id -un)
    mkdir -p "$folder"
    # as it has it itself when nobody answers; good for 5 minutes
    echo '{"disallowedFeatures": [], "featureAdvisories": []}' >"$folder/control-manifest.json"
}
