/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SOCKS 5 on the wire (RFC 1928), as far as a client may go without a password, with Tor's
 * extensions RESOLVE and RESOLVE_PTR:
 *
 *     client  5 N METHOD...                 server  5 METHOD
 *     client  5 COMMAND 0 KIND ADDRESS PORT server  5 REPLY 0 KIND ADDRESS PORT
 */
#ifndef TP_AGENT_SOCKSMSG_H
#define TP_AGENT_SOCKSMSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/wire.h"

#define TP_SOCKS_NAME_MAX    255
#define TP_SOCKS_MESSAGE_MAX (6 + 1 + TP_SOCKS_NAME_MAX)

enum tp_socks_command {
	TP_SOCKS_CONNECT = 1,
	TP_SOCKS_BIND = 2,
	TP_SOCKS_UDP = 3,
	TP_SOCKS_RESOLVE = 0xf0,     /* a name's address */
	TP_SOCKS_RESOLVE_PTR = 0xf1, /* an address's name */
};

enum tp_socks_reply {
	TP_SOCKS_GRANTED,
	TP_SOCKS_FAILURE,
	TP_SOCKS_DENIED,
	TP_SOCKS_NO_NETWORK,
	TP_SOCKS_NO_HOST, /* unreachable; also a name that there is not */
	TP_SOCKS_REFUSED,
	TP_SOCKS_TTL, /* no answer */
	TP_SOCKS_NO_COMMAND,
	TP_SOCKS_NO_KIND,
};

struct tp_socks_request {
	uint8_t command;
	enum tp_socks_reply refuse;	  /* not TP_SOCKS_GRANTED: say so, and close */
	char name[TP_SOCKS_NAME_MAX + 1]; /* or "", and then: */
	struct tp_target target;	  /* its port counts for a name, too */
};

/* The greeting at P: the bytes that it takes, 0 incomplete, -1 not SOCKS 5. *OPEN: it can do without a password. */
ssize_t tp_socks_greeting(const uint8_t *p, size_t n, bool *open);
/* The request at P, likewise. A name with a NUL in it, or an empty one, is refused. */
ssize_t tp_socks_request(const uint8_t *p, size_t n, struct tp_socks_request *r);

/* The answer with the address A (may be NULL: none) or, if there is one, the NAME; TP_SOCKS_MESSAGE_MAX bytes at OUT. Its length. */
size_t tp_socks_answer(enum tp_socks_reply reply, const struct tp_target *a, const char *name,
		       uint8_t *out);
/* For what connect says. */
enum tp_socks_reply tp_socks_reply_of(int errnum);

#endif
