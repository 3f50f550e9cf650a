/* SPDX-License-Identifier: Apache-2.0 */
#include "session/nameobject.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#define SERVICE_LABEL "kubernetes.io/service-name"

/* What can stand in a list of a line: names of Kubernetes' objects, and addresses. */
static bool is_word(const char *text)
{
	if (!text || !*text || strlen(text) > 253 || *text == '-')
		return false;
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr("-._:", *text))
			return false;
	return true;
}

/* As inet_ntop writes it, which is how the sidecar looks it up; false: it is no address. */
static bool address(const char *text, char out[INET6_ADDRSTRLEN])
{
	unsigned char bytes[16];

	if (!text)
		return false;
	for (int af = AF_INET;; af = AF_INET6) {
		if (inet_pton(af, text, bytes) == 1)
			return inet_ntop(af, bytes, out, INET6_ADDRSTRLEN) != NULL;
		if (af == AF_INET6)
			return false;
	}
}

static void member(struct tp_buf *out, size_t *n, const char *text)
{
	tp_buf_printf(out, "%s%s", (*n)++ ? "," : " ", text);
}

static void end_list(struct tp_buf *out, size_t n)
{
	if (!n)
		tp_buf_puts(out, " -");
}

static void addresses(struct tp_buf *out, const struct tp_json *list, const char *key,
		      const char *only)
{
	char text[INET6_ADDRSTRLEN];
	size_t n = 0;

	for (size_t i = 0; i < tp_json_len(list); i++) {
		const struct tp_json *a = tp_json_at(list, i);

		if (address(key ? tp_json_str_at(a, key) : tp_json_str(a), text))
			member(out, &n, text);
	}
	if (!n && address(only, text))
		member(out, &n, text);
	end_list(out, n);
}

static void ports(struct tp_buf *out, const struct tp_json *list)
{
	size_t n = 0;

	for (size_t i = 0; i < tp_json_len(list); i++) {
		const struct tp_json *p = tp_json_at(list, i);
		const char *name = tp_json_str_at(p, "name"),
			   *protocol = tp_json_str_at(p, "protocol");
		int64_t number = tp_json_int_at(p, "port", 0);

		if (number < 1 || number > 65535 || (name && *name && !is_word(name)) ||
		    (protocol && !is_word(protocol)))
			continue;
		tp_buf_printf(out, "%s%s:", n++ ? "," : " ", name ? name : "");
		for (const char *c = protocol ? protocol : "TCP"; *c; c++) {
			char small = (char)tolower((unsigned char)*c);

			tp_buf_put(out, &small, 1);
		}
		tp_buf_printf(out, ":%d", (int)number);
	}
	end_list(out, n);
}

static void service(struct tp_buf *out, const struct tp_json *o)
{
	const char *type = tp_json_str_at(o, "spec.type");

	if (type && !strcmp(type, "ExternalName"))
		tp_buf_puts(out, " =");
	else
		addresses(out, tp_json_path(o, "spec.clusterIPs"), NULL,
			  tp_json_str_at(o, "spec.clusterIP"));
	ports(out, tp_json_path(o, "spec.ports"));
}

static const char *slice_service(const struct tp_json *o)
{
	const char *name =
		tp_json_str(tp_json_get(tp_json_path(o, "metadata.labels"), SERVICE_LABEL));

	return is_word(name) ? name : NULL;
}

/* "ready" may be missing, and counts as yes then (discovery.k8s.io/v1). */
static void slice(struct tp_buf *out, const struct tp_json *o)
{
	const struct tp_json *all = tp_json_get(o, "endpoints");
	size_t n = 0;

	tp_buf_printf(out, " %s", slice_service(o));
	ports(out, tp_json_get(o, "ports"));
	for (size_t i = 0; i < tp_json_len(all); i++) {
		const struct tp_json *e = tp_json_at(all, i), *list = tp_json_get(e, "addresses");
		const char *hostname = tp_json_str_at(e, "hostname");

		if (!tp_json_bool_at(e, "conditions.ready", true))
			continue;
		for (size_t j = 0; j < tp_json_len(list); j++) {
			char text[INET6_ADDRSTRLEN];

			if (!address(tp_json_str(tp_json_at(list, j)), text))
				continue;
			member(out, &n, text);
			if (is_word(hostname))
				tp_buf_printf(out, "/%s", hostname);
		}
	}
	end_list(out, n);
}

static bool pod_is_there(const struct tp_json *o)
{
	const char *phase = tp_json_str_at(o, "status.phase");

	return tp_json_str_at(o, "status.podIP") && phase && strcmp(phase, "Succeeded") &&
	       strcmp(phase, "Failed");
}

static bool is_there(char kind, const struct tp_json *o)
{
	switch (kind) {
	case TP_NAME_SLICE:
		return slice_service(o);
	case TP_NAME_POD:
		return pod_is_there(o);
	}
	return true;
}

static void line(struct tp_buf *out, char kind, const struct tp_json *o, bool there)
{
	const char *ns = tp_json_str_at(o, "metadata.namespace");
	const char *name = tp_json_str_at(o, "metadata.name");

	if (!is_word(ns) || !is_word(name))
		return;
	tp_buf_printf(out, "%s%c %s %s", there ? "" : "-", kind, ns, name);
	if (there && kind == TP_NAME_SERVICE)
		service(out, o);
	else if (there && kind == TP_NAME_SLICE)
		slice(out, o);
	else if (there)
		addresses(out, tp_json_path(o, "status.podIPs"), "ip",
			  tp_json_str_at(o, "status.podIP"));
	tp_buf_puts(out, "\n");
}

void tp_nameobject_put(struct tp_buf *out, char kind, const struct tp_json *object)
{
	line(out, kind, object, is_there(kind, object));
}

void tp_nameobject_gone(struct tp_buf *out, char kind, const struct tp_json *object)
{
	line(out, kind, object, false);
}
