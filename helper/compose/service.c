/* SPDX-License-Identifier: Apache-2.0 */
/* What the override changes in the services that were there before. */
#include <string.h>

#include "base/mem.h"
#include "common/gate.h"
#include "compose/internal.h"
#include "compose/model.h"

/* What the sidecar has now, and the engine refuses in a container that shares another's network. */
static const char *const moved[] = {
	"networks",   "ports",	 "expose",	"hostname", "domainname",  "dns",
	"dns_search", "dns_opt", "extra_hosts", "links",    "mac_address",
};

char *tp_compose_link(const struct tp_compose_plan *p, const char *link)
{
	size_t n = strcspn(link, ":");
	tp_autofree char *service = tp_strndup(link, n), *sidecar = NULL;
	int i = tp_compose_joined(p, service);

	if (i < 0)
		return tp_strdup(link);
	sidecar = tp_compose_sidecar_name(p, (size_t)i);
	return tp_asprintf("%s:%s", sidecar, link[n] ? link + n + 1 : service);
}

static void write_dependency(struct tp_yw *w, const char *sidecar)
{
	tp_yw_map(w, "depends_on");
	tp_yw_map(w, sidecar);
	tp_yw_str(w, "condition", "service_healthy");
	/* a sidecar that is made anew has a new network namespace */
	tp_yw_bool(w, "restart", true);
	tp_yw_end(w);
	tp_yw_end(w);
}

/* Those that are not the network's stay. */
static void write_sysctls(const struct tp_compose_plan *p, size_t i, struct tp_yw *w)
{
	const struct tp_json *v =
		tp_json_get(tp_compose_service(p->raw, p->joins[i].service), "sysctls");
	bool list = tp_json_type(v) == TP_JSON_ARRAY;
	size_t net = 0;

	for (size_t n = 0; n < tp_json_len(v); n++) {
		const char *key = list ? tp_json_str(tp_json_at(v, n)) : tp_json_key(v, n);

		net += key && tp_compose_is_net_sysctl(key);
	}
	if (!net)
		return;
	if (net == tp_json_len(v)) {
		tp_yw_reset(w, "sysctls");
		return;
	}
	tp_yw_override(w);
	if (list)
		tp_yw_list(w, "sysctls");
	else
		tp_yw_map(w, "sysctls");
	for (size_t n = 0; n < tp_json_len(v); n++) {
		const char *key = list ? tp_json_str(tp_json_at(v, n)) : tp_json_key(v, n);

		if (key && !tp_compose_is_net_sysctl(key))
			tp_yw_value(w, list ? NULL : key, tp_json_at(v, n));
	}
	tp_yw_end(w);
}

/*
 *   service's entrypoint    service's command    runs
 *   none                    none                 image's ENTRYPOINT CMD
 *   none                    words                image's ENTRYPOINT words
 *   words                   words or none        both (CMD is not for another's entrypoint)
 *   [] or ""                none                 image's CMD
 *   [] or ""                words                words
 */
struct entry {
	bool own_entrypoint;	     /* words, or none at all on purpose */
	const struct tp_json *words; /* of the service's own entrypoint, raw or resolved */
	bool literal;		     /* WORDS have no variables any more */
	bool image_entrypoint, image_cmd;
};

static struct entry entry_of(const struct tp_compose_plan *p, size_t i)
{
	const struct tp_json *s = tp_compose_service(p->resolved, p->joins[i].service);
	const struct tp_json *resolved = tp_json_get(s, "entrypoint");
	const struct tp_json *raw =
		tp_json_get(tp_compose_service(p->raw, p->joins[i].service), "entrypoint");
	struct entry e = { 0 };

	e.own_entrypoint = tp_json_type(resolved) == TP_JSON_ARRAY;
	e.literal = tp_json_type(raw) != TP_JSON_ARRAY;
	e.words = e.literal ? resolved : raw;
	e.image_entrypoint = !e.own_entrypoint;
	e.image_cmd = !tp_json_len(tp_json_get(s, "command")) && !tp_json_len(resolved);
	return e;
}

