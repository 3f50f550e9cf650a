/* SPDX-License-Identifier: Apache-2.0 */
#include "session/ports.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void tp_ports_free(struct tp_ports *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->v[i].said);
	free(p->v);
	*p = (struct tp_ports){ 0 };
}

/* ------------------------------------------------------ the pod's own ports */

typedef bool declared_fn(void *arg, const char *container, const struct tp_json *port);

static bool walk(const struct tp_json *ctrs, bool restartable_only, declared_fn *fn, void *arg)
{
	for (size_t i = 0; i < tp_json_len(ctrs); i++) {
		const struct tp_json *ctr = tp_json_at(ctrs, i);
		const struct tp_json *ports = tp_json_get(ctr, "ports");
		const char *name = tp_json_str_at(ctr, "name");
		const char *policy = tp_json_str_at(ctr, "restartPolicy");

		/* an init container that runs as long as the pod does */
		if (restartable_only && (!policy || strcmp(policy, "Always")))
			continue;
		for (size_t j = 0; j < tp_json_len(ports); j++)
			if (fn(arg, name ? name : "", tp_json_at(ports, j)))
				return true;
	}
	return false;
}

/* Each declared port of the pod, until FN says true. */
static void each_declared(const struct tp_port_pod *pod, declared_fn *fn, void *arg)
{
	if (!walk(tp_json_get(pod->spec, "containers"), false, fn, arg))
		walk(tp_json_get(pod->spec, "initContainers"), true, fn, arg);
}

static bool is_tcp(const struct tp_json *port)
{
	const char *proto = tp_json_str_at(port, "protocol");

	return !proto || !strcmp(proto, "TCP");
}

static unsigned port_of(const struct tp_json *port)
{
	int64_t n = tp_json_int_at(port, "containerPort", 0);

	return n > 0 && n < 65536 ? (unsigned)n : 0;
}

/* Who else in the pod declares PORT. */
struct holder {
	const struct tp_port_pod *pod;
	unsigned port;
	const char *found;
};

static bool holds(void *arg, const char *container, const struct tp_json *port)
{
	struct holder *h = arg;

	if (port_of(port) != h->port || !is_tcp(port) || !strcmp(container, h->pod->container))
		return false;
	h->found = container;
	return true;
}

static const char *other_container(const struct tp_port_pod *pod, unsigned port)
{
	struct holder h = { .pod = pod, .port = port };

	each_declared(pod, holds, &h);
	return h.found;
}

/* ------------------------------------------------------------------- names */

struct lookup {
	const struct tp_port_pod *pod;
	const char *name;
	bool others; /* in the other containers, not in the agent's */
	unsigned port;
	bool udp;
	const char *elsewhere; /* the container that has it on the wrong side */
	struct tp_buf have;    /* the names there are */
};

static bool look(void *arg, const char *container, const struct tp_json *port)
{
	struct lookup *l = arg;
	const char *name = tp_json_str_at(port, "name");
	bool right = (strcmp(container, l->pod->container) != 0) == l->others;

	if (!name || !port_of(port))
		return false;
	if (right && is_tcp(port))
		tp_buf_printf(&l->have, "%s%s (%u)", l->have.len ? ", " : "", name, port_of(port));
	if (strcmp(name, l->name))
		return false;
	if (!right)
		l->elsewhere = container;
	else if (!is_tcp(port))
		l->udp = true;
	else
		l->port = port_of(port);
	return false;
}

static int name_missing(const struct tp_portspec *spec, const char *said, const struct lookup *l,
			struct tp_err *err)
{
	const char *who = l->pod->container;

