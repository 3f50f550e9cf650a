/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session's ports in the order of its life: planned before anything
 * exists, told to the sidecar, judged by the agent before the user's
 * container starts, and a Service in front of a new agent's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "common/control.h"
#include "session/service.h"
#include "session/session.h"
#include "session/timings.h"

#define LOW_PORTS_VERSION \
	1022 /* Kubernetes' from which on a pod may say that all ports are anybody's */

static struct tp_service service_of(const struct tp_session *s)
{
	return (struct tp_service){ .name = s->record.service,
				    .session = s->record.id,
				    .by = s->record.by,
				    .ports = &s->ports };
}

static bool wants_any(const struct tp_port_wants *w)
{
	return w->expose->n || w->from_pod->n || w->to_pod->n || w->to_host->n;
}

int tp_session_ports_plan(struct tp_session *s, struct tp_cancel *c, struct tp_err *err)
{
	struct tp_port_wants w = tp_session_opts_ports(s->opts);
	struct tp_port_pod pod = { .container = s->record.pod_container };
	TP_AUTO_JSON *standing = NULL;
	TP_AUTO_STRV notes = { 0 };

	switch (s->record.mode) {
	case TP_MODE_SWAP:
		pod.spec = tp_json_path(s->workload, "spec.template.spec");
		pod.container = tp_agentpod_target(&s->record.workload,
						   tp_json_path(s->workload, "spec.template"));
		pod.expose_declared = true;
		break;
	case TP_MODE_EXISTING:
		/* Others may use that agent at the same time: nothing is taken unasked. */
		if (!wants_any(&w))
			return 0;
		standing = tp_pod_get(s->kube, s->record.pod, c, err);
		if (!standing)
			return -1;
		pod.spec = tp_json_get(standing, "spec");
		break;
	case TP_MODE_NEW:
		pod.container = "agent";
		break;
	}
	if (tp_ports_plan(&w, &pod, &s->ports, &notes, err))
		return -1;
	for (size_t i = 0; i < notes.n; i++)
		tp_info("%s", notes.v[i]);
	/* A name that nobody gave is one that nobody calls. */
	if (s->opts->new_deployment && tp_ports_count(&s->ports, TP_PORT_EXPOSE))
		s->record.service = tp_strdup(s->record.pod);
	return 0;
}

int tp_session_service_check(struct tp_session *s, struct tp_cancel *c, struct tp_err *err)
{
	struct tp_service service = service_of(s);

	return service.name ? tp_service_check(s->kube, &service, c, err) : 0;
}

int tp_session_service_create(struct tp_session *s, const struct tp_json *pod, struct tp_cancel *c,
			      struct tp_err *err)
{
	struct tp_service service = service_of(s);

	if (!service.name)
		return 0;
	if (tp_service_create(s->kube, &service, tp_json_str_at(pod, "metadata.uid"),
			      &s->service_address, c, err))
		return -1;
	tp_timings_mark("Service created");
	return 0;
}

int tp_session_service_renew(struct tp_session *s, const struct tp_json *pod, struct tp_cancel *c,
			     struct tp_err *err)
{
	struct tp_service service = service_of(s);

	if (!service.name)
		return 0;
	return tp_service_renew(s->kube, &service, tp_json_str_at(pod, "metadata.uid"),
				&s->service_address, c, err);
}

bool tp_session_wants_low_ports(const struct tp_session *s)
{
	int version = tp_kube_version(s->kube);

	return tp_ports_privileged(&s->ports) && (!version || version >= LOW_PORTS_VERSION);
}

void tp_session_ports_send(struct tp_session *s)
{
	for (size_t i = 0; i < s->ports.n; i++) {
		const struct tp_port *p = &s->ports.v[i];
		char text[64];

		switch (p->kind) {
		case TP_PORT_EXPOSE:
		case TP_PORT_FROM_POD:
			snprintf(text, sizeof(text), "%s %u %u", tp_port_bind(p), p->remote,
				 p->local);
			tp_control_sends(s->control, TP_CTL_EXPOSE, text);
			break;
		case TP_PORT_TO_POD:
			snprintf(text, sizeof(text), "%u", p->remote);
			tp_control_sends(s->control, TP_CTL_TO_POD, text);
			break;
		case TP_PORT_TO_HOST:
			snprintf(text, sizeof(text), "%u %u", p->local, p->remote);
			tp_control_sends(s->control, TP_CTL_TO_HOST, text);
			break;
		}
	}
}

static const struct tp_port *find(const struct tp_ports *ports, const char *bind, unsigned port)
{
	for (size_t i = 0; i < ports->n; i++) {
		const struct tp_port *p = &ports->v[i];

		if (tp_port_is_inward(p) && p->remote == port && !strcmp(tp_port_bind(p), bind))
			return p;
	}
	return NULL;
}

/* Why the agent cannot listen on P, and what to do. */
static int judge(const struct tp_port *p, const char *state, struct tp_err *err)
{
	tp_autofree char *who =
		p->said ? tp_strdup(p->said) :
			  tp_asprintf("port %u, which the container declares", p->remote);

	if (!strcmp(state, "taken")) {
		tp_err_set(err, TP_ERR_CONFLICT,
			   "%s: port %u of the pod is taken by another program there", who,
			   p->remote);
		return tp_err_hint(err, "another container of the pod listens on it, or another "
					"session of the same agent has it; choose another port of "
					"the pod");
	}
	if (strcmp(state, "denied"))
		return tp_err_set(err, TP_ERR_FAILED,
				  "%s: the agent cannot listen on port %u of the pod: %s", who,
				  p->remote, state);
	tp_err_set(err, TP_ERR_FORBIDDEN, "%s: the agent may not listen on port %u of the pod", who,
		   p->remote);
	if (p->remote >= 1024)
		return -1;
	return tp_err_hint(err, "ports below 1024 are for everybody from Kubernetes 1.22 on, and "
				"before that where the nodes' container engine says so; expose a "
				"port above them and let the Service's targetPort lead there");
}

int tp_session_ports_judge(struct tp_session *s, struct tp_err *err)
{
	for (size_t i = 0; i < s->remote.ports.n; i++) {
		const char *line = s->remote.ports.v[i], *state = strchr(line, ' ');
		const struct tp_port *p;
		char bind[16];
		unsigned port;

		if (!state || sscanf(line, "%15[0-9.]:%5u", bind, &port) != 2)
			return tp_err_set(err, TP_ERR_PROTOCOL,
					  "what the agent says of its ports cannot be read");
		p = find(&s->ports, bind, port);
		if (!p || !strcmp(++state, "ok"))
			continue;
		judge(p, state, err);
		if (p->said)
			return -1;
		/* nobody asked for it */
		tp_warn("%s", err->msg);
	}
	return 0;
}

void tp_session_ports_tell(const struct tp_session *s)
{
	tp_autofree char *text = tp_ports_describe(&s->ports);

	if (!*text)
		return;
	if (s->record.service)
		tp_info("the Service %s leads to the container: %s", s->record.service, text);
	else if (s->record.mode == TP_MODE_NEW)
		tp_info("the pod's address %.*s leads to the container: %s",
			(int)strcspn(s->agent.probe, ":"), s->agent.probe, text);
	else
		tp_info("ports of the pod that lead to the container: %s", text);
}
