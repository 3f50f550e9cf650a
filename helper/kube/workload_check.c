// SPDX-License-Identifier: Apache-2.0
/* What a workload's object says: whether it can be swapped, and whether it is. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "kube/workload_internal.h"

void tp_swap_record_free(struct tp_swap_record *s)
{
	free(s->session);
	free(s->by);
	free(s->pod);
	memset(s, 0, sizeof(*s));
}

/* A label that is a decimal number from 0 to MAX. */
static int label_number(const struct tp_json *labels, const char *key, long long max,
			long long *out)
{
	const char *text = tp_json_str(tp_json_get(labels, key));
	char *end;

	if (!text || !isdigit((unsigned char)*text) || strlen(text) > 18)
		return -1;
	*out = strtoll(text, &end, 10);
	return *end || *out > max ? -1 : 0;
}

/* "user_at_host" as it was. */
static char *label_by(const char *text)
{
	const char *at = text ? strstr(text, "_at_") : NULL;

	if (!text)
		return tp_strdup("?");
	return at ? tp_asprintf("%.*s@%s", (int)(at - text), text, at + 4) : tp_strdup(text);
}

int tp_swap_record_read(const struct tp_json *workload, struct tp_swap_record *s,
			struct tp_err *err)
{
	const struct tp_json *labels = tp_json_path(workload, "metadata.labels");
	const struct tp_json *note = tp_json_get(labels, TP_SWAP_LABEL);
	const char *session = tp_json_str(note);
	const char *name = tp_json_str_at(workload, "metadata.name");
	long long replicas;

	memset(s, 0, sizeof(*s));
	if (!note)
		return 0;
	if (!session || !*session ||
	    label_number(labels, TP_SWAP_LABEL_REPLICAS, INT32_MAX, &replicas)) {
		tp_err_set(err, TP_ERR_PROTOCOL,
			   "\"%s\" has a label %s that tpdocker did not write", name ? name : "?",
			   TP_SWAP_LABEL);
		return tp_err_hint(err,
				   "Look at it, and remove it by hand (kubectl label ... %s-) once "
				   "its number of replicas is right.",
				   TP_SWAP_LABEL);
	}
	s->session = tp_strdup(session);
	s->by = label_by(tp_json_str(tp_json_get(labels, TP_SWAP_LABEL_BY)));
	if (label_number(labels, TP_SWAP_LABEL_SINCE, INT64_MAX, &s->since))
		s->since = 0;
	if (label_number(labels, TP_SWAP_LABEL_SEEN, INT64_MAX, &s->seen))
		s->seen = 0;
	s->replicas = replicas;
	s->pod = tp_strdup(tp_json_str(tp_json_get(labels, TP_SWAP_LABEL_POD)));
	return 1;
}

static int check_owner(const struct tp_json *workload, const struct tp_workload_ref *r,
		       struct tp_err *err)
{
	const struct tp_json *list = tp_json_path(workload, "metadata.ownerReferences");

	/* Others may be owned by an operator that leaves the replicas alone; these
	 * two would be scaled back at once. */
	if (strcmp(r->kind, "ReplicaSet") != 0 && strcmp(r->kind, "ReplicationController") != 0)
		return 0;
	for (size_t i = 0; i < tp_json_len(list); i++) {
		const struct tp_json *o = tp_json_at(list, i);
		const char *kind = tp_json_str_at(o, "kind");
		const char *name = tp_json_str_at(o, "name");

		if (!kind || !name || !tp_json_bool_at(o, "controller", false))
			continue;
		tp_err_set(err, TP_ERR_FAILED,
			   "%s \"%s\" belongs to %s \"%s\", which would undo a swap", r->kind,
			   r->name, kind, name);
		return tp_err_hint(err, "Swap %s/%s instead.", kind, name);
	}
	return 0;
}

int tp_workload_check_container(const struct tp_json *workload, const struct tp_workload_ref *r,
				struct tp_err *err)
{
	const struct tp_json *list = tp_json_path(workload, "spec.template.spec.containers");
	TP_AUTO_BUF b = TP_BUF_INIT(800);

	if (tp_json_type(list) != TP_JSON_ARRAY || !tp_json_len(list))
		return tp_err_set(
			err, TP_ERR_FAILED,
			"%s \"%s\" has no pod template at spec.template, so there is none to take an agent from",
			r->kind, r->name);
	if (!r->container)
		return 0;
	for (size_t i = 0; i < tp_json_len(list); i++) {
		const char *n = tp_json_str_at(tp_json_at(list, i), "name");

		if (n && strcmp(n, r->container) == 0)
			return 0;
		if (n)
			tp_buf_printf(&b, "%s%s", b.len ? ", " : "", n);
	}
	tp_err_set(err, TP_ERR_NOT_FOUND, "%s \"%s\" has no container \"%s\"", r->kind, r->name,
		   r->container);
	return tp_err_hint(err, "There are: %s", b.data ? b.data : "");
}

static int refuse_second(const struct tp_swap_record *s, const struct tp_workload_ref *r,
			 struct tp_err *err)
{
	tp_autofree char *what = tp_workload_what(r);
	char when[64] = "an unknown time";
	time_t t = (time_t)s->since;
	struct tm tm;

	if (s->since > 0 && localtime_r(&t, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	tp_err_set(err, TP_ERR_CONFLICT,
		   "%s \"%s\" is swapped already: by %s, since %s (session %s)", r->kind, r->name,
		   s->by, when, s->session);
	return tp_err_hint(
		err, "If that session is dead, `%s cleanup %s` puts it back to %lld replicas.",
		tp_program(), what, (long long)s->replicas);
}

int tp_workload_check(const struct tp_json *workload, const struct tp_workload_ref *r,
		      struct tp_err *err)
{
	struct tp_swap_record s;
	int rc;

	if (tp_json_str_at(workload, "metadata.deletionTimestamp"))
		return tp_err_set(err, TP_ERR_FAILED, "%s \"%s\" is being deleted", r->kind,
				  r->name);
	if (tp_workload_check_container(workload, r, err) || check_owner(workload, r, err))
		return -1;
	rc = tp_swap_record_read(workload, &s, err);
	if (rc > 0) {
		refuse_second(&s, r, err);
		tp_swap_record_free(&s);
		return -1;
	}
	return rc;
}
