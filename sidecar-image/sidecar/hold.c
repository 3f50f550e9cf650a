/* SPDX-License-Identifier: Apache-2.0 */
/* Entry gates that the helper answers: it puts files into their containers
 * first (--volumes copy). The mounts role answers its own. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "common/control.h"
#include "sidecar/gates.h"
#include "sidecar/sidecar.h"

static void on_arrived(void *arg, unsigned int id, const char *tag, int ns)
{
	(void)ns;
	sidecar_sendf(arg, TP_CTL_GATE, "%u %s", id, tag);
}

static void on_left(void *arg, unsigned int id)
{
	sidecar_sendf(arg, TP_CTL_GATE_LEFT, "%u", id);
}

static void give_env(struct sidecar *s, unsigned int id)
{
	struct tp_err err;

	if (s->gives_env && gates_give_env(s->gates, id, s->gate_env.data, s->gate_env.len, &err))
		gates_answer(s->gates, id, err.msg);
}

/* They come from a container that was let go, so the helper is not asked. */
static void on_asked(void *arg, unsigned int id, const char *tag)
{
	struct sidecar *s = arg;

	(void)tag;
	give_env(s, id);
	gates_answer(s->gates, id, s->gives_env ? NULL : "this session has no environment to give");
}

int hold_env(struct sidecar *s, const char *env, size_t n, struct tp_err *err)
{
	tp_buf_free(&s->gate_env);
	s->gate_env = TP_BUF_INIT(TP_GATE_ENV_MAX);
	if (tp_buf_put(&s->gate_env, n ? env : "", n) || (n && env[n - 1]))
		return tp_err_set(err, TP_ERR_PROTOCOL, "the environment for gates is none");
	s->gives_env = true;
	return 0;
}

int hold_listen(struct sidecar *s, const char *name, struct tp_err *err)
{
	const struct gates_events ev = {
		.arrived = on_arrived, .left = on_left, .arg = s, .asked = on_asked
	};

	if (s->gates)
		return tp_err_set(err, TP_ERR_PROTOCOL, "there is a socket for gates already");
	s->gates = gates_listen(s->loop, name, &ev, err);
	return s->gates ? 0 : -1;
}

int hold_answer(struct sidecar *s, const char *text, bool go, struct tp_err *err)
{
	char *end;
	unsigned long id;

	errno = 0;
	id = strtoul(text, &end, 10);
	if (!s->gates || errno || end == text || id > UINT_MAX || *end != (go ? '\0' : ' '))
		return tp_err_set(err, TP_ERR_PROTOCOL, "there is no such gate: %.40s", text);
	if (go)
		give_env(s, (unsigned int)id);
	gates_answer(s->gates, (unsigned int)id, go ? NULL : end + 1);
	return 0;
}
