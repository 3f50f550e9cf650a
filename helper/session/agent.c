/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "common/control.h"
#include "kube/pod.h"
#include "session/agent.h"

#define EXEC_MS (30 * 1000)

struct log_scan {
	struct tp_agent_ready *ready;
	struct tp_err *err;
	bool bad;
	struct tp_buf tail;
};

static int log_line(void *arg, char *line, size_t n)
{
	struct log_scan *scan = arg;
	int rc = tp_agent_ready_parse(line, scan->ready, scan->err);

	if (rc < 0)
		scan->bad = true;
	if (!rc) {
		if (scan->tail.len > 2048)
			tp_buf_reset(&scan->tail);
		tp_buf_put(&scan->tail, line, n);
		tp_buf_putc(&scan->tail, '\n');
	}
	return rc != 0;
}

int tp_agent_wait_ready(struct tp_kube *k, const char *pod, const char *container,
			void (*progress)(void *arg, const char *text), void *arg,
			struct tp_agent_ready *ready, struct tp_cancel *c, struct tp_err *err)
{
	struct log_scan scan = { .ready = ready, .err = err, .tail = TP_BUF_INIT(16 << 10) };
	int rc;

	rc = tp_pod_wait(k, pod, container, TP_POD_CONTAINER_RUNNING, TP_AGENT_START_MS, progress,
			 arg, NULL, c, err);
	if (!rc)
		rc = tp_pod_log_follow(k, pod, container, log_line, &scan, TP_AGENT_START_MS, c,
				       err);
	if (scan.bad)
		rc = -1;
	else if (rc && scan.tail.len)
		tp_err_hint(err, "the agent's log:\n%s", scan.tail.data);
	tp_buf_free(&scan.tail);
	return rc ? tp_err_prefix(err, "the agent pod %s", pod) : 0;
}

int tp_agent_find(struct tp_kube *k, const struct tp_workload_ref *ref,
		  const struct tp_json *workload, char **pod, char **container, char **hostname,
		  struct tp_cancel *c, struct tp_err *err)
{
	const struct tp_json *labels = tp_json_path(workload, "spec.selector.matchLabels");
	TP_AUTO_BUF sel = TP_BUF_INIT(4096);
	TP_AUTO_JSON *list = NULL;
	const struct tp_json *items;

	for (size_t i = 0; i < tp_json_len(labels); i++)
		tp_buf_printf(&sel, "%s%s=%s", i ? "," : "", tp_json_key(labels, i),
			      tp_json_str(tp_json_at(labels, i)));
	list = tp_pod_list(k, sel.data ? sel.data : "", c, err);
	if (!list)
		return -1;
	items = tp_json_get(list, "items");
	for (size_t i = 0; i < tp_json_len(items); i++) {
		const struct tp_json *p = tp_json_at(items, i);
		const struct tp_json *first = tp_json_path(p, "spec.containers[0]");
		const char *ctr = ref->container ? ref->container : tp_json_str_at(first, "name");
		struct tp_err ignored;

		if (tp_json_str_at(p, "metadata.deletionTimestamp") ||
		    tp_pod_judge(p, ctr, TP_POD_CONTAINER_RUNNING, NULL, 0, &ignored) != 1)
			continue;
		*pod = tp_strdup(tp_json_str_at(p, "metadata.name"));
		*container = tp_strdup(ctr);
		if (hostname)
			*hostname = tp_strdup(tp_agentpod_hostname(p));
		return 0;
	}
	tp_err_set(err, TP_ERR_NOT_FOUND, "no pod of %s/%s runs in namespace \"%s\"", ref->resource,
		   ref->name, tp_kube_namespace(k));
	return tp_err_hint(err, "look at it with: kubectl -n %s get pods -l %s",
			   tp_kube_namespace(k), sel.data ? sel.data : "");
}

int tp_agent_let_in(struct tp_kube *k, const char *pod, const char *container, const char *key,
		    struct tp_agent_ready *ready, struct tp_cancel *c, struct tp_err *err)
{
	const char *const argv[] = { TP_AGENT_PROGRAM, "authorize", key, NULL };
	TP_AUTO_BUF out = TP_BUF_INIT(64 << 10);
	TP_AUTO_BUF errtext = TP_BUF_INIT(4 << 10);
	char *line, *save = NULL;
	int code = 0;

	if (tp_pod_exec(k, pod, container, argv, NULL, 0, &out, &errtext, &code, EXEC_MS, c, err))
		return tp_err_prefix(err, "pod %s", pod);
	for (line = out.data ? strtok_r(out.data, "\n", &save) : NULL; line && !code;
	     line = strtok_r(NULL, "\n", &save)) {
		int rc = tp_agent_ready_parse(line, ready, err);

		if (rc)
			return rc > 0 ? 0 : -1;
	}
	tp_err_set(err, TP_ERR_FAILED, "container \"%s\" of pod %s is no tpdocker agent%s%s",
		   container, pod, errtext.len ? ": " : "", errtext.len ? errtext.data : "");
	return tp_err_hint(err,
			   "--deployment wants one whose container runs `%s run`; to put an "
			   "agent in a workload's place use --swap-deployment",
			   TP_AGENT_PROGRAM);
}
