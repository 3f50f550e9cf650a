/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSocket (RFC 6455), client side: the handshake and the frames. Knows
 * bytes only; what the messages mean is the caller's.
 */
#ifndef TP_HTTP_WS_H
#define TP_HTTP_WS_H

#include <stdint.h>

#include "http/http.h"

/* Opcodes, RFC 6455 5.2 */
enum tp_ws_opcode {
	TP_WS_CONTINUATION = 0x0,
	TP_WS_TEXT = 0x1,
	TP_WS_BINARY = 0x2,
	TP_WS_CLOSE = 0x8,
	TP_WS_PING = 0x9,
	TP_WS_PONG = 0xa,
};

struct tp_ws;

/* Connects and upgrades. PROTOCOLS: Sec-WebSocket-Protocol values, preferred
 * first ("v4.channel.k8s.io"); the one chosen is tp_ws_protocol(). NULL: ERR, *STATUS and BODY as
 * with tp_http_upgrade. */
struct tp_ws *tp_ws_connect(struct tp_http_client *c, const char *path,
			    const char *const *protocols, int *status, struct tp_buf *body,
			    struct tp_cancel *cancel, struct tp_err *err);
/* Over a stream that has been upgraded already (tests). Owns S. */
struct tp_ws *tp_ws_from_stream(struct tp_stream *s);
void tp_ws_close(struct tp_ws *w); /* closes and frees; NULL is allowed */

const char *tp_ws_protocol(const struct tp_ws *w);
int tp_ws_fd(const struct tp_ws *w);
bool tp_ws_pending(const struct tp_ws *w);
const char *tp_ws_reason(const struct tp_ws *w); /* why it broke, or the close frame's text */

/* Reads payload bytes of data frames, never blocking: > 0 bytes in BUF, of
 * one message at most; *FIRST true when they begin a message, *LAST when they end it.
 * 0: closed in order; -1 errno (EAGAIN: nothing yet; EPROTO: garbage).
 * Pings are answered inside. A masked frame from the server, reserved bits, a fragmented
 * control frame or one over 125 bytes are EPROTO. */
ssize_t tp_ws_read(struct tp_ws *w, void *buf, size_t n, bool *first, bool *last);

/* Queues one whole binary message: PREFIX (may be empty, at most 16 bytes)
 * and N bytes of P, masked. Takes all or nothing: N, or -1 EAGAIN while
 * output is still queued (tp_ws_flush first). N is at most TP_WS_MESSAGE_MAX. */
#define TP_WS_MESSAGE_MAX (64u << 10)
ssize_t tp_ws_write(struct tp_ws *w, const void *prefix, size_t prefix_len, const void *p,
		    size_t n);
/* Sends what is queued: 0 when all is out, -1 errno (EAGAIN). */
int tp_ws_flush(struct tp_ws *w);
int tp_ws_ping(struct tp_ws *w); /* queues a ping */

#endif
