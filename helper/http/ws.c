/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSocket frames (RFC 6455, 5). Reading:
 *
 *   HEAD --(header complete)--> PAYLOAD --(left == 0)--> HEAD
 *     \--(control frame)--> collected in control[], acted on --> HEAD
 *
 * An empty last fragment of a message ends it without a read that says LAST:
 * there are no bytes to say it with.
 */
#include "http/ws.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"
#include "http/handshake.h"

#define IN_SIZE	    (128u << 10)
#define DIRECT_MIN  (32u << 10) /* payload left, from which on no buffer is in between */
#define HEAD_MAX    14
#define PREFIX_MAX  16
#define CONTROL_MAX 125
#define CONTROLS    16 /* control frames that may wait for room */
#define OUT_SIZE    (HEAD_MAX + PREFIX_MAX + TP_WS_MESSAGE_MAX + CONTROLS * (CONTROL_MAX + 6))

struct tp_ws {
	struct tp_stream *s;
	char *protocol;

	/* in[in_pos..in_len) is read but not used */
	char *in;
	size_t in_pos, in_len;
	bool dry;	 /* what is in in[] is not enough to go on */
	uint64_t left;	 /* payload bytes of the data frame under way */
	bool fin;	 /* that frame is its message's last */
	bool in_message; /* between the first and the last frame of a message */
	bool first;	 /* the next payload byte is a message's first */
	bool close_sent, close_got, close_bad;
	int broken; /* errno that every further read gives */
	char reason[160];

	/* out[out_pos..out_len) is to be sent */
	unsigned char *out;
	size_t out_pos, out_len;
	unsigned char random[1024]; /* for masks */
	size_t random_pos;
};

struct tp_ws *tp_ws_from_stream(struct tp_stream *s)
{
	struct tp_ws *w = tp_calloc(1, sizeof(*w));

	w->s = s;
	w->protocol = tp_strdup("");
	w->in = tp_malloc(IN_SIZE);
	w->out = tp_malloc(OUT_SIZE);
	w->random_pos = sizeof(w->random);
	w->dry = true;
	return w;
}

struct tp_ws *tp_ws_connect(struct tp_http_client *c, const char *path,
			    const char *const *protocols, int *status, struct tp_buf *body,
			    struct tp_cancel *cancel, struct tp_err *err)
{
	TP_AUTO_BUF list = TP_BUF_INIT(4096);
	TP_AUTO_STRV answer = { 0 };
	char key[25], key_line[64];
	tp_autofree char *protocol = NULL;

	tp_ws_new_key(key);
	snprintf(key_line, sizeof(key_line), "Sec-WebSocket-Key: %s", key);
	tp_buf_puts(&list, "Sec-WebSocket-Protocol: ");
	for (size_t i = 0; protocols && protocols[i]; i++)
		tp_buf_printf(&list, "%s%s", i ? ", " : "", protocols[i]);
	const char *const headers[] = { "Connection: Upgrade",
					"Upgrade: websocket",
					"Sec-WebSocket-Version: 13",
					key_line,
					protocols && protocols[0] ? list.data : NULL,
					NULL };
	struct tp_http_request req = { .method = "GET", .path = path, .headers = headers };
	struct tp_stream *s = tp_http_upgrade(c, &req, false, &answer, status, body, cancel, err);

	if (!s)
		return NULL;
	if (tp_ws_check_answer(&answer, key, protocols, &protocol, err) < 0) {
		tp_stream_close(s);
		return NULL;
	}
	struct tp_ws *w = tp_ws_from_stream(s);
	if (protocol) {
		free(w->protocol);
		w->protocol = tp_steal(&protocol);
	}
	return w;
}

const char *tp_ws_protocol(const struct tp_ws *w)
{
	return w->protocol;
}

int tp_ws_fd(const struct tp_ws *w)
{
	return w->s->fd;
}

bool tp_ws_pending(const struct tp_ws *w)
{
	return (w->in_pos < w->in_len && !w->dry) || tp_stream_pending(w->s);
}

