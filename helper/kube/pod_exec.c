// SPDX-License-Identifier: Apache-2.0
/*
 * pods/exec over v4.channel.k8s.io: each message starts with its channel.
 * The last thing to come is a Status on the error channel. Stdin cannot be
 * closed in this version of the protocol.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kube/client_internal.h"
#include "kube/pod_internal.h"

enum { STDIN = 0, STDOUT = 1, STDERR = 2, STATUS = 3, CHANNELS };

#define STATUS_MAX (64u << 10)
#define CHUNK	   (32u << 10)
#define CLOSE_MS   1000 /* from the Status to the end of the connection */

struct exec {
	struct tp_ws *ws;
	const char *in;
	size_t in_left;
	struct tp_buf *out, *errtext;
	struct tp_buf status;
	bool in_body, done, closed;
	unsigned channel;
	const char *what;
};

static char *exec_path(struct tp_kube *k, const char *pod, const char *container,
		       const char *const *argv, bool with_stdin, bool with_stderr)
{
	tp_autofree char *base = tp_kube_pod_path(k, pod, "exec");
	TP_AUTO_BUF b = TP_BUF_INIT(64u << 10);

	tp_buf_printf(&b, "%s?stdout=true%s%s", base, with_stdin ? "&stdin=true" : "",
		      with_stderr ? "&stderr=true" : "");
	if (container) {
		tp_autofree char *e = tp_http_escape(container);

		tp_buf_printf(&b, "&container=%s", e);
	}
	for (; *argv; argv++) {
		tp_autofree char *e = tp_http_escape(*argv);

		if (tp_buf_printf(&b, "&command=%s", e))
			return NULL;
	}
	return tp_buf_steal(&b);
}

/* The end of what was written is what explains a failure. */
static void put_end(struct tp_buf *b, const char *p, size_t n)
{
	if (n > b->max) {
		p += n - b->max;
		n = b->max;
	}
	if (n > b->max - b->len)
		tp_buf_consume(b, n - (b->max - b->len));
	tp_buf_put(b, p, n);
}

static int take(struct exec *x, const char *p, size_t n, struct tp_err *err)
{
	switch (x->channel) {
	case STDOUT:
		if (x->out && tp_buf_put(x->out, p, n))
			return tp_err_set(err, TP_ERR_PROTOCOL, "%s: it wrote more than %zu bytes",
					  x->what, x->out->max);
		return 0;
	case STDERR:
		if (x->errtext)
			put_end(x->errtext, p, n);
		return 0;
	case STATUS:
		if (tp_buf_put(&x->status, p, n))
			return tp_err_set(err, TP_ERR_PROTOCOL, "%s: its status is too large",
					  x->what);
		return 0;
	default:
		return 0;
	}
}

/* Reads what there is, within reason: a flood must not keep us from looking
 * at the clock. 0, or -1 ERR. */
static int receive(struct exec *x, struct tp_err *err)
{
	char buf[CHUNK];

	for (int turn = 0; turn < 64; turn++) {
		bool first = false, last = false;
		ssize_t n = tp_ws_read(x->ws, buf, sizeof(buf), &first, &last);
		char *p = buf;

		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n == 0 || (n < 0 && x->done)) {
			x->closed = true;
			return 0;
		}
		if (n < 0) {
			int e = errno;
			const char *why = tp_ws_reason(x->ws);

			return tp_err_set(err, e == EPROTO ? TP_ERR_PROTOCOL : TP_ERR_UNREACHABLE,
					  "%s: the connection broke: %s", x->what,
					  why ? why : strerror(e));
		}
		if (!x->in_body || first) {
			x->channel = (unsigned char)*p++;
			n--;
			if (x->channel >= CHANNELS)
				return tp_err_set(err, TP_ERR_PROTOCOL,
						  "%s: a message on an unknown channel", x->what);
		}
		x->in_body = !last;
		if (n && take(x, p, (size_t)n, err))
			return -1;
		/* channels are opened with empty messages: the Status has content */
		if (x->channel == STATUS && last && x->status.len)
			x->done = true;
	}
	return 0;
}

