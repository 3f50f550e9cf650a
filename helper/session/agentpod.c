/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "common/control.h"
#include "session/agentpod_internal.h"
#include "session/record.h"

#define RUN_VOLUME "tpdocker-run"

char *tp_agentpod_name(const char *workload, const char *session)
{
	/* "-tpdocker-" and the id stay whole; the workload's name gives way. */
	int room = 63 - (int)strlen("-tpdocker-") - (int)strlen(session);
	size_t n = strnlen(workload, (size_t)room);

	while (n > 0 && !isalnum((unsigned char)workload[n - 1]))
		n--;
	return tp_asprintf("%.*s-tpdocker-%s", (int)n, workload, session);
}

void tp_agentpod_put_env(struct tp_jw *w, const struct tp_agentpod *a)
{
	char ttl[16];

	snprintf(ttl, sizeof(ttl), "%d", TP_AGENT_TTL);
	tp_jw_object(w, NULL);
	tp_jw_str(w, "name", TP_AGENT_ENV_KEY);
	tp_jw_str(w, "value", a->authorized_key);
	tp_jw_end(w);
	tp_jw_object(w, NULL);
	tp_jw_str(w, "name", TP_AGENT_ENV_TTL);
	tp_jw_str(w, "value", ttl);
	tp_jw_end(w);
}

void tp_agentpod_put_mount(struct tp_jw *w)
{
	tp_jw_object(w, NULL);
	tp_jw_str(w, "name", RUN_VOLUME);
	tp_jw_str(w, "mountPath", TP_AGENT_DIR);
	tp_jw_end(w);
}

void tp_agentpod_put_volume(struct tp_jw *w)
{
	tp_jw_object(w, NULL);
	tp_jw_str(w, "name", RUN_VOLUME);
	tp_jw_object(w, "emptyDir");
	tp_jw_str(w, "medium", "Memory");
	tp_jw_str(w, "sizeLimit", "16Mi");
	tp_jw_end(w);
	tp_jw_end(w);
}

void tp_agentpod_put_agent(struct tp_jw *w, const struct tp_agentpod *a)
{
	tp_jw_str(w, "image", a->image);
	tp_jw_str(w, "imagePullPolicy", "IfNotPresent");
	tp_jw_array(w, "command");
	tp_jw_str(w, NULL, TP_AGENT_PROGRAM);
	tp_jw_str(w, NULL, "run");
	tp_jw_end(w);
}

void tp_agentpod_put_requests(struct tp_jw *w)
{
	tp_jw_object(w, "resources");
	tp_jw_object(w, "requests");
	tp_jw_str(w, "cpu", "10m");
	tp_jw_str(w, "memory", "48Mi");
	tp_jw_end(w);
	tp_jw_end(w);
}

void tp_agentpod_copy_members(struct tp_jw *w, const struct tp_json *obj, const char *const *except)
{
	for (size_t i = 0; i < tp_json_len(obj); i++) {
		const char *key = tp_json_key(obj, i);
		bool skip = false;

		for (const char *const *e = except; *e && !skip; e++)
			skip = !strcmp(*e, key);
		if (!skip)
			tp_jw_value(w, key, tp_json_at(obj, i));
	}
}

void tp_agentpod_copy_elements(struct tp_jw *w, const struct tp_json *arr)
{
	for (size_t i = 0; i < tp_json_len(arr); i++)
		tp_jw_value(w, NULL, tp_json_at(arr, i));
}

void tp_agentpod_put_labels(struct tp_jw *w, const struct tp_agentpod *a,
			    const struct tp_json *labels, const char *stateful_pod)
{
	static const char *const except[] = { TP_POD_LABEL_SESSION,
					      "statefulset.kubernetes.io/pod-name", NULL };

	tp_jw_object(w, "labels");
	tp_agentpod_copy_members(w, labels, except);
	tp_jw_str(w, TP_POD_LABEL_SESSION, a->session);
	if (!labels)
		tp_jw_str(w, "app.kubernetes.io/managed-by", "tpdocker");
	if (stateful_pod)
		tp_jw_str(w, "statefulset.kubernetes.io/pod-name", stateful_pod);
	tp_jw_end(w);
}