const char *tp_ws_reason(const struct tp_ws *w)
{
	if (w->reason[0])
		return w->reason;
	return tp_stream_reason(w->s);
}

/* ------------------------------------------------------------- writing */

typedef uint64_t vec __attribute__((vector_size(16)));

/* Copies P to OUT, masked; PHASE bytes of the payload went before. Vectors
 * by hand: this is every byte that is sent, also where -Os is set. */
static void mask_copy(unsigned char *out, const unsigned char *p, size_t n,
		      const unsigned char key[4], size_t phase)
{
	unsigned char m[16];
	size_t i = 0;
	vec mv, a, b;

	for (size_t k = 0; k < sizeof(m); k++)
		m[k] = key[(k + phase) & 3];
	memcpy(&mv, m, sizeof(mv));
	for (; i + 32 <= n; i += 32) {
		memcpy(&a, p + i, 16);
		memcpy(&b, p + i + 16, 16);
		a ^= mv;
		b ^= mv;
		memcpy(out + i, &a, 16);
		memcpy(out + i + 16, &b, 16);
	}
	for (; i < n; i++)
		out[i] = p[i] ^ m[i & 15];
}

static const unsigned char *new_mask(struct tp_ws *w)
{
	if (w->random_pos == sizeof(w->random)) {
		/* Up to 256 bytes are never cut short; more may be by a signal. */
		for (size_t at = 0; at < sizeof(w->random); at += 256)
			if (getrandom(w->random + at, 256, 0) != 256)
				abort();
		w->random_pos = 0;
	}
	w->random_pos += 4;
	return w->random + w->random_pos - 4;
}

static size_t out_room(const struct tp_ws *w)
{
	return OUT_SIZE - w->out_len;
}

/* Puts one whole frame behind what is queued. The caller saw to the room. */
static void put_frame(struct tp_ws *w, enum tp_ws_opcode op, const void *prefix, size_t prefix_len,
		      const void *p, size_t n)
{
	const unsigned char *key = new_mask(w);
	unsigned char *o = w->out + w->out_len;
	size_t len = prefix_len + n;

	*o++ = (unsigned char)(0x80 | op);
	if (len < 126) {
		*o++ = (unsigned char)(0x80 | len);
	} else if (len < 65536) {
		*o++ = 0x80 | 126;
		*o++ = (unsigned char)(len >> 8);
		*o++ = (unsigned char)len;
	} else {
		*o++ = 0x80 | 127;
		for (int shift = 56; shift >= 0; shift -= 8)
			*o++ = (unsigned char)((uint64_t)len >> shift);
	}
	memcpy(o, key, 4);
	o += 4;
	if (prefix_len)
		mask_copy(o, prefix, prefix_len, key, 0);
	if (n)
		mask_copy(o + prefix_len, p, n, key, prefix_len);
	w->out_len = (size_t)(o - w->out) + len;
}

/* A control frame that finds no room is dropped: a pong is an answer to the
 * latest ping only, and a peer that takes nothing needs no close. */
static bool put_control(struct tp_ws *w, enum tp_ws_opcode op, const void *p, size_t n)
{
	if (out_room(w) < n + 6)
		return false;
	put_frame(w, op, NULL, 0, p, n);
	return true;
}

int tp_ws_flush(struct tp_ws *w)
{
	while (w->out_pos < w->out_len) {
		ssize_t n = tp_stream_write(w->s, w->out + w->out_pos, w->out_len - w->out_pos);

		if (n < 0)
			return -1;
		w->out_pos += (size_t)n;
	}
	w->out_pos = w->out_len = 0;
	return tp_stream_write(w->s, "", 0) < 0 ? -1 : 0;
}