char *tp_compose_image_wanted(const struct tp_compose_plan *p, size_t i)
{
	const char *service = p->joins[i].service;
	const struct tp_json *s = tp_compose_service(p->resolved, service);
	struct entry e = entry_of(p, i);
	const char *image = tp_json_str_at(s, "image"),
		   *project = tp_json_str_at(p->resolved, "name");

	if (!e.image_entrypoint && !e.image_cmd)
		return NULL;
	if (image && *image)
		return tp_strdup(image);
	return tp_asprintf("%s-%s", project ? project : "", service);
}

static bool has_variable(const char *s)
{
	for (; *s; s++) {
		if (*s != '$')
			continue;
		if (s[1] != '$')
			return true;
		s++;
	}
	return false;
}

static size_t write_words(struct tp_yw *w, const struct tp_json *list, bool literal)
{
	size_t n = 0;

	for (size_t i = 0; tp_json_type(list) == TP_JSON_ARRAY && i < tp_json_len(list); i++) {
		const char *s = tp_json_str(tp_json_at(list, i));
		tp_autofree char *escaped = s && literal ? tp_compose_literal(s) : NULL;

		/* ENTRYPOINT [""] of a Dockerfile counts as none */
		if (!s || (!*s && literal && tp_json_len(list) == 1))
			continue;
		tp_yw_str(w, NULL, escaped ? escaped : s);
		n++;
	}
	return n;
}

/* Where the gate goes, and the names that are the user's own: the pod's variables of these names are passed over. */
static void write_environment(const struct tp_compose_plan *p, size_t i, struct tp_yw *w)
{
	const char *service = p->joins[i].service;
	const struct tp_json *env =
		tp_json_get(tp_compose_service(p->resolved, service), "environment");
	tp_autofree char *address = tp_asprintf(TP_GATE_NAME "/%s", service);
	TP_AUTO_BUF own = TP_BUF_INIT(1u << 20);

	tp_yw_map(w, "environment");
	tp_yw_str(w, TP_GATE_VAR, address);
	for (size_t n = 0; n < tp_json_len(env) && tp_json_type(env) == TP_JSON_OBJECT; n++)
		if (tp_json_type(tp_json_at(env, n)) != TP_JSON_NULL)
			tp_buf_printf(&own, "%s%s", own.len ? "," : "", tp_json_key(env, n));
	if (own.len) {
		tp_autofree char *literal = tp_compose_literal(own.data);

		tp_yw_str(w, TP_GATE_VAR_OWN, literal);
	}
	tp_yw_end(w);
}

/*
 * Programs that are started in the container later do not have what the gate
 * got; login shells (a dev container's terminals) ask for it. Compose cannot
 * put a text into a container that is read-only.
 */
static void write_profile(const struct tp_compose_plan *p, size_t i, struct tp_yw *w)
{
	const struct tp_json *s = tp_compose_service(p->resolved, p->joins[i].service);

	if (tp_json_bool_at(s, "read_only", false))
		return;
	tp_yw_list(w, "configs");
	tp_yw_map(w, NULL);
	tp_yw_str(w, "source", TP_COMPOSE_PROFILE);
	tp_yw_str(w, "target", "/etc/profile.d/tpdocker.sh");
	tp_yw_end(w);
	tp_yw_end(w);
}

static int write_entrypoint(const struct tp_compose_plan *p, size_t i, struct tp_yw *w,
			    struct tp_err *err)
{
	const char *service = p->joins[i].service;
	const char *raw = tp_json_str_at(tp_compose_service(p->raw, service), "entrypoint");
	const struct tp_json *command =
		tp_json_get(tp_compose_service(p->resolved, service), "command");
	const struct tp_json *image = p->images[i];
	struct entry e = entry_of(p, i);
	size_t words;

	if (e.own_entrypoint && raw && has_variable(raw)) {
		tp_err_set(err, TP_ERR_USAGE,
			   "the service %s has its entrypoint in one string with variables in it, "
			   "which would have to be written with their values into the override",
			   service);
		return tp_err_hint(err, "Write it as a list: entrypoint: [\"program\", \"...\"].");
	}
	tp_yw_list(w, "entrypoint");
	tp_yw_str(w, NULL, TP_GATE_PROGRAM);
	tp_yw_str(w, NULL, "-"); /* as TPDOCKER_GATE says */
	words = e.image_entrypoint ?
			write_words(w, tp_json_path(image, "Config.Entrypoint"), true) :
			write_words(w, e.words, e.literal);
	tp_yw_end(w);
	if (e.image_cmd) {
		tp_yw_list(w, "command");
		words += write_words(w, tp_json_path(image, "Config.Cmd"), true);
		tp_yw_end(w);
	} else {
		words += tp_json_len(command);
	}
	if (words)
		return 0;
	return tp_err_set(err, TP_ERR_USAGE,
			  "the service %s has no command, and its image has none of its own",
			  service);
}