void tp_agentpod_put_annotations(struct tp_jw *w, const struct tp_agentpod *a,
				 const struct tp_json *annotations)
{
	static const char *const except[] = { TP_POD_ANNOTATION_BY, NULL };

	tp_jw_object(w, "annotations");
	tp_agentpod_copy_members(w, annotations, except);
	tp_jw_str(w, TP_POD_ANNOTATION_BY, a->by);
	tp_jw_end(w);
}

const char *tp_agentpod_target(const struct tp_workload_ref *ref, const struct tp_json *tmpl)
{
	const struct tp_json *notes = tp_json_path(tmpl, "metadata.annotations");
	const char *name = ref->container;

	if (!name)
		name = tp_json_str(tp_json_get(notes, "kubectl.kubernetes.io/default-container"));
	return name ? name : tp_json_str_at(tmpl, "spec.containers[0].name");
}

/*
 * Anybody may listen below 1024 in this pod's network namespace. The Pod
 * Security Standard "restricted" allows this very setting, from 1.22 on; older
 * kubelets refuse a pod that has it.
 */
#define LOW_PORTS "net.ipv4.ip_unprivileged_port_start"

static void write_low_ports(struct tp_jw *w, const struct tp_json *sysctls)
{
	tp_jw_array(w, "sysctls");
	for (size_t i = 0; i < tp_json_len(sysctls); i++) {
		const char *name = tp_json_str_at(tp_json_at(sysctls, i), "name");

		if (!name || strcmp(name, LOW_PORTS))
			tp_jw_value(w, NULL, tp_json_at(sysctls, i));
	}
	tp_jw_object(w, NULL);
	tp_jw_str(w, "name", LOW_PORTS);
	tp_jw_str(w, "value", "0");
	tp_jw_end(w);
	tp_jw_end(w);
}

static void write_declared(struct tp_jw *w, const struct tp_ports *ports)
{
	if (!ports || !tp_ports_count(ports, TP_PORT_EXPOSE))
		return;
	tp_jw_array(w, "ports");
	for (size_t i = 0; i < ports->n; i++) {
		if (ports->v[i].kind != TP_PORT_EXPOSE)
			continue;
		tp_jw_object(w, NULL);
		tp_jw_int(w, "containerPort", ports->v[i].remote);
		tp_jw_end(w);
	}
	tp_jw_end(w);
}

char *tp_agentpod_new(const struct tp_agentpod *a, struct tp_err *err)
{
	TP_AUTO_JW *w = tp_jw_new();

	tp_jw_object(w, NULL);
	tp_jw_str(w, "apiVersion", "v1");
	tp_jw_str(w, "kind", "Pod");
	tp_jw_object(w, "metadata");
	tp_jw_str(w, "name", a->name);
	tp_agentpod_put_labels(w, a, NULL, NULL);
	tp_agentpod_put_annotations(w, a, NULL);
	tp_jw_end(w);

	tp_jw_object(w, "spec");
	/* The agent ends by itself when nobody needs it; a crash is another matter. */
	tp_jw_str(w, "restartPolicy", "OnFailure");
	tp_jw_int(w, "terminationGracePeriodSeconds", 1);
	if (a->service_account)
		tp_jw_str(w, "serviceAccountName", a->service_account);
	tp_jw_object(w, "securityContext");
	tp_jw_bool(w, "runAsNonRoot", true);
	tp_jw_object(w, "seccompProfile");
	tp_jw_str(w, "type", "RuntimeDefault");
	tp_jw_end(w);
	if (a->low_ports)
		write_low_ports(w, NULL);
	tp_jw_end(w);
	tp_jw_array(w, "containers");
	tp_jw_object(w, NULL);
	tp_jw_str(w, "name", "agent");
	tp_agentpod_put_agent(w, a);
	write_declared(w, a->ports);
	tp_jw_array(w, "env");
	tp_agentpod_put_env(w, a);
	tp_jw_end(w);
	tp_agentpod_put_requests(w);
	tp_jw_object(w, "securityContext");
	tp_jw_bool(w, "allowPrivilegeEscalation", false);
	tp_jw_bool(w, "readOnlyRootFilesystem", true);
	tp_jw_object(w, "capabilities");
	tp_jw_array(w, "drop");
	tp_jw_str(w, NULL, "ALL");
	tp_jw_end(w);
	tp_jw_end(w);
	tp_jw_end(w);
	tp_jw_array(w, "volumeMounts");
	tp_agentpod_put_mount(w);
	tp_jw_end(w);
	tp_jw_end(w);
	tp_jw_end(w);
	tp_jw_array(w, "volumes");
	tp_agentpod_put_volume(w);
	tp_jw_end(w);
	tp_jw_end(w);
	tp_jw_end(w);
	return tp_jw_finish(w, NULL, err);
}

