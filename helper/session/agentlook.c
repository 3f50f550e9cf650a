/* SPDX-License-Identifier: Apache-2.0 */
#include "session/agentlook.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "common/control.h"
#include "session/record.h"

/* The entry of LIST called NAME; without a name the one that runs the agent. */
static const struct tp_json *entry(const struct tp_json *list, const char *name)
{
	for (size_t i = 0; i < tp_json_len(list); i++) {
		const struct tp_json *e = tp_json_at(list, i);
		const char *n = tp_json_str_at(e, "name"), *cmd = tp_json_str_at(e, "command[0]");

		if (name ? n && !strcmp(n, name) : cmd && !strcmp(cmd, TP_AGENT_PROGRAM))
			return e;
	}
	return NULL;
}

static const struct tp_json *status_of(const struct tp_json *pod, const char *container)
{
	if (!container)
		container =
			tp_json_str_at(entry(tp_json_path(pod, "spec.containers"), NULL), "name");
	return container ? entry(tp_json_path(pod, "status.containerStatuses"), container) : NULL;
}

/* The agent ends with 0 when it was asked to or nobody was there; only Always
 * would start it again then. */
static bool is_over(const struct tp_json *pod, const struct tp_json *terminated)
{
	const char *restart = tp_json_str_at(pod, "spec.restartPolicy");

	if (!terminated || !restart || !strcmp(restart, "Always"))
		return false;
	return !strcmp(restart, "Never") || tp_json_int_at(terminated, "exitCode", -1) == 0;
}

enum tp_agent_state tp_agentlook(const struct tp_json *pod, const char *container,
				 const char *session, char *why, size_t why_size)
{
	const struct tp_json *labels = tp_json_path(pod, "metadata.labels");
	const char *owner = tp_json_str(tp_json_get(labels, TP_POD_LABEL_SESSION));
	const char *phase = tp_json_str_at(pod, "status.phase");
	const char *reason = tp_json_str_at(pod, "status.reason");
	const char *message = tp_json_str_at(pod, "status.message");
	const struct tp_json *st = status_of(pod, container);
	const struct tp_json *ended = tp_json_path(st, "state.terminated");

	if (why_size)
		why[0] = '\0';
	if (!pod) {
		snprintf(why, why_size, "was deleted");
		return TP_AGENT_GONE;
	}
	if (session && (!owner || strcmp(owner, session))) {
		snprintf(why, why_size, "is somebody else's now");
		return TP_AGENT_FOREIGN;
	}
	if (phase && (!strcmp(phase, "Failed") || !strcmp(phase, "Succeeded"))) {
		if (reason && !strcmp(reason, "Evicted"))
			snprintf(why, why_size, "was evicted%s%.300s", message ? ": " : "",
				 message ? message : "");
		else if (reason)
			snprintf(why, why_size, "has ended: %.100s%s%.300s", reason,
				 message ? ": " : "", message ? message : "");
		else
			snprintf(why, why_size, "has ended");
		return TP_AGENT_ENDED;
	}
	if (tp_json_str_at(pod, "metadata.deletionTimestamp")) {
		snprintf(why, why_size, "was deleted");
		return TP_AGENT_ENDING;
	}
	if (is_over(pod, ended)) {
		snprintf(why, why_size, "has ended");
		return TP_AGENT_LEFT;
	}
	return tp_json_path(st, "state.running") ? TP_AGENT_RUNNING : TP_AGENT_STARTING;
}

char *tp_agentlook_instance(const struct tp_json *pod, const char *container)
{
	const struct tp_json *st = status_of(pod, container);
	const char *uid = tp_json_str_at(pod, "metadata.uid");
	const char *id = tp_json_str_at(st, "containerID");

	if (!uid || !id || !tp_json_path(st, "state.running"))
		return NULL;
	return tp_asprintf("%s/%s", uid, id);
}
