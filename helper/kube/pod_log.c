// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kube/client_internal.h"
#include "kube/pod_internal.h"

#define RETRY_MS 100

struct follow {
	int (*line)(void *arg, char *line, size_t n);
	void *arg;
	bool found;
};

static int on_line(void *arg, char *line, size_t n)
{
	struct follow *f = arg;

	if (n && line[n - 1] == '\r')
		line[--n] = '\0';
	f->found = f->line(f->arg, line, n) != 0;
	return f->found;
}

static char *log_path(struct tp_kube *k, const char *name, const char *container, const char *how)
{
	tp_autofree char *base = tp_kube_pod_path(k, name, "log");
	tp_autofree char *esc = tp_http_escape(container ? container : "");

	return tp_asprintf("%s?%s%s%s", base, how, container ? "&container=" : "", esc);
}

static int over(const char *name, const char *container, struct tp_err *err)
{
	return tp_err_set(err, TP_ERR_TIMEOUT,
			  "the log of pod \"%s\"%s%s does not say what is waited for", name,
			  container ? ", container " : "", container ? container : "");
}

int tp_pod_log_follow(struct tp_kube *k, const char *name, const char *container,
		      int (*line)(void *arg, char *line, size_t n), void *arg, int timeout_ms,
		      struct tp_cancel *c, struct tp_err *err)
{
	tp_autofree char *path = log_path(k, name, container, "follow=true");
	tp_autofree char *what = tp_asprintf("the log of pod \"%s\"", name);
	long long end = timeout_ms < 0 ? -1 : tp_now_ms() + timeout_ms;
	struct follow f = { .line = line, .arg = arg };
	struct tp_err own = { 0 };
	int ends = 0;

	if (!err)
		err = &own;
	for (;;) {
		tp_autoclean(tp_http_response_free) struct tp_http_response resp = { 0 };
		long long ms = end < 0 ? -1 : end - tp_now_ms();
		struct tp_http_request req = {
			.method = "GET",
			.path = path,
			.line = on_line,
			.line_arg = &f,
		};

		if (end >= 0 && ms <= 0)
			return over(name, container, err);
		if (tp_pod_wait(k, name, container, TP_POD_CONTAINER_RUNNING, (int)ms, NULL, NULL,
				NULL, c, err))
			return -1;
		ms = end < 0 ? -1 : end - tp_now_ms();
		req.timeout_ms = ms < 0 ? -1 : ms == 0 ? 1 : (int)ms;
		if (end >= 0 && ms <= 0)
			return over(name, container, err);
		if (tp_kube_do(k, &req, &resp, c, err)) {
			if (f.found)
				return 0;
			if (err->kind == TP_ERR_TIMEOUT)
				return over(name, container, err);
			if (err->kind != TP_ERR_UNREACHABLE || ++ends > 3)
				return tp_err_prefix(err, "%s", what);
		} else if (f.found) {
			return 0;
		} else if (resp.status == 200) {
			/* It may have been cut off by a restart of something on the way. */
			if (++ends > 3)
				return tp_err_set(err, TP_ERR_FAILED,
						  "%s ended without what is waited for", what);
		} else {
			tp_kube_fail(k, "GET", path, what, resp.status,
				     resp.body.data ? resp.body.data : "", resp.body.len, err);
			/* 400: the kubelet's view of the container is a little older than
			 * the one that we have seen. */
			if (resp.status != 400 && resp.status < 500)
				return -1;
			if (resp.status >= 500 && ++ends > 3)
				return -1;
		}
		if (tp_cancel_poll(c, -1, 0, RETRY_MS, err) < 0)
			return -1;
	}
}

int tp_pod_log_tail(struct tp_kube *k, const char *name, const char *container, int lines,
		    struct tp_buf *out, struct tp_cancel *c, struct tp_err *err)
{
	tp_autofree char *how = tp_asprintf("limitBytes=%zu&tailLines=%d", out->max, lines);
	tp_autofree char *path = log_path(k, name, container, how);
	tp_autofree char *what = tp_asprintf("the log of pod \"%s\"", name);
	tp_autoclean(tp_http_response_free) struct tp_http_response resp = { 0 };
	struct tp_http_request req = { .method = "GET", .path = path, .timeout_ms = 5000 };
	size_t n;

	if (tp_kube_do(k, &req, &resp, c, err))
		return tp_err_prefix(err, "%s", what);
	if (resp.status != 200)
		return tp_kube_fail(k, "GET", path, what, resp.status,
				    resp.body.data ? resp.body.data : "", resp.body.len, err);
	n = resp.body.len;
	if (n > out->max - out->len)
		n = out->max - out->len;
	if (n)
		tp_buf_put(out, resp.body.data, n);
	return 0;
}