static void write_target(struct tp_jw *w, const struct tp_agentpod *a, const struct tp_json *ctr)
{
	static const char *const except[] = { "image",	      "imagePullPolicy", "command",
					      "args",	      "livenessProbe",	 "readinessProbe",
					      "startupProbe", "lifecycle",	 "workingDir",
					      "stdin",	      "stdinOnce",	 "tty",
					      "env",	      "volumeMounts",	 NULL };

	tp_jw_object(w, NULL);
	tp_agentpod_copy_members(w, ctr, except);
	tp_agentpod_put_agent(w, a);
	tp_jw_array(w, "env");
	tp_agentpod_copy_elements(w, tp_json_get(ctr, "env"));
	tp_agentpod_put_env(w, a);
	tp_jw_end(w);
	tp_jw_array(w, "volumeMounts");
	tp_agentpod_copy_elements(w, tp_json_get(ctr, "volumeMounts"));
	tp_agentpod_put_mount(w);
	tp_jw_end(w);
	tp_jw_end(w);
}

/* A StatefulSet's pod 0 mounts the claims that its templates made. */
static void write_claim(struct tp_jw *w, const struct tp_json *tmpl, const char *pod0)
{
	const char *name = tp_json_str_at(tmpl, "metadata.name");
	tp_autofree char *claim = tp_asprintf("%s-%s", name ? name : "", pod0);

	tp_jw_object(w, NULL);
	tp_jw_str(w, "name", name);
	tp_jw_object(w, "persistentVolumeClaim");
	tp_jw_str(w, "claimName", claim);
	tp_jw_end(w);
	tp_jw_end(w);
}

void tp_agentpod_put_owner(struct tp_jw *w, const struct tp_agentpod *a)
{
	tp_jw_array(w, "ownerReferences");
	tp_jw_object(w, NULL);
	tp_jw_str(w, "apiVersion", "tpdocker.dev/v1");
	tp_jw_str(w, "kind", "Session");
	tp_jw_str(w, "name", a->session);
	tp_jw_str(w, "uid", a->session);
	tp_jw_bool(w, "controller", true);
	tp_jw_end(w);
	tp_jw_end(w);
}

/* The pod's security context, kept but for the sysctl that is needed. The
 * node's own network namespace is not to be changed. */
static void write_security_context(struct tp_jw *w, const struct tp_agentpod *a,
				   const struct tp_json *spec)
{
	static const char *const except[] = { "sysctls", NULL };
	const struct tp_json *sc = tp_json_get(spec, "securityContext");

	if (!a->low_ports || tp_json_bool_at(spec, "hostNetwork", false)) {
		if (sc)
			tp_jw_value(w, "securityContext", sc);
		return;
	}
	tp_jw_object(w, "securityContext");
	tp_agentpod_copy_members(w, sc, except);
	write_low_ports(w, tp_json_get(sc, "sysctls"));
	tp_jw_end(w);
}