static int transmit(struct exec *x, struct tp_err *err)
{
	static const unsigned char channel[] = { STDIN };
	ssize_t n;

	do {
		size_t chunk = x->in_left < CHUNK ? x->in_left : CHUNK;

		n = chunk ? tp_ws_write(x->ws, channel, 1, x->in, chunk) : tp_ws_flush(x->ws);
		if (n > 0) {
			x->in += n;
			x->in_left -= (size_t)n;
		}
	} while (n > 0 && x->in_left);
	if (n < 0 && errno != EAGAIN && errno != EPIPE)
		return tp_err_set(err, TP_ERR_UNREACHABLE, "%s: the connection broke: %s", x->what,
				  strerror(errno));
	return 0;
}

static int talk(struct exec *x, int timeout_ms, struct tp_cancel *c, struct tp_err *err)
{
	long long end = timeout_ms < 0 ? -1 : tp_now_ms() + timeout_ms;

	while (!x->closed) {
		long long ms = end < 0 ? -1 : end - tp_now_ms();
		short events = POLLIN;
		bool was_done = x->done;
		int rc = 1;

		if (end >= 0 && ms <= 0)
			return x->done ? 0 :
					 tp_err_set(err, TP_ERR_TIMEOUT,
						    "%s: not done after %d.%d s", x->what,
						    timeout_ms / 1000, timeout_ms % 1000 / 100);
		if (!x->done) {
			if (transmit(x, err))
				return -1;
			if (x->in_left || tp_ws_flush(x->ws))
				events |= POLLOUT;
		}
		if (!tp_ws_pending(x->ws))
			rc = tp_cancel_poll(c, tp_ws_fd(x->ws), events, (int)ms, err);
		if (rc < 0 || receive(x, err))
			return -1;
		if (x->done && !was_done && (end < 0 || end > tp_now_ms() + CLOSE_MS))
			end = tp_now_ms() + CLOSE_MS;
	}
	return 0;
}

static int read_status(struct exec *x, int *code, struct tp_err *err)
{
	TP_AUTO_JSON *doc = NULL;
	const char *status, *reason, *message;
	const struct tp_json *causes;

	if (!x->status.len) {
		const char *why = tp_ws_reason(x->ws);

		return tp_err_set(err, TP_ERR_UNREACHABLE, "%s: it ended without a status%s%s",
				  x->what, why ? ": " : "", why ? why : "");
	}
	doc = tp_json_parse(x->status.data, x->status.len, NULL);
	status = tp_json_str_at(doc, "status");
	reason = tp_json_str_at(doc, "reason");
	message = tp_json_str_at(doc, "message");
	if (!status)
		return tp_err_set(err, TP_ERR_PROTOCOL, "%s: its status is garbled", x->what);
	if (strcmp(status, "Success") == 0) {
		*code = 0;
		return 0;
	}
	causes = tp_json_path(doc, "details.causes");
	for (size_t i = 0;
	     reason && strcmp(reason, "NonZeroExitCode") == 0 && i < tp_json_len(causes); i++) {
		const char *r = tp_json_str_at(tp_json_at(causes, i), "reason");
		const char *m = tp_json_str_at(tp_json_at(causes, i), "message");

		if (r && m && strcmp(r, "ExitCode") == 0) {
			*code = atoi(m);
			return 0;
		}
	}
	return tp_err_set(err, TP_ERR_FAILED, "%s: %s", x->what, message ? message : "it failed");
}

int tp_pod_exec(struct tp_kube *k, const char *pod, const char *container, const char *const *argv,
		const void *input, size_t n, struct tp_buf *out, struct tp_buf *errtext, int *code,
		int timeout_ms, struct tp_cancel *c, struct tp_err *err)
{
	tp_autofree char *what = tp_asprintf("running %s in pod \"%s\"", argv[0], pod);
	tp_autofree char *path = exec_path(k, pod, container, argv, input && n, true);
	struct exec x = {
		.in = input,
		.in_left = input ? n : 0,
		.out = out,
		.errtext = errtext,
		.status = TP_BUF_INIT(STATUS_MAX),
		.what = what,
	};
	int rc;

	if (!path)
		return tp_err_set(err, TP_ERR_FAILED, "%s: the command is too long", what);
	x.ws = tp_kube_ws(k, path, what, c, err);
	if (!x.ws)
		return -1;
	rc = talk(&x, timeout_ms, c, err);
	if (!rc)
		rc = read_status(&x, code, err);
	tp_ws_close(x.ws);
	tp_buf_free(&x.status);
	return rc;
}
