/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /etc/resolv.conf and /etc/hosts: read as the resolver reads them, and
 * joined from the pod's, the engine's and the user's. Lines with a NUL byte
 * and lines longer than 4 KiB are dropped: no resolver reads them either.
 */
#ifndef TP_COMMON_NETFILES_H
#define TP_COMMON_NETFILES_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/buf.h"

#define TP_RESOLV_SERVERS 3 /* as glibc's MAXNS; the others are never asked */

struct tp_nameserver {
	char text[64];
	struct sockaddr_storage addr; /* port 53 */
	socklen_t len;
};

struct tp_resolv {
	struct tp_nameserver ns[TP_RESOLV_SERVERS];
	size_t n_ns;
	struct tp_strv search;
	struct tp_strv options;
	int timeout_ms; /* a try; 5000 unless options say */
	int attempts;	/* rounds over all servers; 2 unless options say */
	bool rotate;
};
void tp_resolv_parse(struct tp_resolv *r, const char *text, size_t n);
void tp_resolv_free(struct tp_resolv *r);
/* "10.96.0.10", "fd00::a", "fe80::1%eth0": 0, or -1. */
int tp_nameserver_parse(struct tp_nameserver *ns, const char *text);
/* The same with a port behind it, or without: "10.96.0.10:5353", "[fd00::a]:5353". */
int tp_nameserver_parse_port(struct tp_nameserver *ns, const char *text);

/* What a user's --dns, --dns-search and --dns-option replace (empty list: the
 * pod's stay). A search list of "." means none. */
struct tp_resolv_change {
	const struct tp_strv *ns, *search, *options;
};
/* The pod's file with the changes; what is not changed stays to the byte.
 * 0, or -1 past OUT's maximum. */
int tp_resolv_edit(const char *pod, size_t n, const struct tp_resolv_change *c, struct tp_buf *out);

/* The engine's file OWN (own name, localhost), the user's lines ADD
 * ("NAME:IP"), then what the pod's file has beside localhost and the pod's
 * own line (hostAliases). An earlier result as OWN gives the same again. */
int tp_hosts_merge(const char *own, size_t own_n, const char *pod, size_t pod_n,
		   const char *pod_name, const struct tp_strv *add, struct tp_buf *out);

/* Whether a line "NAME:IP" is one that tp_hosts_merge takes. */
bool tp_add_host_ok(const char *s);

#endif