char *tp_agentpod_swap(const struct tp_agentpod *a, const struct tp_workload_ref *ref,
		       const struct tp_json *workload, char **container, struct tp_err *err)
{
	static const char *const spec_except[] = { "containers",      "volumes",   "restartPolicy",
						   "hostname",	      "subdomain", "nodeName",
						   "securityContext", NULL };
	const struct tp_json *tmpl = tp_json_path(workload, "spec.template");
	const struct tp_json *spec = tp_json_get(tmpl, "spec");
	const struct tp_json *meta = tp_json_get(tmpl, "metadata");
	const struct tp_json *ctrs = tp_json_get(spec, "containers");
	const struct tp_json *claims = tp_json_path(workload, "spec.volumeClaimTemplates");
	const struct tp_json *vols = tp_json_get(spec, "volumes");
	bool stateful = !strcmp(ref->kind, "StatefulSet");
	tp_autofree char *pod0 = stateful ? tp_asprintf("%s-0", ref->name) : NULL;
	const char *target = tp_agentpod_target(ref, tmpl), *service;
	TP_AUTO_JW *w = tp_jw_new();
	bool found = false;

	tp_jw_object(w, NULL);
	tp_jw_str(w, "apiVersion", "v1");
	tp_jw_str(w, "kind", "Pod");
	tp_jw_object(w, "metadata");
	tp_jw_str(w, "name", a->name);
	tp_agentpod_put_labels(w, a, tp_json_get(meta, "labels"), pod0);
	tp_agentpod_put_annotations(w, a, tp_json_get(meta, "annotations"));
	if (strcmp(ref->kind, "Deployment") && !stateful)
		tp_agentpod_put_owner(w, a);
	tp_jw_end(w);

	tp_jw_object(w, "spec");
	tp_agentpod_copy_members(w, spec, spec_except);
	write_security_context(w, a, spec);
	tp_jw_str(w, "restartPolicy", "OnFailure");
	/* A StatefulSet's agent stands in for pod 0, under its name in DNS. */
	if (stateful)
		tp_jw_str(w, "hostname", pod0);
	else if (tp_json_get(spec, "hostname"))
		tp_jw_value(w, "hostname", tp_json_get(spec, "hostname"));
	service = tp_json_str_at(stateful ? tp_json_get(workload, "spec") : spec,
				 stateful ? "serviceName" : "subdomain");
	if (service && *service)
		tp_jw_str(w, "subdomain", service);
	tp_jw_array(w, "containers");
	for (size_t i = 0; i < tp_json_len(ctrs); i++) {
		const struct tp_json *ctr = tp_json_at(ctrs, i);
		const char *name = tp_json_str_at(ctr, "name");

		if (name && target && !strcmp(name, target)) {
			write_target(w, a, ctr);
			found = true;
		} else {
			tp_jw_value(w, NULL, ctr);
		}
	}
	tp_jw_end(w);
	tp_jw_array(w, "volumes");
	tp_agentpod_copy_elements(w, vols);
	for (size_t i = 0; stateful && i < tp_json_len(claims); i++)
		write_claim(w, tp_json_at(claims, i), pod0);
	tp_agentpod_put_volume(w);
	tp_jw_end(w);
	tp_jw_end(w);
	tp_jw_end(w);
	if (!found)
		return tp_err_set(err, TP_ERR_NOT_FOUND, "no container \"%s\" in %s/%s",
				  target ? target : "", ref->resource, ref->name),
		       NULL;
	*container = tp_strdup(target);
	return tp_jw_finish(w, NULL, err);
}

const char *tp_agentpod_hostname(const struct tp_json *pod)
{
	const char *h = tp_json_str_at(pod, "spec.hostname");

	return h && *h ? h : tp_json_str_at(pod, "metadata.name");
}

/* The value behind "KEY=" up to the next space, or to the end for the last. */
static char *field(const char *line, const char *key, bool last)
{
	tp_autofree char *pat = tp_asprintf(" %s=", key);
	const char *p = strstr(line, pat);

	if (!p)
		return NULL;
	p += strlen(pat);
	return tp_strndup(p, last ? strcspn(p, "\r\n") : strcspn(p, " \r\n"));
}

int tp_agent_ready_parse(const char *line, struct tp_agent_ready *r, struct tp_err *err)
{
	tp_autofree char *port = NULL;
	char *end;
	long n = 0;

	memset(r, 0, sizeof(*r));
	if (strncmp(line, TP_AGENT_READY, strlen(TP_AGENT_READY)))
		return 0;
	line += strlen(TP_AGENT_READY) - 1;
	port = field(line, "port", false);
	if (port && isdigit((unsigned char)*port)) {
		n = strtol(port, &end, 10);
		if (*end || n < 1 || n > 65535)
			n = 0;
	}
	r->port = (unsigned)n;
	r->user = field(line, "user", false);
	r->probe = field(line, "probe", false);
	r->token = field(line, "token", false);
	r->hostkey = field(line, "hostkey", true);
	if (!r->port || !r->user || !*r->user || !r->probe || !r->token || !r->hostkey ||
	    strncmp(r->hostkey, "ssh-ed25519 ", 12) || strlen(r->hostkey) > 512) {
		tp_agent_ready_free(r);
		return tp_err_set(err, TP_ERR_PROTOCOL,
				  "the agent's log has a ready line that makes no sense; is its "
				  "image of the same version as this program?");
	}
	return 1;
}

void tp_agent_ready_free(struct tp_agent_ready *r)
{
	free(r->user);
	free(r->probe);
	free(r->token);
	free(r->hostkey);
	memset(r, 0, sizeof(*r));
}
