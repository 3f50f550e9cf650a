/* SPDX-License-Identifier: Apache-2.0 */
#include "session/join.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "session/ctlsock.h"
#include "session/known.h"
#include "session/timings.h"

#define ASK_MS 10000

/* Options of `run` that are the container's, or the command's. */
static const char *const ours[] = { "timings", "verbose", "quiet", "help", "docker-path" };

static bool is_given(const struct tp_opt *o, const struct tp_session_opts *base)
{
	const void *target = (const char *)base + o->offset;

	switch (o->type) {
	case TP_OPT_FLAG:
		return *(const bool *)target;
	case TP_OPT_STRING:
		return *(char *const *)target != NULL;
	case TP_OPT_LIST:
		return ((const struct tp_strv *)target)->n > 0;
	}
	return false;
}

static int refuse(const char *flag, const char *name, struct tp_err *err)
{
	tp_err_set(err, TP_ERR_USAGE, "%s belongs to the session, and %s is one already", flag,
		   name);
	return tp_err_hint(err, "Give it to `tpdocker up`.");
}

int tp_join_check(const struct tp_session_opts *o, const struct tp_run_args *a, const char *name,
		  struct tp_err *err)
{
	const struct {
		const char *flag;
		bool given;
	} network[] = {
		{ "-p", a->publish.n > 0 },
		{ "-P", a->publish_all },
		{ "--hostname", a->hostname },
		{ "--domainname", a->domainname },
		{ "--mac-address", a->mac_address },
		{ "--ip", a->ip },
		{ "--ip6", a->ip6 },
		{ "--link-local-ip", a->link_local_ips.n > 0 },
		{ "--add-host", a->add_hosts.n > 0 },
		{ "--dns", a->dns.n > 0 },
		{ "--dns-search", a->dns_search.n > 0 },
		{ "--dns-option", a->dns_options.n > 0 },
		{ "--link", a->links.n > 0 },
		{ "--network", a->networks.n > 0 },
		{ "--network-alias", a->network_aliases.n > 0 },
		{ "--sysctl net.*", a->net_sysctls.n > 0 },
	};

	TP_OPT_FOREACH(opt, tp_session_opt_table)
	{
		tp_autofree char *flag = tp_asprintf("--%s", opt->name);
		bool fine = !is_given(opt, o);

		for (size_t i = 0; i < TP_ARRAY_SIZE(ours); i++)
			fine = fine || !strcmp(opt->name, ours[i]);
		if (!fine)
			return refuse(flag, name, err);
	}
	for (size_t i = 0; i < TP_ARRAY_SIZE(network); i++)
		if (network[i].given)
			return refuse(network[i].flag, name, err);
	return 0;
}

static int take_environ(struct tp_session *s, const char *path, struct tp_err *err)
{
	TP_AUTO_BUF b = TP_BUF_INIT(TP_CTL_ANSWER_MAX);

	if (tp_ctl_ask(path, "environ", &b, ASK_MS, NULL, err))
		return -1;
	for (size_t at = 0; at < b.len; at += strlen(b.data + at) + 1)
		tp_strv_add(&s->remote.env, b.data + at); /* a NUL is behind all of it */
	return 0;
}

/* What the session is, from its record and its supervisor. */
static int take_session(struct tp_session *s, struct tp_known *k, struct tp_err *err)
{
	const char *sidecar = tp_json_str_at(k->live, "sidecar");
	const struct tp_json *mounts = tp_json_get(k->live, "mounts");
	const char *volumes = tp_json_str_at(k->live, "volumes");
	tp_autofree char *path = tp_record_path(k->record.id, TP_CTL_SUFFIX, err);
	struct tp_docker_globals g;

	if (!path)
		return -1;
	if (k->state != TP_KNOWN_READY && k->state != TP_KNOWN_RECONNECTING) {
		tp_err_set(err, TP_ERR_CONFLICT, "the session %s cannot be joined: it is %s",
			   tp_known_name(k), tp_known_state_word(k->state));
		return k->record.name ?
			       -1 :
			       tp_err_hint(err, "It is that of a `tpdocker run`; `tpdocker up` "
						"starts one that can be.");
	}
	if (!sidecar || strlen(sidecar) >= sizeof(s->sidecar_id))
		return tp_err_set(
			err, TP_ERR_PROTOCOL,
			"the session %s does not tell what it is; is it of the same version?",
			tp_known_name(k));
	strcpy(s->sidecar_id, sidecar);
	if (k->record.method && tp_method_find(k->record.method))
		s->method = tp_method_find(k->record.method);
	s->volumes = volumes ? tp_volumes_wanted(volumes) : TP_VOLUMES_OFF;
	s->volumes_root = tp_strdup(tp_json_str_at(k->live, "volumesRoot"));
	for (size_t i = 0; i < tp_json_len(mounts); i++)
		if (tp_json_str(tp_json_at(mounts, i)))
			tp_strv_add(&s->remote.mounts, tp_json_str(tp_json_at(mounts, i)));
	tp_known_docker(&k->record, &g);
	g.docker_path = s->opts->docker_path;
	if (tp_docker_endpoint_find(&g, &s->ep, err) || tp_launch_check(&s->ep, s->args, err) ||
	    take_environ(s, path, err))
		return -1;
	s->joined_fd = tp_ctl_join(path, s->run_id, err);
	return s->joined_fd < 0 ? -1 : 0;
}

static int open_engine(void *arg, struct tp_cancel *c, struct tp_err *err)
{
	struct tp_session *s = arg;

	s->engine = tp_engine_open(&s->ep, c, err);
	return s->engine ? tp_session_user_image(s, c, err) : -1;
}

static void session_tells(void *arg, int events)
{
	struct tp_session *s = arg;
	char *why;

	(void)events;
	switch (tp_ctl_joined_read(s->joined_fd, &why)) {
	case 1:
		s->joined_passed = true;
		tp_loop_stop(s->loop, 0);
		return;
	case 2:
		free(s->joined_refusal);
		s->joined_refusal = why;
		tp_loop_stop(s->loop, 0);
		return;
	case 0:
		return;
	}
	tp_watch_del(s->joined_watch);
	s->joined_watch = NULL;
	tp_warn("the session %s ends, and its containers with it", s->record.name);
}

int tp_join(struct tp_session *s, const char *name, struct tp_err *err)
{
	struct tp_known k;
	int rc;

	if (tp_session_ask_signals(s))
		return tp_err_set(err, TP_ERR_FAILED, "signalfd: not supported here");
	if (tp_known_find(name, &k, err))
		return -1;
	rc = take_session(s, &k, err);
	s->record = k.record; /* not ours to undo: S->recorded is false */
	k.record = TP_RECORD_INIT;
	tp_known_free(&k);
	if (rc)
		return -1;
	tp_timings_mark("session joined");
	tp_session_task(s, open_engine);
	if (tp_session_wait_tasks(s)) {
		*err = s->err;
		return -1;
	}
	s->joined_watch = tp_watch_add(s->loop, s->joined_fd, TP_READ, session_tells, s);
	tp_timings_mark("image is there");
	return 0;
}
