/* SPDX-License-Identifier: Apache-2.0 */
#include "session/volumes.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "common/control.h"
#include "session/session.h"

char *tp_volumes_gate_name(const char *session)
{
	return tp_asprintf("tpdocker-%s-gate", session);
}

bool tp_volumes_gate_frame(struct tp_session *s, const struct tp_frame *f)
{
	bool arrived = !strcmp(f->name, TP_CTL_GATE);
	tp_autofree char *text = NULL;
	unsigned long id;
	char *end;

	if (!arrived && strcmp(f->name, TP_CTL_GATE_LEFT))
		return false;
	text = tp_strndup(f->data, f->len);
	id = strtoul(text, &end, 10);
	if (arrived && s->gate_arrived)
		s->gate_arrived(s, (unsigned int)id, *end == ' ' ? end + 1 : end);
	else if (arrived)
		tp_volumes_gate_answer(s, (unsigned int)id, NULL); /* nothing to wait for */
	else if (s->gate_left)
		s->gate_left(s, (unsigned int)id);
	return true;
}

void tp_volumes_gate_answer(struct tp_session *s, unsigned int id, const char *why)
{
	tp_autofree char *text = why ? tp_asprintf("%u %s", id, why) : tp_asprintf("%u", id);

	tp_control_sends(s->control, why ? TP_CTL_GATE_FAIL : TP_CTL_GATE_GO, text);
}

void tp_volumes_gate_env(struct tp_session *s)
{
	TP_AUTO_BUF env = TP_BUF_INIT(TP_FRAME_MAX);
	bool fits = true;

	for (size_t i = 0; fits && i < s->remote.env.n; i++)
		fits = !tp_buf_put(&env, s->remote.env.v[i], strlen(s->remote.env.v[i]) + 1);
	if (!fits)
		tp_warn("the pod's environment is larger than %u MiB: containers get a part of it",
			TP_FRAME_MAX >> 20);
	tp_control_send(s->control, TP_CTL_GATE_ENV, env.data ? env.data : "", env.len);
}
