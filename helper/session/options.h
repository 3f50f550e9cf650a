/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options that say what a session is: shared by every command that
 * starts one.
 */
#ifndef TP_SESSION_OPTIONS_H
#define TP_SESSION_OPTIONS_H

#include "base/buf.h"
#include "base/opt.h"
#include "docker/endpoint.h"
#include "session/ports.h"

#define TP_IMAGE "tpdocker/sidecar:" TP_VERSION /* one image, two roles */

struct tp_session_opts {
	char *swap_deployment, *new_deployment, *deployment;
	char *context, *namespace, *kubeconfig, *serviceaccount;
	char *image;
	char *port_forward;
	char *volumes, *volumes_root, *volumes_limit;
	struct tp_strv also_proxy, never_proxy, pod_cidr, service_cidr;
	struct tp_strv expose, from_pod, to_pod, to_host;
	char *dns_upstream;	 /* "ADDRESS[:PORT]", or NULL */
	char *method;		 /* common/method.h, or "auto"; NULL: the default */
	char *engine;		 /* "sshuttle" or "native"; NULL: the default */
	char *on_disconnect;	 /* "reconnect" or "exit" */
	bool exit_on_disconnect; /* the same, once it was applied */
	char *docker_host, *docker_context, *docker_path;
	bool timings, verbose, quiet, help;
};

#define TP_SESSION_OPT(n, t, a, h, field, cmpl)                                     \
	{                                                                           \
		.name = n, .type = t, .arg = a, .help = h,                          \
		.offset = offsetof(struct tp_session_opts, field), .complete = cmpl \
	}

/* clang-format off */
/* Rows of an option table whose options struct begins with a struct
 * tp_session_opts: which cluster, which engine, how much is said. */
#define TP_CLUSTER_OPTS \
	TP_SESSION_OPT("context", TP_OPT_STRING, "NAME", "the kubeconfig context to use", context, "context"), \
	TP_SESSION_OPT("namespace", TP_OPT_STRING, "NAME", "the namespace of the workload (default: the context's)", namespace, "namespace"), \
	TP_SESSION_OPT("kubeconfig", TP_OPT_STRING, "FILE", "the kubeconfig file (default: KUBECONFIG, ~/.kube/config, then the in-cluster account)", kubeconfig, "file")
#define TP_ENGINE_OPTS \
	TP_SESSION_OPT("host", TP_OPT_STRING, "ADDRESS", "the Docker engine to use: unix://, tcp:// or ssh:// (default: as the docker CLI finds it)", docker_host, NULL), \
	TP_SESSION_OPT("docker-context", TP_OPT_STRING, "NAME", "the docker context to use", docker_context, "docker-context"), \
	TP_SESSION_OPT("docker-path", TP_OPT_STRING, "PROGRAM", "the docker CLI to run (default: TPDOCKER_DOCKER, then docker)", docker_path, "file")
#define TP_TALK_OPTS \
	TP_SESSION_OPT("verbose", TP_OPT_FLAG, NULL, "tell what happens, step by step", verbose, NULL), \
	TP_SESSION_OPT("quiet", TP_OPT_FLAG, NULL, "say nothing but errors and warnings", quiet, NULL), \
	TP_SESSION_OPT("help", TP_OPT_FLAG, NULL, "show this text", help, NULL)
#define TP_WHERE_OPTS TP_CLUSTER_OPTS, TP_ENGINE_OPTS, TP_TALK_OPTS
/* Who speaks the port-forward. */
#define TP_FORWARD_OPT \
	TP_SESSION_OPT("port-forward", TP_OPT_STRING, "native|kubectl|oc", "who speaks the port-forward to the agent (default: native)", port_forward, "native|kubectl|oc")
/* clang-format on */

extern const struct tp_opt tp_session_opt_table[];

/* What can be refused by looking at the options alone: two ways at once, a
 * bad CIDR, an unknown port-forward kind, bad names. 0 or -1 ERR (USAGE). */
int tp_session_opts_check(const struct tp_session_opts *o, struct tp_err *err);
/* The options about ports, for session/ports.h. They point into O. */
struct tp_port_wants tp_session_opts_ports(const struct tp_session_opts *o);
/* Sets the log level: --quiet, --verbose, or what docker was told (a plugin). */
void tp_session_opts_log(const struct tp_session_opts *o);
/* The same, and fills in defaults (image). */
void tp_session_opts_apply(struct tp_session_opts *o);
void tp_session_opts_docker(const struct tp_session_opts *o, struct tp_docker_globals *g);
void tp_session_opts_free(struct tp_session_opts *o);

#endif
