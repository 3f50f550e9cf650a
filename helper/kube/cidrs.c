/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/cidrs.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"

#define MANY 512 /* ranges and addresses of one list */

/* Pods of one node have addresses of one range, mostly of this size; those of one cluster are seldom
 * further apart than POD_FAR. Services' ranges are never known to be smaller than SERVICE_NEAR. */
#define POD_NEAR     24
#define POD_FAR	     16
#define SERVICE_NEAR 16
#define V6_NEAR	     64
#define V6_SERVICE   112

/* In no range of any cluster's Services: for documentation (RFC 5737). */
#define NO_SERVICE "192.0.2.1"

struct ranges {
	struct tp_cidr v[MANY];
	size_t n;
};

static void add(struct ranges *r, const char *text)
{
	if (text && r->n < MANY && tp_cidr_parse(text, &r->v[r->n]) == 0)
		r->n++;
}

static bool known(const struct tp_cidrs *l, const struct tp_cidr *c)
{
	for (size_t i = 0; i < l->n; i++)
		if (tp_cidr_has(&l->v[i].net, c))
			return true;
	return false;
}

static void keep(struct tp_cidrs *out, struct ranges *r, const char *from)
{
	r->n = tp_cidr_merge(r->v, r->n);
	for (size_t i = 0; i < r->n && out->n < TP_CIDRS_MAX; i++) {
		if (known(out, &r->v[i]))
			continue;
		out->v[out->n].net = r->v[i];
		out->v[out->n++].from = from;
	}
}

/* Joins those that lie in one range of FAR bits (of IPv4). */
static void gather(struct ranges *r, unsigned far)
{
	size_t kept = 0;

	r->n = tp_cidr_merge(r->v, r->n);
	for (size_t i = 0; i < r->n; i++) {
		struct tp_cidr *last = kept ? &r->v[kept - 1] : NULL;

		if (last && last->family == r->v[i].family &&
		    tp_cidr_cover(last, &r->v[i]).bits >= far)
			*last = tp_cidr_cover(last, &r->v[i]);
		else
			r->v[kept++] = r->v[i];
	}
	r->n = kept;
}

/* ------------------------------------------------------------------- pods */

void tp_cidrs_of_nodes(const struct tp_json *list, struct tp_cidrs *out)
{
	const struct tp_json *items = tp_json_get(list, "items");
	struct ranges *r = tp_calloc(1, sizeof(*r));

	for (size_t i = 0; i < tp_json_len(items); i++) {
		const struct tp_json *spec = tp_json_get(tp_json_at(items, i), "spec");
		const struct tp_json *all = tp_json_get(spec, "podCIDRs");

		for (size_t j = 0; j < tp_json_len(all); j++)
			add(r, tp_json_str(tp_json_at(all, j)));
		if (!tp_json_len(all))
			add(r, tp_json_str_at(spec, "podCIDR"));
	}
	r->n = tp_cidr_merge(r->v, r->n);
	if (r->n > TP_CIDRS_MAX / 2)
		gather(r, POD_FAR);
	keep(out, r, "nodes");
	free(r);
}

void tp_cidrs_of_pods(const struct tp_json *list, struct tp_cidrs *out)
{
	const struct tp_json *items = tp_json_get(list, "items");
	struct ranges *r = tp_calloc(1, sizeof(*r)), *near = tp_calloc(1, sizeof(*near));

	for (size_t i = 0; i < tp_json_len(items); i++) {
		const struct tp_json *pod = tp_json_at(items, i);
		const struct tp_json *ips = tp_json_path(pod, "status.podIPs");

		if (tp_json_bool_at(pod, "spec.hostNetwork", false))
			continue; /* that is the node's */
		for (size_t j = 0; j < tp_json_len(ips); j++)
			add(r, tp_json_str_at(tp_json_at(ips, j), "ip"));
		if (!tp_json_len(ips))
			add(r, tp_json_str_at(pod, "status.podIP"));
	}
	for (size_t i = 0; i < r->n; i++)
		if (!known(out, &r->v[i]))
			near->v[near->n++] = tp_cidr_widen(
				&r->v[i], r->v[i].family == AF_INET ? POD_NEAR : V6_NEAR);
	gather(near, POD_FAR);
	keep(out, near, "pods' addresses");
	free(near);
	free(r);
}

