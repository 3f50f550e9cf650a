/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the helper's watches see of the cluster, as the sidecar keeps it to answer names by itself (method teleproxy):
 * lines, in frames TP_CTL_NAMES, whole ones in each.
 *
 *     begin KIND NAMESPACE	all there is of the kind follows; NAMESPACE: of this one alone; "*": of all
 *     S NAMESPACE NAME ADDRESSES PORTS			a Service; ADDRESSES "-": headless, "=": an ExternalName
 *     L NAMESPACE NAME SERVICE PORTS ENDPOINTS		an EndpointSlice, its ready endpoints
 *     P NAMESPACE NAME ADDRESSES			a Pod
 *     -S NAMESPACE NAME, -L ..., -P ...		it is gone
 *     end KIND						what was there before and did not come again is gone
 *
 * KIND is one of the three letters. Lists have commas between their members, and "-" is an empty one. A port is
 * NAME:PROTOCOL:NUMBER (the name may be empty, the protocol is in small letters), an endpoint ADDRESS or ADDRESS/HOSTNAME.
 */
#ifndef TP_COMMON_NAMELINE_H
#define TP_COMMON_NAMELINE_H

#include <stdbool.h>
#include <stddef.h>

#define TP_NAMELINE_MAX	   (512u << 10) /* bytes of a line: 1,000 endpoints with names */
#define TP_NAMELINE_FIELDS 6

#define TP_NAME_SERVICE	   'S'
#define TP_NAME_SLICE	   'L'
#define TP_NAME_POD	   'P'
#define TP_NAME_KINDS	   "SLP"

/* A part of a line. */
struct tp_word {
	const char *p;
	size_t n;
};

struct tp_nameline {
	enum { TP_NAMELINE_BEGIN, TP_NAMELINE_PUT, TP_NAMELINE_GONE, TP_NAMELINE_END } what;
	char kind;
	struct tp_word ns, name, service, addresses,
		ports; /* ADDRESSES: a slice's endpoints as well */
};

/* A line of N bytes, without its newline; its words stay where they are. 0, or -1: it is none. */
int tp_nameline_parse(const char *p, size_t n, struct tp_nameline *l);
/* The next member of the list REST, which is cut. False at its end. */
bool tp_word_next(struct tp_word *rest, struct tp_word *member);
/* A port's three parts. False: it is none. */
bool tp_word_port(struct tp_word port, struct tp_word *name, struct tp_word *protocol,
		  unsigned *number);
bool tp_word_is(struct tp_word w, const char *text, size_t n);

#endif
