/* SPDX-License-Identifier: Apache-2.0 */
#include "session/scope.h"

#include <ctype.h>
#include <netdb.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

#define NAME_MAX_DNS 253

static bool is_name(const char *s)
{
	size_t n = strlen(s), label = 0;
	bool letter = false;

	for (const char *p = s; *p; p++) {
		if (*p == '.' ? !label || label > 63 :
				!isalnum((unsigned char)*p) && *p != '-' && *p != '_')
			return false;
		label = *p == '.' ? 0 : label + 1;
		letter |= isalpha((unsigned char)*p) != 0;
	}
	return n && n <= NAME_MAX_DNS && label <= 63 && letter;
}

static int check_list(const char *opt, const struct tp_strv *l, bool by_name, struct tp_err *err)
{
	struct tp_cidr c;

	for (size_t i = 0; i < l->n; i++) {
		if (tp_cidr_parse(l->v[i], &c) == 0 || (by_name && is_name(l->v[i])))
			continue;
		return tp_err_set(err, TP_ERR_USAGE,
				  "--%s %s: not an address range%s; write it as 10.1.0.0/16 or "
				  "10.1.2.3",
				  opt, l->v[i], by_name ? " and not a name" : "");
	}
	return 0;
}

int tp_scope_check(const struct tp_session_opts *o, bool by_name, struct tp_err *err)
{
	return check_list("pod-cidr", &o->pod_cidr, false, err) ||
			       check_list("service-cidr", &o->service_cidr, false, err) ||
			       check_list("also-proxy", &o->also_proxy, by_name, err) ?
		       -1 :
		       0;
}

static void given(const struct tp_strv *l, struct tp_cidrs *out)
{
	for (size_t i = 0; i < l->n && out->n < TP_CIDRS_MAX; i++) {
		if (tp_cidr_parse(l->v[i], &out->v[out->n].net))
			continue;
		out->v[out->n++].from = "given";
	}
}

static int find(struct tp_kube *k, const char *opt, const struct tp_strv *said,
		int (*ask)(struct tp_kube *, struct tp_cidrs *, struct tp_cancel *,
			   struct tp_err *),
		struct tp_cidrs *out, struct tp_cancel *c, struct tp_err *err)
{
	if (said->n) {
		given(said, out);
		return 0;
	}
	if (ask(k, out, c, err) == 0)
		return 0;
	if (err->kind != TP_ERR_NOT_FOUND)
		return -1;
	return tp_err_hint(err, "Ask whoever runs the cluster, and give it with --%s CIDR.", opt);
}

static void add_all(struct tp_scope *s, const struct tp_cidrs *l)
{
	for (size_t i = 0; i < l->n; i++) {
		char text[TP_CIDR_TEXT];

		tp_cidr_text(&l->v[i].net, text);
		/* What is captured has to get through the tunnel, which carries IPv4. */
		if (l->v[i].net.family != AF_INET)
			tp_verbose("%s is left alone: the tunnel carries IPv4 only", text);
		else
			tp_strv_add(&s->capture, text);
	}
}

/* Where a URL leads, if an address of it is captured. What goes there is what carries the tunnel. */
static void keep_host(struct tp_scope *s, const char *url)
{
	const char *at = url ? strstr(url, "://") : NULL, *user;
	struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *list = NULL;
	tp_autofree char *host = NULL;
	struct tp_cidr a, net;
	char text[TP_CIDR_TEXT];

	if (!at)
		return;
	at += 3;
	user = strpbrk(at, "@/");
	if (user && *user == '@')
		at = user + 1;
	host = tp_strndup(at, strcspn(at, ":/"));
	if (getaddrinfo(host, NULL, &hints, &list))
		return; /* it is asked soon enough, and named then */
	for (struct addrinfo *i = list; i; i = i->ai_next)
		for (size_t j = 0; j < s->capture.n; j++)
			if (tp_cidr_from(i->ai_addr, 32, &a) == 0 &&
			    tp_cidr_parse(s->capture.v[j], &net) == 0 && tp_cidr_has(&net, &a) &&
			    !tp_strv_has(&s->kept, tp_cidr_text(&a, text)))
				tp_strv_add(&s->kept, text);
	freeaddrinfo(list);
}

int tp_scope_find(struct tp_kube *k, const struct tp_session_opts *o, struct tp_scope *s,
		  struct tp_cancel *c, struct tp_err *err)
{
	struct tp_cidrs also = { .n = 0 };

	if (find(k, "pod-cidr", &o->pod_cidr, tp_kube_pod_cidrs, &s->pods, c, err) ||
	    find(k, "service-cidr", &o->service_cidr, tp_kube_service_cidrs, &s->services, c, err))
		return -1;
	given(&o->also_proxy, &also);
	add_all(s, &s->pods);
	add_all(s, &s->services);
	add_all(s, &also);
	for (size_t i = 0; i < o->also_proxy.n; i++) {
		struct tp_cidr net;

		if (tp_cidr_parse(o->also_proxy.v[i], &net))
			tp_strv_add(&s->names, o->also_proxy.v[i]);
	}
	keep_host(s, tp_kube_config(k)->server);
	keep_host(s, tp_kube_config(k)->proxy_url);
	return 0;
}

static void put(struct tp_buf *b, const char *what, const struct tp_cidrs *l)
{
	for (size_t i = 0; i < l->n; i++) {
		char text[TP_CIDR_TEXT];
		bool last = i + 1 == l->n || strcmp(l->v[i].from, l->v[i + 1].from) != 0;

		tp_buf_printf(b, "%s%s%s", i ? ", " : what, i ? "" : " ",
			      tp_cidr_text(&l->v[i].net, text));
		if (last)
			tp_buf_printf(b, " (%s)", l->v[i].from);
	}
}

char *tp_scope_text(const struct tp_scope *s, const struct tp_session_opts *o)
{
	struct tp_buf b = TP_BUF_INIT(64u << 10);

	put(&b, "pods", &s->pods);
	put(&b, ", services", &s->services);
	for (size_t i = 0; i < o->also_proxy.n; i++)
		tp_buf_printf(&b, "%s%s", i ? ", " : ", also ", o->also_proxy.v[i]);
	for (size_t i = 0; i < s->kept.n; i++)
		tp_buf_printf(&b, "%s%s", i ? ", " : "; not ", s->kept.v[i]);
	if (s->kept.n)
		tp_buf_puts(&b, ", which leads to the API server");
	return tp_buf_steal(&b);
}

void tp_scope_free(struct tp_scope *s)
{
	tp_strv_free(&s->capture);
	tp_strv_free(&s->names);
	tp_strv_free(&s->kept);
}
