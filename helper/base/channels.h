/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many connections over one stream. Each has a window of its own, so that
 * one that is not read holds up no other; half-close and reset pass through
 * as they are.
 *
 * Both ends run this code. One side opens connections, the other is asked:
 *
 *   tp_channels_open(fd, number) --OPEN--> asked(id, number)
 *                                <-OPENED- tp_channels_answer(id, fd)
 *                                <-RESET-- tp_channels_answer(id, -1)
 *          bytes, then an end, each way on its own
 *
 * On the wire a message is, big endian:
 *
 *   ID(4) TYPE(1) 0(1) LENGTH(2) PAYLOAD
 */
#ifndef TP_BASE_CHANNELS_H
#define TP_BASE_CHANNELS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/loop.h"
#include "base/stream.h"

#define TP_CHANNELS_MAX	   4096		/* connections at once; more are refused */
#define TP_CHANNEL_WINDOW  (256u << 10) /* bytes of one connection that are under way at most */
#define TP_CHANNEL_PAYLOAD 32768
#define TP_CHANNEL_HEADER  8

enum tp_channel_type {
	TP_CHANNEL_OPEN = 1, /* the number, 2 bytes */
	TP_CHANNEL_OPENED,
	TP_CHANNEL_DATA,
	TP_CHANNEL_END,	   /* no more data this way */
	TP_CHANNEL_RESET,  /* over, both ways; also: refused */
	TP_CHANNEL_CREDIT, /* so many bytes more may be sent, 4 bytes */
};

struct tp_channels;

struct tp_channels_events {
	/* The other side wants a connection to NUMBER. NULL: it may not ask. */
	void (*asked)(void *arg, uint32_t id, unsigned number);
	/* The stream is over. Called from the loop, once; free the channels then. */
	void (*ended)(void *arg, const char *reason);
	void *arg;
};

/* Owns S. */
struct tp_channels *tp_channels_new(struct tp_loop *l, struct tp_stream *s,
				    const struct tp_channels_events *ev);
/* Resets every connection and closes the stream, without a call of ENDED. NULL is allowed. */
void tp_channels_free(struct tp_channels *c);

/* Joins the socket FD, which it owns, to what the other side finds at NUMBER (0 to 65535). Is it
 * refused, or are there too many, FD is closed with a reset. */
void tp_channels_open(struct tp_channels *c, int fd, unsigned number);
/* The answer to ASKED, at any time: a connected socket, owned from now on, or -1. */
void tp_channels_answer(struct tp_channels *c, uint32_t id, int fd);

size_t tp_channels_count(const struct tp_channels *c);

/* Closes the socket FD so that its peer gets a reset, not an orderly end. */
void tp_channels_reset(int fd);

/* channelmsg.c: the first message of P: > 0 the bytes it takes; 0 incomplete; -1 garbage. And the
 * TP_CHANNEL_HEADER bytes that go before LEN of a payload. */
struct tp_channel_msg {
	uint32_t id;
	enum tp_channel_type type;
	const char *data;
	size_t len;
	uint32_t value; /* of OPEN and CREDIT */
};
ssize_t tp_channels_parse(const char *p, size_t n, struct tp_channel_msg *m);
void tp_channels_header(char *p, uint32_t id, enum tp_channel_type type, size_t len);

#endif
