/* SPDX-License-Identifier: Apache-2.0 */
#include "compose/override.h"

#include "base/mem.h"
#include "compose/internal.h"

static void write_volumes(struct tp_yw *w)
{
	tp_yw_map(w, "volumes");
	tp_yw_map(w, TP_COMPOSE_VOLUME);
	tp_yw_map(w, "labels");
	tp_yw_str(w, TP_LABEL_COMPOSE, TP_VERSION);
	tp_yw_end(w);
	tp_yw_end(w);
	tp_yw_end(w);
}

/* Compose takes $ for a variable unless it is written twice. */
static const char profile[] =
	"# The pod's environment, for shells that are started when the container runs.\n"
	"if [ -n \"$$TPDOCKER_GATE\" ] && [ -x /tpdocker/bin/gate ]; then\n"
	"  eval \"$$(/tpdocker/bin/gate - --export)\"\n"
	"fi\n";

static void write_configs(struct tp_yw *w)
{
	tp_yw_map(w, "configs");
	tp_yw_map(w, TP_COMPOSE_PROFILE);
	tp_yw_str(w, "content", profile);
	tp_yw_end(w);
	tp_yw_end(w);
}

int tp_compose_write(const struct tp_compose_plan *p, struct tp_buf *out, struct tp_err *err)
{
	TP_AUTO_YW *w = tp_yw_new();

	tp_yw_map(w, NULL);
	tp_yw_map(w, "services");
	for (size_t i = 0; i < p->n; i++)
		if (tp_compose_owner(p, i) == i)
			tp_compose_write_sidecar(p, i, w);
	for (size_t i = 0; i < p->n; i++)
		if (tp_compose_write_service(p, i, w, err))
			return -1;
	tp_compose_write_others(p, w);
	tp_yw_end(w);
	write_volumes(w);
	write_configs(w);
	tp_yw_end(w);
	if (tp_buf_puts(out, "# Written by `tpdocker compose override`, version " TP_VERSION
			     ". Make it anew\n"
			     "# rather than edit it. It comes behind the project's own files:\n"
			     "#   docker compose -f compose.yaml -f THIS-FILE up\n"))
		return tp_err_set(err, TP_ERR_FAILED, "the override is too long");
	return tp_yw_finish(w, out, err);
}