ssize_t tp_ws_write(struct tp_ws *w, const void *prefix, size_t prefix_len, const void *p, size_t n)
{
	if (n > TP_WS_MESSAGE_MAX || prefix_len > PREFIX_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	if (w->close_sent || w->close_got) {
		errno = EPIPE;
		return -1;
	}
	if (tp_ws_flush(w) < 0)
		return -1;
	put_frame(w, TP_WS_BINARY, prefix, prefix_len, p, n);
	if (tp_ws_flush(w) < 0 && errno != EAGAIN)
		return -1;
	return (ssize_t)n;
}

int tp_ws_ping(struct tp_ws *w)
{
	if (w->close_sent || !put_control(w, TP_WS_PING, NULL, 0)) {
		errno = w->close_sent ? EPIPE : EAGAIN;
		return -1;
	}
	return 0;
}

/* ------------------------------------------------------------- reading */

static ssize_t broken(struct tp_ws *w, int errnum, const char *why)
{
	w->broken = errnum;
	if (!w->reason[0])
		snprintf(w->reason, sizeof(w->reason), "%s", why);
	errno = errnum;
	return -1;
}

static ssize_t garbage(struct tp_ws *w, const char *why)
{
	static const unsigned char code[2] = { 1002 >> 8, 1002 & 0xff };

	if (!w->close_sent && put_control(w, TP_WS_CLOSE, code, 2)) {
		w->close_sent = true;
		tp_ws_flush(w);
	}
	return broken(w, EPROTO, why);
}

/* Codes that may stand in a close frame (RFC 6455, 7.4). */
static bool is_close_code(unsigned code)
{
	return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
	       (code >= 3000 && code <= 4999);
}

static int on_close(struct tp_ws *w, const unsigned char *p, size_t n)
{
	unsigned code = n >= 2 ? (unsigned)p[0] << 8 | p[1] : 1005;

	if (n == 1 || (n >= 2 && !is_close_code(code)))
		return (int)garbage(w, "a malformed close frame");
	w->close_got = true;
	w->close_bad = code != 1000 && code != 1001 && code != 1005;
	if (n > 2)
		snprintf(w->reason, sizeof(w->reason), "%.*s", (int)(n - 2), (const char *)p + 2);
	else if (w->close_bad)
		snprintf(w->reason, sizeof(w->reason), "closed with code %u", code);
	if (!w->close_sent && put_control(w, TP_WS_CLOSE, p, n >= 2 ? 2 : 0)) {
		w->close_sent = true;
		tp_ws_flush(w); /* if it cannot go now, it does not matter */
	}
	return 0;
}

static int on_control(struct tp_ws *w, unsigned op, const unsigned char *p, size_t n)
{
	switch (op) {
	case TP_WS_PING:
		if (!w->close_sent && put_control(w, TP_WS_PONG, p, n) && tp_ws_flush(w) < 0 &&
		    errno != EAGAIN)
			return (int)broken(w, errno, "the connection broke");
		return 0;
	case TP_WS_PONG:
		return 0;
	case TP_WS_CLOSE:
		return on_close(w, p, n);
	default:
		return (int)garbage(w, "a reserved opcode");
	}
}

/* Takes one header, and a control frame whole. 1 taken, 0 more is needed,
 * -1 broken. */
static int next_head(struct tp_ws *w)
{
	const unsigned char *p = (unsigned char *)w->in + w->in_pos;
	size_t have = w->in_len - w->in_pos, head = 2;
	uint64_t len;

	if (have < 2)
		return 0;
	unsigned op = p[0] & 0x0f;
	bool fin = p[0] & 0x80;

	if (p[0] & 0x70)
		return (int)garbage(w, "reserved bits are set");
	if (p[1] & 0x80)
		return (int)garbage(w, "a masked frame from the server");
	if ((op & 8) && (!fin || p[1] > CONTROL_MAX))
		return (int)garbage(w, "a control frame in fragments or too long");
	len = p[1];
	if (len == 126) {
		if (have < 4)
			return 0;
		len = (uint64_t)p[2] << 8 | p[3];
		head = 4;
	} else if (len == 127) {
		if (have < 10)
			return 0;
		len = 0;
		for (int i = 2; i < 10; i++)
			len = len << 8 | p[i];
		head = 10;
	}
	if ((head == 4 && len < 126) || (head == 10 && (len < 65536 || len >> 63)))
		return (int)garbage(w, "a length not written as the protocol says");
	if (op & 8) {
		if (have < head + len)
			return 0;
		w->in_pos += head + len;
		return on_control(w, op, p + head, len) < 0 ? -1 : 1;
	}
	if (op > TP_WS_BINARY)
		return (int)garbage(w, "a reserved opcode");
	if ((op == TP_WS_CONTINUATION) != w->in_message)
		return (int)garbage(w, "a fragment out of order");
	w->in_pos += head;
	w->left = len;
	w->fin = fin;
	if (!w->in_message)
		w->first = true;
	w->in_message = !fin;
	return 1;
}

/* > 0 as read(2); 0 and -1 are ends and errors, put into words. */
static ssize_t fill(struct tp_ws *w, void *buf, size_t n)
{
	ssize_t got = tp_stream_read(w->s, buf, n);

	if (got == 0)
		return broken(w, ECONNRESET, "the connection ended without a closing handshake");
	if (got < 0 && errno != EAGAIN) {
		int e = errno;
		const char *why = tp_stream_reason(w->s);

		return broken(w, e, why ? why : strerror(e));
	}
	return got;
}

/* More bytes behind in[in_len). */
static ssize_t fill_in(struct tp_ws *w)
{
	if (w->in_pos == w->in_len) {
		w->in_pos = w->in_len = 0;
	} else if (w->in_pos > 0) {
		/* Less than a control frame: larger payloads are used up. */
		memmove(w->in, w->in + w->in_pos, w->in_len - w->in_pos);
		w->in_len -= w->in_pos;
		w->in_pos = 0;
	}
	ssize_t n = fill(w, w->in + w->in_len, IN_SIZE - w->in_len);
	if (n > 0)
		w->in_len += (size_t)n;
	else
		w->dry = true;
	return n;
}

static ssize_t give(struct tp_ws *w, size_t n, bool *first, bool *last)
{
	w->left -= n;
	*first = w->first;
	w->first = false;
	*last = w->left == 0 && w->fin;
	w->dry = false;
	return (ssize_t)n;
}

ssize_t tp_ws_read(struct tp_ws *w, void *buf, size_t n, bool *first, bool *last)
{
	*first = *last = false;
	for (;;) {
		size_t have = w->in_len - w->in_pos;

		if (w->broken) {
			errno = w->broken;
			return -1;
		}
		if (w->close_got) {
			if (!w->close_bad)
				return 0;
			errno = ECONNABORTED;
			return -1;
		}
		if (w->left > 0 && have > 0) {
			size_t k = have < n ? have : n;

			if (k > w->left)
				k = (size_t)w->left;
			memcpy(buf, w->in + w->in_pos, k);
			w->in_pos += k;
			return give(w, k, first, last);
		}
		if (w->left >= DIRECT_MIN && n >= DIRECT_MIN) {
			ssize_t k = fill(w, buf, n < w->left ? n : (size_t)w->left);

			if (k <= 0) {
				w->dry = true;
				return k;
			}
			return give(w, (size_t)k, first, last);
		}
		if (w->left == 0) {
			int rc = next_head(w);

			if (rc < 0)
				return -1;
			if (rc > 0)
				continue;
		}
		ssize_t got = fill_in(w);
		if (got <= 0)
			return got;
	}
}

void tp_ws_close(struct tp_ws *w)
{
	static const unsigned char code[2] = { 1000 >> 8, 1000 & 0xff };

	if (!w)
		return;
	if (!w->close_sent && !w->broken)
		put_control(w, TP_WS_CLOSE, code, 2);
	tp_ws_flush(w); /* as far as it goes without waiting */
	tp_stream_close(w->s);
	free(w->protocol);
	free(w->in);
	free(w->out);
	free(w);
}
