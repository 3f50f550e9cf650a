/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The methods: what of a program's traffic is captured, and who answers its names. An engine
 * (sshuttle, or the native one) only moves the bytes. Helper and sidecar both
 * look here for what a method is like; docs/methods.md tells users.
 */
#ifndef TP_COMMON_METHOD_H
#define TP_COMMON_METHOD_H

#include <stdbool.h>
#include <stddef.h>

enum tp_captured {
	TP_CAPTURED_ALL,   /* whatever leaves the network namespace */
	TP_CAPTURED_SCOPE, /* the networks that the helper names (TP_CTL_CAPTURE) and no more */
	TP_CAPTURED_CALLS, /* connections of programs, within them (inject.h): there is no engine */
};

enum tp_names {
	TP_NAMES_POD,	   /* the pod's name servers, word for word */
	TP_NAMES_SUFFIXES, /* the same, once the host's own search suffixes are off */
	TP_NAMES_WATCH, /* the sidecar, from what the helper's watches see (TP_CTL_NAMES); all others the engine's name servers */
	TP_NAMES_CALLS, /* the agent's resolver, for programs that are captured */
};

struct tp_method {
	const char *name; /* as --method has it */
	const char *what; /* in a few words */
	enum tp_captured captured;
	enum tp_names names;
	bool host_network; /* the sidecar is in the engine's host's network namespace */
	bool filters;	   /* there is a packet filter: NET_ADMIN is needed */
	bool sshuttle;	   /* --engine sshuttle can serve it */
};

/* Programs bring their connections themselves (inject.h): there is no engine, and nothing takes them. */
static inline bool tp_method_injects(const struct tp_method *m)
{
	return m->captured == TP_CAPTURED_CALLS;
}

/* NULL: there is no such method. */
const struct tp_method *tp_method_find(const char *name);
/* The I-th, from 0; NULL behind the last. The first is the default. */
const struct tp_method *tp_method_at(size_t i);

#endif
