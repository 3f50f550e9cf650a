/* SPDX-License-Identifier: Apache-2.0 */
/* The pod's resolv.conf and hosts, put in place. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/frame.h"
#include "base/log.h"
#include "base/mem.h"
#include "common/dnsmsg.h"
#include "sidecar/sidecar.h"

/* An IPv6 nameserver cannot be asked from a container without IPv6; this
 * stands for it, and is redirected like the others. */
#define PLACEHOLDER "127.84.80.53"

/* The engine bind-mounts these files into the user's container as well: the
 * same inode has to stay. First the new bytes, then the length, so that a
 * reader never meets an empty file. */
static int write_in_place(const char *path, const struct tp_buf *b, struct tp_err *err)
{
	tp_autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || tp_write_all(fd, b->data ? b->data : "", b->len) < 0 ||
	    ftruncate(fd, (off_t)b->len) < 0)
		return tp_err_errno(err, errno, "cannot write %s", path);
	return 0;
}

/* For the user's programs every nameserver is an IPv4 one. */
static bool replace_v6(const struct tp_resolv *r, struct tp_strv *ns)
{
	bool any = false;
	size_t i;

	for (i = 0; i < r->n_ns; i++) {
		bool v6 = r->ns[i].addr.ss_family == AF_INET6;

		any |= v6;
		tp_strv_add(ns, v6 ? PLACEHOLDER : r->ns[i].text);
	}
	if (r->n_ns == 0) { /* glibc would ask the user's own port 53 */
		tp_strv_add(ns, PLACEHOLDER);
		any = true;
	}
	return any;
}

/* In the machine's own namespace its files stay as they are. */
static int learn_search(struct sidecar *s, const char *text, size_t n, struct tp_err *err)
{
	struct tp_resolv r;

	tp_resolv_parse(&r, text, n);
	dnsfwd_config(s->dnsfwd, &r.search);
	tp_resolv_free(&r);
	return hostfilter_names(s, dnsfwd_servers(s->dnsfwd), err);
}

static int apply_resolv(struct sidecar *s, const char *text, size_t n, struct tp_err *err)
{
	struct tp_resolv_change change = { &s->dns, &s->dns_search, &s->dns_option };
	TP_AUTO_BUF out = TP_BUF_INIT(1 << 20);
	TP_AUTO_STRV v4 = { 0 };
	struct tp_resolv r;
	int rc;

	if (!s->method->filters && dnsfwd_port(s->dnsfwd) == TP_DNS_PORT) {
		tp_strv_add(&v4, "127.0.0.1");
		change.ns = &v4;
	}

	if (tp_resolv_edit(text, n, &change, &out) < 0)
		return tp_err_set(err, TP_ERR_FAILED, "the pod's resolv.conf is too long");
	tp_resolv_parse(&r, out.data, out.len);
	if (s->method->filters && replace_v6(&r, &v4)) {
		tp_buf_reset(&out);
		change.ns = &v4;
		if (tp_resolv_edit(text, n, &change, &out) < 0)
			return tp_err_set(err, TP_ERR_FAILED, "the pod's resolv.conf is too long");
		tp_resolv_free(&r);
		tp_resolv_parse(&r, out.data, out.len);
	}
	rc = write_in_place("/etc/resolv.conf", &out, err);
	if (rc == 0 && s->method->filters)
		rc = filter_names(s, &r, dnsfwd_port(s->dnsfwd), err);
	dnsfwd_config(s->dnsfwd, &r.search);
	tp_resolv_free(&r);
	return rc;
}

int names_apply(struct sidecar *s, struct tp_err *err)
{
	struct tp_frame f, hosts = { .data = "" }, resolv = { .data = "" };
	TP_AUTO_BUF out = TP_BUF_INIT(2 << 20);
	tp_autofree char *hostname = NULL;
	size_t at = 0;
	ssize_t used;

	while ((used = tp_frame_parse(s->description.data + at, s->description.len - at, &f)) > 0) {
		if (strcmp(f.name, "hosts") == 0)
			hosts = f;
		else if (strcmp(f.name, "resolv-conf") == 0)
			resolv = f;
		else if (strcmp(f.name, "hostname") == 0) {
			free(hostname);
			hostname = tp_strndup(f.data, f.len);
		} else if (strcmp(f.name, "ports") == 0) {
			forwards_described(s, f.data, f.len);
		}
		at += (size_t)used;
	}
	if (used < 0 || at != s->description.len)
		return tp_err_set(err, TP_ERR_PROTOCOL, "the agent's description cannot be read");
	if (s->hostfilter)
		return learn_search(s, resolv.data, resolv.len, err);
	if (tp_hosts_merge(s->own_hosts, s->own_hosts_len, hosts.data, hosts.len, hostname,
			   &s->add_host, &out) < 0)
		return tp_err_set(err, TP_ERR_FAILED, "the pod's hosts file is too long");
	if (write_in_place("/etc/hosts", &out, err) < 0)
		return -1;
	return apply_resolv(s, resolv.data, resolv.len, err);
}