	if (!l->pod->spec)
		return tp_err_set(err, TP_ERR_USAGE,
				  "%s: a new agent has no ports with names; give the number", said);
	if (l->udp)
		return tp_err_set(err, TP_ERR_USAGE,
				  "%s: port \"%s\" is not TCP, and only TCP goes through the link "
				  "between pod and container",
				  said, l->name);
	if (spec->kind == TP_PORT_TO_POD)
		tp_err_set(err, TP_ERR_USAGE, "%s: no other container of the pod has a port \"%s\"",
			   said, l->name);
	else
		tp_err_set(err, TP_ERR_USAGE, "%s: the container \"%s\" has no port \"%s\"", said,
			   who, l->name);
	if (l->elsewhere)
		tp_err_hint(err, "\"%s\" is a port of %s \"%s\"", l->name,
			    spec->kind == TP_PORT_TO_POD ? "the swapped container" :
							   "another container,",
			    l->elsewhere);
	return tp_err_hint(err,
			   l->have.len ? "those there are: %s" : "there are none with a name%s",
			   l->have.len ? l->have.data : "");
}

/* Gives a side that is a name its number. */
static int resolve(const struct tp_portspec *spec, struct tp_port_side *side, const char *said,
		   const struct tp_port_pod *pod, struct tp_err *err)
{
	struct lookup l = { .pod = pod,
			    .name = side->name,
			    .others = spec->kind == TP_PORT_TO_POD,
			    .have = TP_BUF_INIT(1024) };
	int rc = 0;

	if (!*side->name)
		return 0;
	each_declared(pod, look, &l);
	if (l.port)
		side->from = side->to = l.port;
	else
		rc = name_missing(spec, said, &l, err);
	tp_buf_free(&l.have);
	return rc;
}

/* ------------------------------------------------------------------ clashes */

static int clash(struct tp_err *err, const struct tp_port *p, const struct tp_port *q,
		 unsigned port, const char *where)
{
	if (!strcmp(p->said, q->said))
		return tp_err_set(err, TP_ERR_USAGE, "%s is given twice", p->said);
	tp_err_set(err, TP_ERR_USAGE, "%s: port %u of the %s is taken by %s", p->said, port, where,
		   q->said);
	if (p->kind != q->kind && tp_port_is_inward(p) && tp_port_is_inward(q))
		return tp_err_hint(err, "--expose listens on all of the pod's addresses, its "
					"loopback among them: leave the --from-pod out");
	return tp_err_hint(err, "give one of them another port, or leave it out");
}

static bool takes_pods_port(const struct tp_port *p)
{
	return p->kind != TP_PORT_TO_HOST;
}

/* The container's program cannot have this port, or not be reached at it. */
static bool takes_local_port(const struct tp_port *p)
{
	return p->kind == TP_PORT_TO_POD || p->kind == TP_PORT_TO_HOST;
}

/* Whether P and Q cannot be had at once: where, and which port. Two of the
 * pod's ports may lead to one of the container's. */
static const char *collides(const struct tp_port *p, const struct tp_port *q, unsigned *port)
{
	if (takes_pods_port(p) && takes_pods_port(q) && p->remote == q->remote) {
		*port = p->remote;
		return "pod";
	}
	if ((takes_local_port(p) || takes_local_port(q)) && p->local == q->local) {
		*port = p->local;
		return "container";
	}
	return NULL;
}

static int add(struct tp_ports *out, const struct tp_port *p, struct tp_err *err)
{
	unsigned port;

	for (size_t i = 0; i < out->n; i++) {
		const char *where = collides(p, &out->v[i], &port);

		if (where)
			return clash(err, p, &out->v[i], port, where);
	}
	if (out->n == TP_PORTS_MAX)
		return tp_err_set(err, TP_ERR_USAGE, "%s: a session has at most %d ports", p->said,
				  TP_PORTS_MAX);
	if (!out->v)
		out->v = tp_calloc(TP_PORTS_MAX, sizeof(*out->v));
	out->v[out->n] = *p;
	out->v[out->n++].said = tp_strdup(p->said);
	return 0;
}

