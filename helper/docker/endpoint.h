/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which engine: found as the docker CLI finds it. --context, then --host,
 * then DOCKER_HOST, then DOCKER_CONTEXT, then config.json's currentContext,
 * then the platform's default socket.
 */
#ifndef TP_DOCKER_ENDPOINT_H
#define TP_DOCKER_ENDPOINT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "http/http.h"

/* docker's global options, as given to us (NULL, 0, false: not given). */
struct tp_docker_globals {
	const char *host;    /* --host, -H */
	const char *context; /* --context, -c */
	const char *config;  /* --config */
	int tls, tls_verify; /* 1, or -1 for =false */
	const char *tls_ca, *tls_cert, *tls_key;
	bool debug;	       /* --debug, -D */
	const char *log_level; /* --log-level, -l */
	const char *
		docker_path; /* the CLI; NULL: DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND, TPDOCKER_DOCKER, "docker" */
};

struct tp_docker_endpoint {
	char *host;    /* "unix:///var/run/docker.sock", "tcp://1.2.3.4:2376", "ssh://user@host" */
	char *context; /* the context's name, NULL if none was used */
	char *config_dir;  /* docker's configuration folder */
	char *socket_path; /* for unix:// */
	char *ca_pem, *cert_pem, *key_pem;
	bool tls, skip_verify;
	char *cli;		    /* the docker CLI to run */
	struct tp_strv cli_globals; /* global options that make that CLI use the same endpoint */
};

/* docker's configuration folder: --config, DOCKER_CONFIG, ~/.docker. The caller's. */
char *tp_docker_config_dir(const struct tp_docker_globals *g);

/* 0, or -1 ERR (unknown context, unreadable file, bad address). No connection is made. */
int tp_docker_endpoint_find(const struct tp_docker_globals *g, struct tp_docker_endpoint *ep,
			    struct tp_err *err);
void tp_docker_endpoint_free(struct tp_docker_endpoint *ep);

/* An HTTP client for it; ssh:// runs `ssh ... docker system dial-stdio`. EP must outlive it. */
struct tp_http_client *tp_docker_endpoint_client(const struct tp_docker_endpoint *ep,
						 struct tp_err *err);

#endif