/* What a list of the API server's says; of a namespace alone where all of them may not be listed. */
static struct tp_json *list_all(struct tp_kube *k, const char *what, const char *limit,
				struct tp_cancel *c, struct tp_err *err)
{
	tp_autofree char *all = tp_asprintf("/api/v1/%s?limit=%s", what, limit);
	tp_autofree char *ns = tp_http_escape(tp_kube_namespace(k));
	tp_autofree char *own = tp_asprintf("/api/v1/namespaces/%s/%s?limit=%s", ns, what, limit);
	struct tp_json *list = tp_kube_request(k, "GET", all, NULL, NULL, what, c, err);

	if (list || err->kind != TP_ERR_FORBIDDEN)
		return list;
	return tp_kube_request(k, "GET", own, NULL, NULL, what, c, err);
}

/* Whether ERR ends the search, which another place would not mend. */
static bool is_final(const struct tp_err *err)
{
	return err->kind == TP_ERR_CANCELLED || err->kind == TP_ERR_UNREACHABLE ||
	       err->kind == TP_ERR_TIMEOUT;
}

static void note(struct tp_buf *why, const struct tp_err *err)
{
	tp_verbose("%s", err->msg);
	tp_buf_printf(why, "%s%.*s", why->len ? "; " : "", (int)strcspn(err->msg, "\n"), err->msg);
}

static int nothing(const char *whose, const struct tp_buf *why, struct tp_err *err)
{
	return tp_err_set(err, TP_ERR_NOT_FOUND,
			  "which addresses the cluster's %s have cannot be found out%s%s", whose,
			  why->len ? ": " : "", why->len ? why->data : "");
}

int tp_kube_pod_cidrs(struct tp_kube *k, struct tp_cidrs *out, struct tp_cancel *c,
		      struct tp_err *err)
{
	TP_AUTO_BUF why = TP_BUF_INIT(TP_ERR_MAX / 2);
	TP_AUTO_JSON *nodes = NULL, *pods = NULL;

	out->n = 0;
	nodes = tp_kube_request(k, "GET", "/api/v1/nodes?limit=500", NULL, NULL, "nodes", c, err);
	if (nodes)
		tp_cidrs_of_nodes(nodes, out);
	else if (is_final(err))
		return -1;
	else
		note(&why, err);
	/* Some networks have ranges of their own, whatever the nodes say. */
	pods = list_all(k, "pods", "250", c, err);
	if (pods)
		tp_cidrs_of_pods(pods, out);
	else if (is_final(err))
		return -1;
	else
		note(&why, err);
	return out->n ? 0 : nothing("pods", &why, err);
}

/* --------------------------------------------------------------- Services */

void tp_cidrs_of_servicecidrs(const struct tp_json *list, struct tp_cidrs *out)
{
	const struct tp_json *items = tp_json_get(list, "items");
	struct ranges *r = tp_calloc(1, sizeof(*r));

	for (size_t i = 0; i < tp_json_len(items); i++) {
		const struct tp_json *cidrs = tp_json_path(tp_json_at(items, i), "spec.cidrs");

		for (size_t j = 0; j < tp_json_len(cidrs); j++)
			add(r, tp_json_str(tp_json_at(cidrs, j)));
	}
	keep(out, r, "ServiceCIDR");
	free(r);
}