static int belongs_to_other(const struct tp_port *p, const char *container, struct tp_err *err)
{
	tp_err_set(err, TP_ERR_USAGE, "%s: port %u of the pod belongs to its container \"%s\"",
		   p->said, p->remote, container);
	if (p->kind == TP_PORT_FROM_POD)
		return tp_err_hint(err, "to reach that container it is --to-pod %u", p->remote);
	return tp_err_hint(err,
			   "expose another port (--expose %u:REMOTE), or swap that container "
			   "(--swap-deployment NAME:%s)",
			   p->local, container);
}

static int add_value(struct tp_ports *out, enum tp_port_kind kind, const char *text,
		     const struct tp_port_pod *pod, struct tp_err *err)
{
	tp_autofree char *said = tp_asprintf("%s %s", tp_port_option(kind), text);
	struct tp_portspec spec;

	if (tp_portspec_parse(kind, text, &spec, err))
		return -1;
	if (pod && (resolve(&spec, &spec.local, said, pod, err) ||
		    resolve(&spec, &spec.remote, said, pod, err)))
		return -1;
	if (!spec.local.from || !spec.remote.from)
		return 0; /* a name, and the pod is not known yet */
	for (unsigned i = 0; i <= spec.local.to - spec.local.from; i++) {
		struct tp_port p = { kind, spec.local.from + i, spec.remote.from + i, said };
		const char *other =
			pod && tp_port_is_inward(&p) ? other_container(pod, p.remote) : NULL;

		if (other)
			return belongs_to_other(&p, other, err);
		if (add(out, &p, err))
			return -1;
	}
	return 0;
}

static int add_wanted(const struct tp_port_wants *w, const struct tp_port_pod *pod,
		      struct tp_ports *out, struct tp_err *err)
{
	const struct {
		enum tp_port_kind kind;
		const struct tp_strv *values;
	} lists[] = {
		{ TP_PORT_EXPOSE, w->expose },
		{ TP_PORT_FROM_POD, w->from_pod },
		{ TP_PORT_TO_POD, w->to_pod },
		{ TP_PORT_TO_HOST, w->to_host },
	};

	for (size_t i = 0; i < TP_ARRAY_SIZE(lists); i++)
		for (size_t j = 0; j < lists[i].values->n; j++)
			if (add_value(out, lists[i].kind, lists[i].values->v[j], pod, err))
				return -1;
	return 0;
}

int tp_ports_check(const struct tp_port_wants *w, struct tp_err *err)
{
	struct tp_ports ports = { 0 };
	int rc = add_wanted(w, NULL, &ports, err);

	tp_ports_free(&ports);
	return rc;
}

/* ----------------------------------------------------------- declared ports */

struct auto_expose {
	const struct tp_port_pod *pod;
	struct tp_ports *out;
	size_t asked; /* how many of them the user asked for */
	struct tp_strv *notes;
};

static void leave_out(struct auto_expose *a, unsigned port, const char *why, const char *who)
{
	tp_autofree char *note =
		tp_asprintf("port %u of the pod, which the swapped container declares, is not "
			    "exposed: %s%s",
			    port, why, who);

	/* a port may be declared under several names */
	if (!tp_strv_has(a->notes, note))
		tp_strv_take(a->notes, tp_steal(&note));
}

/* Whether the user's own words leave room for the declared port P. */
static bool fits(struct auto_expose *a, const struct tp_port *p)
{
	for (size_t i = 0; i < a->asked; i++)
		if (a->out->v[i].kind == TP_PORT_EXPOSE && a->out->v[i].remote == p->remote)
			return false; /* it is exposed, in the way that was asked for */
	for (size_t i = 0; i < a->asked; i++) {
		const struct tp_port *q = &a->out->v[i];

		if (q->kind == TP_PORT_FROM_POD)
			continue; /* p is more: see supersede */
		if (takes_pods_port(q) && q->remote == p->remote) {
			leave_out(a, p->remote, "it is another container's by ", q->said);
			return false;
		}
		if (q->local == p->local) {
			leave_out(a, p->remote, "the container's port of that number is taken by ",
				  q->said);
			return false;
		}
	}
	return true;
}

