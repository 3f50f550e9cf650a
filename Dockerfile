# tpdocker itself as an image, for machines where only an engine and a kubeconfig are at hand:
#
#   docker run --rm -it -v /var/run/docker.sock:/var/run/docker.sock \
#       -v ~/.kube:/root/.kube:ro tpdocker/tpdocker:0.1.0 run -it debian bash

FROM debian:bookworm-slim AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev make pkg-config \
        libcurl4-openssl-dev libyajl-dev libssh-dev libarchive-dev libyaml-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Makefile LICENSE ./
COPY helper helper
# The helper shares headers with the sidecar image; without that image's own sources only the helper is built.
COPY sidecar-image/common sidecar-image/common
ARG TPDOCKER_BUILD=
RUN make -j"$(nproc)" PREFIX=/usr DESTDIR=/out install

# Debian 12's docker CLI (20.10) speaks API 1.41 at most, which Docker 29 refuses. Debian 13's (26.1) is understood by
# engines of either age. Only the program is taken: the package wants more than it needs.
FROM debian:bookworm-slim AS cli
WORKDIR /tmp/cli
RUN set -eu; cd /etc/apt; \
    if [ -e sources.list.d/debian.sources ]; then \
        sed 's/bookworm/trixie/g' sources.list.d/debian.sources >sources.list.d/trixie.sources; \
    else \
        sed 's/bookworm/trixie/g' sources.list >sources.list.d/trixie.list; \
    fi; \
    cd /tmp/cli; \
    apt-get update; \
    apt-get download docker-cli || apt-get download docker.io; \
    dpkg -x docker*.deb .; \
    rm -rf /var/lib/apt/lists/*

FROM debian:bookworm-slim
# openssh-client: for engines at ssh://
RUN apt-get update \
 && apt-get install -y --no-install-recommends libarchive13 libcurl4 libssh-4 libyajl2 libyaml-0-2 \
        ca-certificates openssh-client \
 && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/*
COPY --from=cli /tmp/cli/usr/bin/docker /usr/bin/docker
COPY --from=build /out/usr /usr
ENTRYPOINT ["tpdocker"]
