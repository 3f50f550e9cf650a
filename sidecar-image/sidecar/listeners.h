/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which TCP ports somebody listens on in this network namespace, and at which
 * address they are reached: asked of the kernel (sock_diag), or read from
 * /proc/net where it cannot be asked.
 */
#ifndef TP_SIDECAR_LISTENERS_H
#define TP_SIDECAR_LISTENERS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A port that is of interest, and where its listener is. */
struct listener {
	uint16_t port;
	int rank;		     /* 0: nobody listens; the rest is listeners.c's own */
	char host[INET6_ADDRSTRLEN]; /* to connect to: 127.0.0.1 if it is taken there */
};

/* Fills the N entries of L, whose ports are set. 0, or -1 errno: nothing is known. */
int listeners_find(struct listener *l, size_t n);

/* Apart for tests: one listening socket, its address in network order (4 or 16 bytes); and
 * the text of /proc/net/tcp (or tcp6: V6), of which the listening ones are noted. */
void listeners_note(struct listener *l, size_t n, bool v6, const void *addr, bool v6only,
		    uint16_t port);
void listeners_read_proc(struct listener *l, size_t n, bool v6, const char *text);

#endif
