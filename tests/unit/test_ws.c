/* SPDX-License-Identifier: Apache-2.0 */
#include "tp_test.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "http/handshake.h"
#include "http/ws.h"

struct pair {
	struct tp_ws *w;
	int peer;
};

static struct pair make_pair(void)
{
	int fd[2];
	int size = 1 << 20;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(fd[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return (struct pair){ tp_ws_from_stream(tp_stream_from_fd(fd[0])), fd[1] };
}

static void end_pair(struct pair *p)
{
	tp_ws_close(p->w);
	close(p->peer);
}

static void put(struct pair *p, const char *bytes, size_t n)
{
	assert_int_equal(tp_write_all(p->peer, bytes, n), 0);
}
#define PUT(p, s) put(p, s, sizeof(s) - 1)

/* Reads one frame from the client and unmasks it. */
static size_t take_frame(int fd, unsigned *op, unsigned char *buf)
{
	unsigned char h[14];
	size_t len, at = 2;

	assert_int_equal(recv(fd, h, 2, MSG_WAITALL), 2);
	*op = h[0];
	assert_true(h[1] & 0x80);
	len = h[1] & 0x7f;
	if (len == 126) {
		assert_int_equal(recv(fd, h + 2, 2, MSG_WAITALL), 2);
		len = (size_t)h[2] << 8 | h[3];
		at = 4;
	} else if (len == 127) {
		assert_int_equal(recv(fd, h + 2, 8, MSG_WAITALL), 8);
		len = (size_t)h[7] << 16 | (size_t)h[8] << 8 | h[9];
		at = 10;
	}
	assert_int_equal(recv(fd, h + at, 4, MSG_WAITALL), 4);
	if (len)
		assert_int_equal(recv(fd, buf, len, MSG_WAITALL), len);
	for (size_t i = 0; i < len; i++)
		buf[i] ^= h[at + (i & 3)];
	return len;
}

static void writes_frames(void **state)
{
	static const size_t sizes[] = { 0,   1,	  3,	15,    16,    17,    124,  125,
					126, 127, 1000, 65531, 65534, 65535, 65536 };
	static unsigned char data[TP_WS_MESSAGE_MAX], got[TP_WS_MESSAGE_MAX + 16];
	struct pair p = make_pair();
	unsigned op;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 7 + i / 251);
	for (size_t i = 0; i < TP_ARRAY_SIZE(sizes); i++) {
		for (size_t pre = 0; pre <= 5; pre++) {
			assert_int_equal(tp_ws_write(p.w, "\1\2\3\4\5", pre, data, sizes[i]),
					 sizes[i]);
			assert_int_equal(tp_ws_flush(p.w), 0);
			assert_int_equal(take_frame(p.peer, &op, got), sizes[i] + pre);
			assert_int_equal(op, 0x82);
			assert_memory_equal(got, "\1\2\3\4\5", pre);
			assert_memory_equal(got + pre, data, sizes[i]);
		}
	}
	assert_int_equal(tp_ws_write(p.w, NULL, 0, data, TP_WS_MESSAGE_MAX + 1), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(tp_ws_ping(p.w), 0);
	assert_int_equal(tp_ws_flush(p.w), 0);
	assert_int_equal(take_frame(p.peer, &op, got), 0);
	assert_int_equal(op, 0x89);
	end_pair(&p);
}

static void does_not_block(void **state)
{
	static unsigned char data[TP_WS_MESSAGE_MAX], got[TP_WS_MESSAGE_MAX + 16];
	struct pair p = make_pair();
	unsigned op;
	int n = 0, read = 0;

	(void)state;
	while (tp_ws_write(p.w, "x", 1, data, sizeof(data)) > 0)
		assert_true(++n < 1000);
	assert_int_equal(errno, EAGAIN);
	/* A ping in between is answered when there is room again. */
	PUT(&p, "\x89\x02hi");
	bool first, last;
	assert_int_equal(tp_ws_read(p.w, got, 10, &first, &last), -1);
	assert_int_equal(errno, EAGAIN);
	while (read < n) {
		assert_int_equal(take_frame(p.peer, &op, got), sizeof(data) + 1);
		assert_int_equal(op, 0x82);
		read++;
		tp_ws_flush(p.w);
	}
	assert_int_equal(tp_ws_flush(p.w), 0);
	assert_int_equal(take_frame(p.peer, &op, got), 2);
	assert_int_equal(op, 0x8a);
	assert_memory_equal(got, "hi", 2);
	end_pair(&p);
}

static void reads_messages(void **state)
{
	struct pair p = make_pair();
	bool first, last;
	char buf[100];

	(void)state;
	assert_int_equal(tp_ws_read(p.w, buf, 10, &first, &last), -1);
	assert_int_equal(errno, EAGAIN);
	assert_false(tp_ws_pending(p.w));
	/* one message, then one in two fragments with a ping between, an empty one, a text */
	PUT(&p, "\x82\x05hello\x02\x02"
		"ab\x89\x01!\x80\x01"
		"c\x82\x00\x81\x01t");
	assert_int_equal(tp_ws_read(p.w, buf, 3, &first, &last), 3);
	assert_true(first && !last);
	assert_true(tp_ws_pending(p.w));
	assert_int_equal(tp_ws_read(p.w, buf, 100, &first, &last), 2);
	assert_true(!first && last);
	assert_int_equal(tp_ws_read(p.w, buf, 100, &first, &last), 2);
	assert_true(first && !last);
	assert_int_equal(tp_ws_read(p.w, buf, 100, &first, &last), 1);
	assert_true(!first && last);
	assert_int_equal(tp_ws_read(p.w, buf, 100, &first, &last), 1);
	assert_true(first && last);
	assert_int_equal(buf[0], 't');
	assert_int_equal(tp_ws_read(p.w, buf, 100, &first, &last), -1);
	assert_int_equal(errno, EAGAIN);
	assert_false(tp_ws_pending(p.w));
	/* byte by byte, with all lengths of the length */
	static const char bytes[] = "\x82\x7e\x00\x7e";
	for (int i = 0; i < 4; i++) {
		put(&p, bytes + i, 1);
		assert_int_equal(tp_ws_read(p.w, buf, 100, &first, &last), -1);
		assert_int_equal(errno, EAGAIN);
		assert_false(tp_ws_pending(p.w));
	}
	for (int i = 0; i < 126; i++) {
		put(&p, "z", 1);
		assert_int_equal(tp_ws_read(p.w, buf, 100, &first, &last), 1);
		assert_true(first == (i == 0) && last == (i == 125));
	}
	end_pair(&p);
}

static void closes_in_order(void **state)
{
	struct pair p = make_pair();
	unsigned char got[200];
	bool first, last;
	unsigned op;

	(void)state;
	PUT(&p, "\x82\x01x\x88\x05\x03\xe8"
		"bye");
	assert_int_equal(tp_ws_read(p.w, got, 10, &first, &last), 1);
	assert_int_equal(tp_ws_read(p.w, got, 10, &first, &last), 0);
	assert_int_equal(tp_ws_read(p.w, got, 10, &first, &last), 0);
	assert_string_equal(tp_ws_reason(p.w), "bye");
	assert_int_equal(take_frame(p.peer, &op, got), 2);
	assert_int_equal(op, 0x88);
	assert_memory_equal(got, "\x03\xe8", 2);
	assert_int_equal(tp_ws_write(p.w, NULL, 0, "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	end_pair(&p);

	p = make_pair();
	PUT(&p, "\x88\x08\x03\xf3"
		"failed");
	assert_int_equal(tp_ws_read(p.w, got, 10, &first, &last), -1);
	assert_int_equal(errno, ECONNABORTED);
	assert_string_equal(tp_ws_reason(p.w), "failed");
	end_pair(&p);

	p = make_pair();
	shutdown(p.peer, SHUT_WR);
	assert_int_equal(tp_ws_read(p.w, got, 10, &first, &last), -1);
	assert_int_equal(errno, ECONNRESET);
	end_pair(&p);

	p = make_pair(); /* ours */
	int peer = p.peer;
	tp_ws_close(p.w);
	assert_int_equal(take_frame(peer, &op, got), 2);
	assert_int_equal(op, 0x88);
	close(peer);
}

static void refuses_garbage(void **state)
{
	static const struct {
		const char *p;
		size_t n;
	} bad[] = {
#define B(s) { s, sizeof(s) - 1 }
		B("\x82\x81\x01\x02\x03\x04x"), /* masked */
		B("\xc2\x01x"),
		B("\xa2\x01x"),
		B("\x92\x01x"), /* reserved bits */
		B("\x83\x01x"),
		B("\x87\x00"),
		B("\x8b\x00"), /* reserved opcodes */
		B("\x09\x00"),
		B("\x08\x00"), /* control in fragments */
		B("\x89\x7e\x00\x7e"),
		B("\x88\x7f\0\0\0\0\0\1\0\0"),	     /* long control */
		B("\x80\x01x"),			     /* continues nothing */
		B("\x02\x01x\x82\x01y"),	     /* begins within a message */
		B("\x82\x7e\x00\x7d"),		     /* not the shortest */
		B("\x82\x7f\0\0\0\0\0\0\xff\xff"),   /* not the shortest */
		B("\x82\x7f\x80\0\0\0\0\0\xff\xff"), /* negative */
		B("\x88\x01x"),
		B("\x88\x02\x03\xed"),
		B("\x88\x02\x00\x00"), /* close */
	};
	char buf[100];
	bool first, last;

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(bad); i++) {
		struct pair p = make_pair();
		ssize_t n;

		put(&p, bad[i].p, bad[i].n);
		do
			n = tp_ws_read(p.w, buf, sizeof(buf), &first, &last);
		while (n > 0);
		if (n != -1 || errno != EPROTO)
			fail_msg("%zu was taken", i);
		assert_non_null(tp_ws_reason(p.w));
		assert_int_equal(tp_ws_read(p.w, buf, sizeof(buf), &first, &last), -1);
		assert_int_equal(errno, EPROTO);
		end_pair(&p);
	}
}

static void checks_the_handshake(void **state)
{
	static const char *const offered[] = { "v4.channel.k8s.io", NULL };
	char accept[29], key[25], *protocol = NULL;
	struct tp_strv h = { 0 };
	struct tp_err err;

	(void)state;
	/* RFC 6455, 1.3 */
	tp_ws_accept_of("dGhlIHNhbXBsZSBub25jZQ==", accept);
	assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	tp_ws_new_key(key);
	assert_int_equal(strlen(key), 24);

	tp_strv_add(&h, "upgrade: WebSocket");
	tp_strv_add(&h, "connection: keep-alive, upgrade");
	assert_int_equal(
		tp_ws_check_answer(&h, "dGhlIHNhbXBsZSBub25jZQ==", offered, &protocol, &err), -1);
	tp_strv_add(&h, "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	assert_ok(tp_ws_check_answer(&h, "dGhlIHNhbXBsZSBub25jZQ==", offered, &protocol, &err),
		  &err);
	assert_null(protocol);
	tp_strv_add(&h, "sec-websocket-protocol: v4.channel.k8s.io");
	assert_ok(tp_ws_check_answer(&h, "dGhlIHNhbXBsZSBub25jZQ==", offered, &protocol, &err),
		  &err);
	assert_string_equal(protocol, "v4.channel.k8s.io");
	assert_int_equal(tp_ws_check_answer(&h, "AAAA", offered, &protocol, &err), -1);
	tp_strv_add(&h, "sec-websocket-protocol: other");
	assert_int_equal(
		tp_ws_check_answer(&h, "dGhlIHNhbXBsZSBub25jZQ==", offered, &protocol, &err), -1);
	free(protocol);
	tp_strv_free(&h);
}

#define BULK (256u << 20)

/* The server's side: 256 MiB in frames of 32 KiB and a byte, as the kubelet has them. */
static void *send_bulk(void *arg)
{
	static char frame[4 + 32769] = "\x82\x7e\x80\x01";
	int fd = *(int *)arg;

	for (size_t sent = 0; sent < BULK; sent += 32768)
		if (tp_write_all(fd, frame, sizeof(frame)) < 0)
			break;
	return NULL;
}

static void *drain_bulk(void *arg)
{
	static char buf[1 << 20];

	while (read(*(int *)arg, buf, sizeof(buf)) > 0)
		;
	return NULL;
}

static void is_fast(void **state)
{
	static char buf[256 << 10];
	struct pair p = make_pair();
	struct tp_err err;
	bool first, last;
	pthread_t t;
	size_t got = 0;

	(void)state;
	pthread_create(&t, NULL, send_bulk, &p.peer);
	long long from = tp_now_ms();
	while (got < BULK) {
		ssize_t n = tp_ws_read(p.w, buf, sizeof(buf), &first, &last);

		if (n > 0)
			got += (size_t)n - first;
		else if (tp_ws_pending(p.w) ||
			 tp_cancel_poll(NULL, tp_ws_fd(p.w), 1 /* POLLIN */, 5000, &err) != 1)
			fail_msg("stalled");
	}
	pthread_join(t, NULL);
	long long ms = tp_now_ms() - from;
	print_message("read %lld MB/s\n", (long long)BULK / 1000 / (ms ? ms : 1));

	pthread_create(&t, NULL, drain_bulk, &p.peer);
	from = tp_now_ms();
	for (got = 0; got < BULK;) {
		ssize_t n = tp_ws_write(p.w, "", 1, buf, TP_WS_MESSAGE_MAX - 1);

		if (n > 0)
			got += (size_t)n;
		else if (tp_cancel_poll(NULL, tp_ws_fd(p.w), 4 /* POLLOUT */, 5000, &err) != 1)
			fail_msg("stalled");
	}
	ms = tp_now_ms() - from;
	print_message("written %lld MB/s\n", (long long)BULK / 1000 / (ms ? ms : 1));
	tp_ws_close(p.w);
	pthread_join(t, NULL);
	close(p.peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_frames),   cmocka_unit_test(does_not_block),
		cmocka_unit_test(reads_messages),  cmocka_unit_test(closes_in_order),
		cmocka_unit_test(refuses_garbage), cmocka_unit_test(checks_the_handshake),
		cmocka_unit_test(is_fast),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
