/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sidecar as the helper sees it: a container to create, and the control
 * channel (common/control.h) to its PID 1.
 */
#ifndef TP_SESSION_SIDECAR_H
#define TP_SESSION_SIDECAR_H

#include "base/frame.h"
#include "base/loop.h"
#include "docker/engine.h"
#include "docker/flags.h"

struct tp_sidecar_spec {
	const char *session, *by, *image;
	const char *name;     /* the container is tpdocker-NAME; NULL: the session's id */
	const char *hostname; /* the pod's, unless the user gave one */
	const struct tp_run_args *
		args; /* the flags that belong to the owner of the network namespace; may be NULL */
	const char *link_socket;	  /* to bind-mount, or NULL */
	const struct tp_json *user_image; /* for --publish-all: its EXPOSEd ports; or NULL */
	const char *api_version;
	bool ipv6; /* it is to have IPv6 inside, which engines turn off: without an address no packet gets as far as the packet filter */
	const char *
		volume; /* that brings the entry gate to containers (tp_record_volume); NULL: none */
	bool unfiltered; /* no packet filter, so no NET_ADMIN; and no network, unless ports are published */
	bool outside; /* what is not the cluster's leaves by the container's network, names as well */
	bool host_network; /* in the machine's own network namespace: ARGS have nothing to say */
};

/* The Engine API's create body. WITH_SOCKET: bind-mount the link's socket. NULL ERR (USAGE) for what cannot be. */
char *tp_sidecar_body(const struct tp_sidecar_spec *s, bool with_socket, struct tp_err *err);
/* Its container's name. The caller's. */
char *tp_sidecar_name(const char *session);
/* Whether the container is on a network of the user's own. */
bool tp_sidecar_local_net(const struct tp_run_args *a);

/* Creates (with the socket, and without it where the engine cannot see it), attaches, starts. Blocking. *STREAM: its
 * stdin and stdout. */
int tp_sidecar_start(struct tp_engine *e, const struct tp_sidecar_spec *s,
		     void (*on_stderr)(void *arg, const char *p, size_t n), void *arg, char id[65],
		     struct tp_stream **stream, struct tp_cancel *c, struct tp_err *err);

struct tp_control;
struct tp_control_events {
	void (*frame)(void *arg, const struct tp_frame *f);
	void (*ended)(void *arg, const char *reason); /* the sidecar is gone, or sent garbage */
	void *arg;
};
/* Owns S. */
struct tp_control *tp_control_new(struct tp_loop *l, struct tp_stream *s,
				  const struct tp_control_events *ev);
void tp_control_free(struct tp_control *c); /* NULL is allowed */
/* Queues a frame; it goes out as the stream takes it. */
void tp_control_send(struct tp_control *c, const char *name, const void *data, size_t len);
void tp_control_sends(struct tp_control *c, const char *name, const char *text);
/* One frame for each of L. */
void tp_control_send_list(struct tp_control *c, const char *name, const struct tp_strv *l);

#endif
