/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One value of --expose, --from-pod, --to-pod or --container-to-host, taken
 * apart:
 *
 *     SIDE[:SIDE][/tcp]      SIDE: a port, a range FROM-TO, or a port's name
 *
 * Ports are 1 to 65535, written without sign or leading zero; a name is what
 * Kubernetes takes for a container's port (at most 15 of a-z, 0-9 and "-",
 * with a letter in it).
 */
#ifndef TP_SESSION_PORTSPEC_H
#define TP_SESSION_PORTSPEC_H

#include "base/err.h"

#define TP_PORT_NAME_MAX 15

enum tp_port_kind {
	TP_PORT_EXPOSE,	  /* the pod's REMOTE leads to the container's LOCAL */
	TP_PORT_FROM_POD, /* the same, for the pod's other containers alone: on its loopback */
	TP_PORT_TO_POD,	  /* the container's 127.0.0.1:LOCAL leads to the pod's */
	TP_PORT_TO_HOST, /* the container's 127.0.0.1:LOCAL leads to this machine's 127.0.0.1:REMOTE */
};

struct tp_port_side {
	char name[TP_PORT_NAME_MAX + 1]; /* "" if it is numbers */
	unsigned from, to;		 /* both included; 0 for a name */
};

struct tp_portspec {
	enum tp_port_kind kind;
	struct tp_port_side local, remote; /* the same, where one was given */
};

/* The option's name: "--expose". */
const char *tp_port_option(enum tp_port_kind kind);

/* TEXT as a value of KIND's option. -1 ERR (USAGE), naming option, value, reason and the
 * right form: garbage, two sides where one is taken, names where there can be none, ranges of
 * different length, and other protocols than TCP. */
int tp_portspec_parse(enum tp_port_kind kind, const char *text, struct tp_portspec *out,
		      struct tp_err *err);

#endif
