/* SPDX-License-Identifier: Apache-2.0 */
#include "session/outsiders.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"

#define ID_LEN 64

const char *tp_outsiders_joined(const struct tp_json *listed)
{
	static const char prefix[] = "container:";
	const char *mode = tp_json_str_at(listed, "HostConfig.NetworkMode");
	const char *id =
		mode && !strncmp(mode, prefix, strlen(prefix)) ? mode + strlen(prefix) : NULL;

	return id && strlen(id) == ID_LEN && strspn(id, "0123456789abcdef") == ID_LEN ? id : NULL;
}

static const char *name_of(const struct tp_json *listed)
{
	const char *name = tp_json_str_at(listed, "Names[0]");

	return name ? name + (*name == '/') : "?";
}

static int deal_with(struct tp_session *s, const struct tp_json *listed, struct tp_cancel *c,
		     struct tp_err *err)
{
	const char *id = tp_json_str_at(listed, "Id"), *joined = tp_outsiders_joined(listed);
	const char *state = tp_json_str_at(listed, "State");
	TP_AUTO_JSON *there = joined ? tp_engine_inspect(s->engine, joined, c, err) : NULL;

	if (!id || !joined || there)
		return 0;
	if (err->kind != TP_ERR_NOT_FOUND)
		return -1;
	if (state && (!strcmp(state, "running") || !strcmp(state, "paused"))) {
		tp_err_set(err, TP_ERR_CONFLICT,
			   "the container %s still runs in the network of an earlier session %s, "
			   "which is gone",
			   name_of(listed), s->record.name);
		return tp_err_hint(err, "Remove it (docker rm -f %s); it is made anew.",
				   name_of(listed));
	}
	if (tp_engine_remove(s->engine, id, c, err))
		return -1;
	tp_info("removed the container %s, which had ended: its network was that of an earlier "
		"session",
		name_of(listed));
	return 0;
}

static int check_volume(struct tp_session *s, struct tp_cancel *c, struct tp_err *err)
{
	tp_autofree char *name = tp_record_volume(&s->record);
	TP_AUTO_JSON *there = tp_engine_volume(s->engine, name, c, err);
	const struct tp_json *labels = tp_json_get(there, "Labels");
	const char *owner = tp_json_str(tp_json_get(labels, TP_LABEL_OWNER));

	if (!there)
		return err->kind == TP_ERR_NOT_FOUND ? 0 : -1;
	/* Compose makes the volumes that its file names before it calls the provider; the engine fills what is empty. */
	if ((owner && !strcmp(owner, s->record.by)) ||
	    (!owner && tp_json_get(labels, "com.docker.compose.volume")))
		return 0;
	tp_err_set(err, TP_ERR_CONFLICT, "the engine has a volume %s already, %s%s", name,
		   owner ? "of " : "not tpdocker's", owner ? owner : "");
	return tp_err_hint(err, "give the session another name");
}

int tp_outsiders_prepare(struct tp_session *s, struct tp_cancel *c, struct tp_err *err)
{
	tp_autofree char *label = tp_asprintf(TP_LABEL_JOINS "=%s", s->record.name);
	TP_AUTO_JSON *list = NULL;

	if (check_volume(s, c, err))
		return -1;
	list = tp_engine_list(s->engine, label, c, err);
	if (!list)
		return -1;
	for (size_t i = 0; i < tp_json_len(list); i++)
		if (deal_with(s, tp_json_at(list, i), c, err))
			return -1;
	return 0;
}