/* A port that is exposed on all addresses is on the loopback as well. */
static bool supersede(struct auto_expose *a, const struct tp_port *p)
{
	for (size_t i = 0; i < a->asked; i++) {
		struct tp_port *q = &a->out->v[i];

		if (q->kind == TP_PORT_FROM_POD && q->remote == p->remote) {
			q->kind = TP_PORT_EXPOSE;
			return true;
		}
	}
	return false;
}

static bool expose_declared(void *arg, const char *container, const struct tp_json *port)
{
	struct auto_expose *a = arg;
	struct tp_port p = { TP_PORT_EXPOSE, port_of(port), port_of(port), NULL };
	const char *other;

	if (strcmp(container, a->pod->container) || !p.local || !is_tcp(port))
		return false;
	for (size_t i = a->asked; i < a->out->n; i++)
		if (a->out->v[i].remote == p.remote)
			return false; /* declared twice, with two names */
	other = other_container(a->pod, p.remote);
	if (other) {
		leave_out(a, p.remote, "another container declares it too: ", other);
		return false;
	}
	if (!fits(a, &p) || supersede(a, &p))
		return false;
	if (a->out->n == TP_PORTS_MAX) {
		leave_out(a, p.remote, "a session has no more ports than this", "");
		return false;
	}
	if (!a->out->v)
		a->out->v = tp_calloc(TP_PORTS_MAX, sizeof(*a->out->v));
	a->out->v[a->out->n++] = p;
	return false;
}

int tp_ports_plan(const struct tp_port_wants *w, const struct tp_port_pod *pod,
		  struct tp_ports *out, struct tp_strv *notes, struct tp_err *err)
{
	struct auto_expose a = { .pod = pod, .out = out, .notes = notes };

	*out = (struct tp_ports){ 0 };
	if (add_wanted(w, pod, out, err)) {
		tp_ports_free(out);
		return -1;
	}
	a.asked = out->n;
	if (pod->expose_declared)
		each_declared(pod, expose_declared, &a);
	return 0;
}

/* --------------------------------------------------------------- what it says */

size_t tp_ports_count(const struct tp_ports *p, enum tp_port_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++)
		n += p->v[i].kind == kind;
	return n;
}

bool tp_ports_privileged(const struct tp_ports *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (tp_port_is_inward(&p->v[i]) && p->v[i].remote < 1024)
			return true;
	return false;
}

/* How many ports from V[I] on go on by one, on both sides. */
static size_t run_length(const struct tp_ports *p, size_t i)
{
	size_t n = 1;

	while (i + n < p->n && p->v[i + n].kind == TP_PORT_EXPOSE &&
	       p->v[i + n].local == p->v[i].local + n && p->v[i + n].remote == p->v[i].remote + n)
		n++;
	return n;
}

static void put_run(struct tp_buf *b, unsigned port, size_t n)
{
	tp_buf_printf(b, "%u", port);
	if (n > 1)
		tp_buf_printf(b, "-%u", port + (unsigned)n - 1);
}

char *tp_ports_describe(const struct tp_ports *p)
{
	TP_AUTO_BUF b = TP_BUF_INIT(64u << 10);

	for (size_t i = 0, n; i < p->n; i += n) {
		n = 1;
		if (p->v[i].kind != TP_PORT_EXPOSE)
			continue;
		n = run_length(p, i);
		tp_buf_puts(&b, b.len ? ", " : "");
		put_run(&b, p->v[i].remote, n);
		if (p->v[i].local != p->v[i].remote) {
			tp_buf_puts(&b, " -> ");
			put_run(&b, p->v[i].local, n);
		}
	}
	return tp_buf_steal(&b);
}
