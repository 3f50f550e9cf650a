/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "session/rights.h"

static bool list_has(const struct tp_json *list, const char *word)
{
	for (size_t i = 0; i < tp_json_len(list); i++) {
		const char *s = tp_json_str(tp_json_at(list, i));

		if (s && (!strcmp(s, word) || !strcmp(s, "*")))
			return true;
	}
	return false;
}

bool tp_rights_allow(const struct tp_json *status, const struct tp_right *r, const char *verb)
{
	const struct tp_json *rules = tp_json_get(status, "resourceRules");
	tp_autofree char *res = r->subresource ? tp_asprintf("%s/%s", r->resource, r->subresource) :
						 tp_strdup(r->resource);
	tp_autofree char *any = r->subresource ? tp_asprintf("*/%s", r->subresource) : NULL;

	for (size_t i = 0; i < tp_json_len(rules); i++) {
		const struct tp_json *rule = tp_json_at(rules, i);
		const struct tp_json *resources = tp_json_get(rule, "resources");
		const struct tp_json *names = tp_json_get(rule, "resourceNames");

		if (list_has(tp_json_get(rule, "verbs"), verb) &&
		    list_has(tp_json_get(rule, "apiGroups"), r->group) &&
		    (list_has(resources, res) || (any && list_has(resources, any))) &&
		    (!tp_json_len(names) || (r->name && list_has(names, r->name))))
			return true;
	}
	return false;
}

static struct tp_json *review(struct tp_kube *k, struct tp_cancel *c)
{
	TP_AUTO_JW *w = tp_jw_new();
	tp_autofree char *body = NULL;
	struct tp_err ignored;

	tp_jw_object(w, NULL);
	tp_jw_str(w, "apiVersion", "authorization.k8s.io/v1");
	tp_jw_str(w, "kind", "SelfSubjectRulesReview");
	tp_jw_object(w, "spec");
	tp_jw_str(w, "namespace", tp_kube_namespace(k));
	tp_jw_end(w);
	tp_jw_end(w);
	body = tp_jw_finish(w, NULL, &ignored);
	return body ? tp_kube_request(k, "POST",
				      "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", NULL,
				      body, "selfsubjectrulesreviews", c, &ignored) :
		      NULL;
}

static bool allowed(struct tp_kube *k, const struct tp_json *status, const struct tp_right *r,
		    const char *verb, struct tp_cancel *c)
{
	struct tp_err e = { 0 };
	int can;

	if (tp_rights_allow(status, r, verb))
		return true;
	/* The rules may be incomplete (webhook authorisers): the single question is exact. */
	can = tp_kube_can(k, verb, r->group, r->resource, r->subresource, r->name, c, &e);
	if (can < 0)
		tp_verbose("the cluster does not say whether we may %s %s: %s", verb, r->resource,
			   e.msg);
	return can != 0;
}

int tp_rights_check(struct tp_kube *k, const struct tp_right *rights, size_t n, struct tp_cancel *c,
		    struct tp_err *err)
{
	TP_AUTO_JSON *answer = review(k, c);
	const struct tp_json *status = tp_json_get(answer, "status");
	TP_AUTO_BUF missing = TP_BUF_INIT(1024);

	for (size_t i = 0; i < n; i++) {
		const struct tp_right *r = &rights[i];

		if (allowed(k, status, r, r->verb, c) ||
		    (r->or_verb && allowed(k, status, r, r->or_verb, c)))
			continue;
		if (tp_cancel_is_set(c))
			return tp_err_set(err, TP_ERR_CANCELLED, "interrupted");
		tp_buf_printf(&missing, "%s%s %s%s%s%s%s", missing.len ? ", " : "", r->verb,
			      r->resource, r->subresource ? "/" : "",
			      r->subresource ? r->subresource : "", *r->group ? "." : "", r->group);
	}
	if (!missing.len)
		return 0;
	tp_err_set(err, TP_ERR_FORBIDDEN, "you may not %s in namespace \"%s\" (context \"%s\")",
		   missing.data, tp_kube_namespace(k), tp_kube_config(k)->context);
	return tp_err_hint(err,
			   "Does the namespace exist? If so, ask the cluster's administrator for "
			   "a Role with these verbs; docs/security.md has one to copy.");
}
