/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSH's connection sharing on the wire (PROTOCOL.mux, version 4): what
 * mux.c (sessions) and muxfwd.c (port forwards) have in common. A message is
 * its length in 4 bytes and a body; numbers are big endian, strings have
 * their length in front.
 */
#ifndef TP_SIDECAR_MUXWIRE_H
#define TP_SIDECAR_MUXWIRE_H

#include <stdint.h>
#include <string.h>

#include "base/buf.h"

#define MUX_VERSION	4
#define MUX_MAX_MESSAGE 4096 /* of the master's that are of interest */

/* names and values as in PROTOCOL.mux */
enum {
	MUX_MSG_HELLO = 0x00000001,
	MUX_C_NEW_SESSION = 0x10000002,
	MUX_C_OPEN_FWD = 0x10000006,
	MUX_C_CLOSE_FWD = 0x10000007,
	MUX_S_OK = 0x80000001,
	MUX_S_PERMISSION_DENIED = 0x80000002,
	MUX_S_FAILURE = 0x80000003,
	MUX_S_EXIT_MESSAGE = 0x80000004,
	MUX_FWD_LOCAL = 1,
	MUX_FWD_REMOTE = 2,
};

static inline void mux_put32(struct tp_buf *b, uint32_t v)
{
	char p[4] = { (char)(v >> 24), (char)(v >> 16), (char)(v >> 8), (char)v };

	tp_buf_put(b, p, 4);
}

static inline void mux_put_string(struct tp_buf *b, const char *s)
{
	mux_put32(b, (uint32_t)strlen(s));
	tp_buf_puts(b, s);
}

static inline void mux_put_message(struct tp_buf *out, const struct tp_buf *body)
{
	mux_put32(out, (uint32_t)body->len);
	tp_buf_put(out, body->data, body->len);
}

static inline uint32_t mux_get32(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

/* A connection to the master, blocking; -1 with errno. */
int mux_connect(void);

/* The first message of P: > 0 the bytes it takes, its body in BODY and LEN;
 * 0 incomplete; -1 longer than any of interest. */
ssize_t mux_parse(const char *p, size_t n, const char **body, size_t *len);

#endif
