# What the tests of volumes share: images, and a second workload with web's volumes.
# shellcheck shell=bash disable=SC2034,SC2154 # variables for the tests, and from common.bash

account=/var/run/secrets/kubernetes.io/serviceaccount
prefix=tpt-${TPT_ID:-}

# Images with one static program in them; with a musl and a program for it; with volumes and awkward files of their own.
build_images() {
    local dir=$BATS_FILE_TMPDIR/images
    prefix=tpt-$TPT_ID
    mkdir "$dir"
    musl-gcc -static -s -o "$dir/look" "$lib/look.c"
    musl-gcc -s -o "$dir/look-musl" "$lib/look.c"
    cp -L /lib/ld-musl-*.so.1 "$dir/"
    build() { docker build -q -t "$prefix-$1" -f - "$dir" >/dev/null 2>&1; }
    build scratch <<<$'FROM scratch\nCOPY look /look\nENTRYPOINT ["/look"]'
    build musl <<<$'FROM scratch\nCOPY ld-musl-*.so.1 /lib/\nCOPY look-musl /bin/look\nENTRYPOINT ["look"]'
    build awkward <<END
FROM $client
RUN mkdir -p /real/podinfo /etc/web && ln -s /real/podinfo /etc/podinfo && useradd -u 4321 -m somebody
RUN mkdir -p /var/own && echo image >/var/own/file && chown 4321 /var/own && chmod 700 /var/own
VOLUME /scratch /var/own
WORKDIR /scratch
USER somebody
END
    build file <<<"FROM $client"$'\nRUN touch /etc/podinfo'
}

# A second workload with the same volumes, for sessions beside one that has web.
make_twin() {
    if [[ -e $BATS_FILE_TMPDIR/twin ]]; then return; fi
    json deployment web | jq '.metadata = {name: "twin"} | del(.status) | .spec.replicas = 1 | .spec.selector.matchLabels.app = "twin"
        | .spec.template.metadata.labels.app = "twin"' | k create -f - >/dev/null
    eventually 60 settled
    touch "$BATS_FILE_TMPDIR/twin"
}
