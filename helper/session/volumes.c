/* SPDX-License-Identifier: Apache-2.0 */
#include "session/volumes.h"

#include <stdlib.h>
#include <string.h>

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
