/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan of a session's ports: what the options ask for, what the swapped
 * container declares, and whether all of it can be had at once. Nothing but
 * looking: no request, no socket.
 *
 *   pod, every address : REMOTE --> container : LOCAL       --expose, and the declared ports
 *   pod, 127.0.0.1 : P          --> container : P           --from-pod
 *   container, 127.0.0.1 : P    --> pod, 127.0.0.1 : P      --to-pod
 *   container, 127.0.0.1 : C    --> this machine, 127.0.0.1 : H   --container-to-host
 */
#ifndef TP_SESSION_PORTS_H
#define TP_SESSION_PORTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/json.h"
#include "session/portspec.h"

#define TP_PORTS_MAX 1024 /* of one session */

/* The options' values, as they were given. */
struct tp_port_wants {
	const struct tp_strv *expose, *from_pod, *to_pod, *to_host;
};

struct tp_port {
	enum tp_port_kind kind;
	unsigned local;	 /* the container's port */
	unsigned remote; /* the pod's, or this machine's */
	char *said; /* "--expose 8080:80"; NULL: a declared port, exposed without being asked */
};

struct tp_ports {
	struct tp_port *v;
	size_t n;
};
void tp_ports_free(struct tp_ports *p); /* can be used again */

/* What can be refused without knowing the pod: bad values, and what clashes whatever the pod is. */
int tp_ports_check(const struct tp_port_wants *w, struct tp_err *err);

/* Whose ports there are already. */
struct tp_port_pod {
	const struct tp_json
		*spec; /* the pod's (or its template's); NULL: a new one, which declares none */
	const char *container; /* whose place the agent takes (or has) in it */
	bool expose_declared;  /* expose the TCP ports that CONTAINER declares */
};

/*
 * The plan, in the order of the options, the declared ports last. -1 ERR (USAGE): a name that is
 * not there (with those there are), or a clash; it says which port, and who has it.
 *
 * A declared port gives way to what the user asked for: it is left out if an --expose has its port on
 * either side, or another option needs it. NOTES: a line for each that is left out for a reason
 * that the user may not expect.
 */
int tp_ports_plan(const struct tp_port_wants *w, const struct tp_port_pod *pod,
		  struct tp_ports *out, struct tp_strv *notes, struct tp_err *err);

/* Whether P is a port of the pod that the agent listens on. */
static inline bool tp_port_is_inward(const struct tp_port *p)
{
	return p->kind == TP_PORT_EXPOSE || p->kind == TP_PORT_FROM_POD;
}
/* The address in the pod that it listens on. */
static inline const char *tp_port_bind(const struct tp_port *p)
{
	return p->kind == TP_PORT_FROM_POD ? "127.0.0.1" : "0.0.0.0";
}

size_t tp_ports_count(const struct tp_ports *p, enum tp_port_kind kind);
/* Whether a port of the pod below 1024 is wanted. */
bool tp_ports_privileged(const struct tp_ports *p);
/* "80 -> 8080, 7007, 9000-9010": the exposed ones for the user; the caller's. "" if there are none. */
char *tp_ports_describe(const struct tp_ports *p);

#endif
