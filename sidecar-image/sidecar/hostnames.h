/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names where the network namespace is the machine's: the forwarder (dnsfwd.h) gets all of its questions,
 * and only the cluster's are the agent's to answer.
 *
 *   below the cluster's domain, or of an address that is captured --> the agent
 *   could be a name of the cluster's that lacks its domain        --> the agent, with each of the pod's search domains
 *                                                                     behind it; if there is no such name: the machine's servers
 *   everything else                                               --> the machine's servers
 *
 * One of the machine's own search domains at the end of a name, the longest, is taken off first: resolvers put them there by
 * themselves. Which ones, resolv.conf tells, and the marker (TP_DNS_MARKER): the helper asks for it as any program would.
 * The servers are asked as they were before, with a mark that the filter lets pass. Without a link the agent's
 * questions wait, and fail; a single word, and what ends in .svc, goes to nobody else meanwhile.
 */
#ifndef TP_SIDECAR_HOSTNAMES_H
#define TP_SIDECAR_HOSTNAMES_H

#include "sidecar/dnsfwd.h"

enum whose {
	NAME_HOST,    /* the machine's servers alone */
	NAME_CLUSTER, /* the agent alone */
	NAME_EITHER,  /* first the agent; without a link the machine's servers at once */
	NAME_RATHER,  /* the same, but without a link it waits */
};

/* NAME in lower case, no dot at its end. SEARCH: the pod's; SUFFIXES: the machine's own; ALSO: names that are captured. */
enum whose hostnames_whose(const char *name, const struct tp_strv *search,
			   const struct tp_strv *suffixes, const struct tp_strv *scope,
			   const struct tp_strv *also);

/* NAME as ALSO (--also-proxy) has it, whatever its case; NULL: it has not. */
const char *hostnames_also(const struct tp_strv *also, const char *name);

struct hostnames;
/* Of the machine's resolv.conf. */
struct hostnames *hostnames_new(struct sidecar *s);
/* True: the pending question P is the agent's to answer as it stands. Else it is seen to; it may be over already. */
bool hostnames_route(struct hostnames *h, struct pending *p, const char *name);
/* The agent has no such name, or there is no agent: the machine's servers may. */
void hostnames_ask(struct hostnames *h, struct pending *p);
struct upstream;
void hostnames_drop(struct upstream *u); /* NULL is allowed */
/* hosttries.c: the agent is asked for all of NAMES, and the first in order that there is answers P. HOST_NEXT: if there is none, the
 * machine's servers are asked for P itself. */
#define HOSTNAMES_TRIES 6
struct tries;
void hostnames_try(struct hostnames *h, struct dnsfwd *d, struct pending *p, char *const *names,
		   size_t n, bool host_next);
void hostnames_leave(struct tries *t); /* nobody waits for them any more; NULL is allowed */
/* The Ith of them has its answer. */
void hostnames_tried(struct tries *t, size_t i, const uint8_t *answer, size_t n);
/* The agent can be asked (again): names that are captured are looked up. */
void hostnames_linked(struct hostnames *h);
/* Questions to the machine's servers are led here from now on: whether the cluster asks them, too. */
void hostnames_look(struct hostnames *h);
/* The agent's answer to a question of our own for NAME (dns_ask_agent) is there. */
void hostnames_asked(struct hostnames *h, const char *name);
/* An answer on its way to who asked: if it is about a name that is captured, so are the addresses in it. */
void hostnames_seen(struct hostnames *h, const struct pending *p, const uint8_t *answer, size_t n);
/* The machine's servers, for the filter. */
const struct tp_strv *hostnames_servers(const struct hostnames *h);

#endif
