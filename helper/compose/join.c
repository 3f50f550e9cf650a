/* SPDX-License-Identifier: Apache-2.0 */
/* Which service takes which workload's place, and who shares a sidecar. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "compose/internal.h"
#include "compose/model.h"
#include "kube/workload.h"

#define SERVICE_MAX 64 /* a gate's tag, and with the prefix a label of DNS nearly */

static bool is_service(const char *s)
{
	size_t n = strlen(s);

	return n && n <= SERVICE_MAX &&
	       s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] ==
		       '\0';
}

static int parse_target(const char *target, struct tp_compose_join *j, struct tp_err *err)
{
	const char *slash = strchr(target, '/'), *second = slash ? strchr(slash + 1, '/') : NULL;
	tp_autofree char *kind = NULL, *name = NULL, *container = NULL;

	if (second) {
		const char *rest = target;

		j->namespace = tp_strndup(target, (size_t)(slash - target));
		target = slash + 1;
		if (tp_workload_split(j->namespace, &kind, &name, &container, err) || container ||
		    strchr(name, '.')) {
			return tp_err_set(err, TP_ERR_USAGE,
					  "\"%s\": \"%s\" cannot be the name of a namespace", rest,
					  j->namespace);
		}
		free(tp_steal(&name));
	}
	if (tp_workload_split(target, &kind, &name, &container, err))
		return -1;
	j->workload = tp_asprintf("%s/%s%s%s", kind ? kind : "deployment", name,
				  container ? ":" : "", container ? container : "");
	return 0;
}

int tp_compose_join_parse(const char *spec, struct tp_compose_join *j, struct tp_err *err)
{
	const char *eq = strchr(spec, '=');

	*j = (struct tp_compose_join){ 0 };
	j->service = tp_strndup(spec, eq ? (size_t)(eq - spec) : strlen(spec));
	if (!is_service(j->service)) {
		tp_err_set(err, TP_ERR_USAGE, "--service %s: \"%s\" cannot be a service's name",
			   spec, j->service);
		tp_err_hint(err, "It is SERVICE=[[NAMESPACE/]KIND/]NAME[:CONTAINER], or SERVICE "
				 "alone for an agent beside what runs.");
	} else if (!eq || !parse_target(eq + 1, j, err)) {
		return 0;
	} else {
		tp_err_prefix(err, "--service %s", spec);
	}
	tp_compose_join_free(j);
	return -1;
}

void tp_compose_join_free(struct tp_compose_join *j)
{
	free(j->service);
	free(j->namespace);
	free(j->workload);
	*j = (struct tp_compose_join){ 0 };
}

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

size_t tp_compose_owner(const struct tp_compose_plan *p, size_t i)
{
	const struct tp_compose_join *j = &p->joins[i];

	for (size_t k = 0; j->workload && k < i; k++)
		if (same(p->joins[k].workload, j->workload) &&
		    same(p->joins[k].namespace, j->namespace))
			return k;
	return i;
}

bool tp_compose_is_shared(const struct tp_compose_plan *p, size_t i)
{
	size_t owner = tp_compose_owner(p, i);

	for (size_t k = 0; k < p->n; k++)
		if (k != i && tp_compose_owner(p, k) == owner)
			return true;
	return false;
}

char *tp_compose_sidecar_name(const struct tp_compose_plan *p, size_t i)
{
	return tp_asprintf(TP_COMPOSE_PREFIX "%s", p->joins[tp_compose_owner(p, i)].service);
}

int tp_compose_joined(const struct tp_compose_plan *p, const char *name)
{
	for (size_t i = 0; i < p->n; i++)
		if (!strcmp(p->joins[i].service, name))
			return (int)i;
	return -1;
}

const struct tp_json *tp_compose_member(const struct tp_compose_plan *p, size_t i, const char *key)
{
	const struct tp_json *model = tp_compose_is_shared(p, i) ? p->resolved : p->raw;

	return tp_json_get(tp_compose_service(model, p->joins[i].service), key);
}

bool tp_compose_says(const struct tp_json *v)
{
	switch (tp_json_type(v)) {
	case TP_JSON_NULL:
		return false;
	case TP_JSON_STRING:
		return *tp_json_str(v);
	case TP_JSON_ARRAY:
	case TP_JSON_OBJECT:
		return tp_json_len(v) > 0;
	default:
		return true;
	}
}

char *tp_compose_literal(const char *s)
{
	char *out = tp_malloc(2 * strlen(s) + 1), *p = out;

	for (; *s; s++) {
		if (*s == '$')
			*p++ = '$';
		*p++ = *s;
	}
	*p = '\0';
	return out;
}

bool tp_compose_is_net_sysctl(const char *s)
{
	return !strncmp(s, "net.", 4);
}