void tp_cidrs_of_services(const struct tp_json *list, struct tp_cidrs *out)
{
	const struct tp_json *items = tp_json_get(list, "items");
	struct ranges *r = tp_calloc(1, sizeof(*r));

	for (size_t i = 0; i < tp_json_len(items); i++) {
		const struct tp_json *spec = tp_json_get(tp_json_at(items, i), "spec");
		const struct tp_json *ips = tp_json_get(spec, "clusterIPs");

		for (size_t j = 0; j < tp_json_len(ips); j++)
			add(r, tp_json_str(tp_json_at(ips, j))); /* "None" is no address */
		if (!tp_json_len(ips))
			add(r, tp_json_str_at(spec, "clusterIP"));
	}
	for (size_t i = 0; i < r->n; i++)
		r->v[i] = tp_cidr_widen(&r->v[i],
					r->v[i].family == AF_INET ? SERVICE_NEAR : V6_SERVICE);
	/* All are of one range; one that would be wider than a /8 is no guess to make. */
	gather(r, 8);
	keep(out, r, "Services' addresses");
	free(r);
}

size_t tp_cidrs_of_refusal(const char *message, struct tp_cidrs *out)
{
	static const char told[] = "range of valid IPs is ";
	struct ranges *r = tp_calloc(1, sizeof(*r));
	size_t before = out->n;

	for (const char *p = message; (p = strstr(p, told));) {
		char word[TP_CIDR_TEXT];
		size_t n;

		p += strlen(told);
		n = strspn(p, "0123456789abcdefABCDEF.:/");
		if (n >= sizeof(word))
			continue;
		memcpy(word, p, n);
		word[n] = '\0';
		add(r, word);
	}
	keep(out, r, "the API server's refusal");
	free(r);
	return out->n - before;
}

static int ask_servicecidrs(struct tp_kube *k, struct tp_cidrs *out, struct tp_buf *why,
			    struct tp_cancel *c, struct tp_err *err)
{
	static const char *const versions[] = { "v1", "v1beta1" };

	for (size_t i = 0; i < TP_ARRAY_SIZE(versions); i++) {
		tp_autofree char *path = tp_asprintf(
			"/apis/networking.k8s.io/%s/servicecidrs?limit=100", versions[i]);
		TP_AUTO_JSON *list =
			tp_kube_request(k, "GET", path, NULL, NULL, "servicecidrs", c, err);

		if (list) {
			tp_cidrs_of_servicecidrs(list, out);
			return 0;
		}
		if (is_final(err))
			return -1;
		if (err->kind != TP_ERR_NOT_FOUND) {
			note(why, err);
			return 0; /* the other version would say the same */
		}
	}
	return 0;
}

/* Nothing comes of it twice over: it is a dry run, and the address is impossible. */
static int ask_refusal(struct tp_kube *k, struct tp_cidrs *out, struct tp_buf *why,
		       struct tp_cancel *c, struct tp_err *err)
{
	static const char body[] =
		"{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"generateName\":"
		"\"tpdocker-range-\"},\"spec\":{\"clusterIP\":\"" NO_SERVICE
		"\",\"ports\":[{\"port\":1}]}}";
	tp_autofree char *ns = tp_http_escape(tp_kube_namespace(k));
	tp_autofree char *path = tp_asprintf("/api/v1/namespaces/%s/services?dryRun=All", ns);
	TP_AUTO_JSON *answer = tp_kube_request(k, "POST", path, NULL, body, "services", c, err);

	if (answer || is_final(err))
		return answer ? 0 : -1;
	if (!tp_cidrs_of_refusal(err->msg, out))
		note(why, err);
	return 0;
}

int tp_kube_service_cidrs(struct tp_kube *k, struct tp_cidrs *out, struct tp_cancel *c,
			  struct tp_err *err)
{
	TP_AUTO_BUF why = TP_BUF_INIT(TP_ERR_MAX / 2);
	TP_AUTO_JSON *list = NULL;

	out->n = 0;
	if (ask_servicecidrs(k, out, &why, c, err))
		return -1;
	if (!out->n && ask_refusal(k, out, &why, c, err))
		return -1;
	if (out->n)
		return 0;
	list = list_all(k, "services", "500", c, err);
	if (list)
		tp_cidrs_of_services(list, out);
	else if (is_final(err))
		return -1;
	else
		note(&why, err);
	return out->n ? 0 : nothing("Services", &why, err);
}