static void write_volume(struct tp_yw *w)
{
	tp_yw_list(w, "volumes");
	tp_yw_map(w, NULL);
	tp_yw_str(w, "type", "volume");
	tp_yw_str(w, "source", TP_COMPOSE_VOLUME);
	tp_yw_str(w, "target", TP_GATE_DIR);
	tp_yw_bool(w, "read_only", true);
	tp_yw_map(w, "volume"); /* it is not this image's to fill */
	tp_yw_bool(w, "nocopy", true);
	tp_yw_end(w);
	tp_yw_end(w);
	tp_yw_end(w);
}

int tp_compose_write_service(const struct tp_compose_plan *p, size_t i, struct tp_yw *w,
			     struct tp_err *err)
{
	const char *service = p->joins[i].service;
	const struct tp_json *raw = tp_compose_service(p->raw, service);
	const struct tp_json *resolved = tp_compose_service(p->resolved, service);
	tp_autofree char *sidecar = tp_compose_sidecar_name(p, i);
	tp_autofree char *mode = tp_asprintf("service:%s", sidecar);

	tp_yw_map(w, service);
	tp_yw_str(w, "network_mode", mode);
	for (size_t n = 0; n < TP_ARRAY_SIZE(moved); n++)
		if (tp_json_get(raw, moved[n]) || tp_json_get(resolved, moved[n]))
			tp_yw_reset(w, moved[n]);
	write_sysctls(p, i, w);
	if (write_entrypoint(p, i, w, err))
		return -1;
	write_environment(p, i, w);
	write_volume(w);
	write_profile(p, i, w);
	write_dependency(w, sidecar);
	tp_yw_end(w);
	return 0;
}

static bool links_to_joined(const struct tp_compose_plan *p, const struct tp_json *links)
{
	for (size_t n = 0; n < tp_json_len(links); n++) {
		const char *s = tp_json_str(tp_json_at(links, n));
		tp_autofree char *there = s ? tp_compose_link(p, s) : NULL;

		if (there && strcmp(there, s))
			return true;
	}
	return false;
}

static void write_other(const struct tp_compose_plan *p, const char *name, const struct tp_json *s,
			struct tp_yw *w)
{
	const char *mode = tp_json_str_at(tp_compose_service(p->resolved, name), "network_mode");
	const struct tp_json *links = tp_json_get(s, "links");
	int i = mode && !strncmp(mode, "service:", 8) ? tp_compose_joined(p, mode + 8) : -1;

	if (i < 0 && !links_to_joined(p, links))
		return;
	tp_yw_map(w, name);
	if (i >= 0) {
		tp_autofree char *sidecar = tp_compose_sidecar_name(p, (size_t)i);
		tp_autofree char *there = tp_asprintf("service:%s", sidecar);

		tp_yw_str(w, "network_mode", there);
		write_dependency(w, sidecar);
	}
	if (links_to_joined(p, links)) {
		tp_yw_override(w);
		tp_yw_list(w, "links");
		for (size_t n = 0; n < tp_json_len(links); n++) {
			const char *link = tp_json_str(tp_json_at(links, n));
			tp_autofree char *there = link ? tp_compose_link(p, link) : NULL;

			if (there)
				tp_yw_str(w, NULL, there);
		}
		tp_yw_end(w);
	}
	tp_yw_end(w);
}

void tp_compose_write_others(const struct tp_compose_plan *p, struct tp_yw *w)
{
	const struct tp_json *services = tp_json_get(p->raw, "services");

	for (size_t n = 0; n < tp_json_len(services); n++)
		if (tp_json_key(services, n) && tp_compose_joined(p, tp_json_key(services, n)) < 0)
			write_other(p, tp_json_key(services, n), tp_json_at(services, n), w);
}
