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
	struct sidecar *s = arg;
	uid_t uid = 0;
	gid_t gid = 0;

	(void)ns;
	if (!gates_who(s->gates, id, &uid, &gid))
		sidecar_sendf(s, TP_CTL_GATE, "%u %u %u %s", id, uid, gid, tag);
}

static void on_left(void *arg, unsigned int id)
{
	sidecar_sendf(arg, TP_CTL_GATE_LEFT, "%u", id);
}

int hold_env(struct sidecar *s, const char *env, size_t n, struct tp_err *err)
{
	if (!s->gates)
		return tp_err_set(err, TP_ERR_PROTOCOL, "there is no socket for gates yet");
	return gates_set_env(s->gates, env, n, err);
}

int hold_listen(struct sidecar *s, const char *name, bool outside, struct tp_err *err)
{
	const struct gates_events ev = { .arrived = on_arrived, .left = on_left, .arg = s };

	if (s->gates)
		return tp_err_set(err, TP_ERR_PROTOCOL, "there is a socket for gates already");
	s->gates = outside ? gates_listen_outside(NULL, s->loop, name, &ev, err) :
			     gates_listen(s->loop, name, &ev, err);
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
	gates_answer(s->gates, (unsigned int)id, go ? NULL : end + 1);
	return 0;
}
