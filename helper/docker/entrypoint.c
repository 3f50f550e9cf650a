/* SPDX-License-Identifier: Apache-2.0 */
#include "docker/entrypoint.h"

static void add_all(struct tp_strv *out, const struct tp_json *list)
{
	for (size_t i = 0; i < tp_json_len(list); i++) {
		const char *word = tp_json_str(tp_json_at(list, i));

		if (word)
			tp_strv_add(out, word);
	}
}

/*
 *   --entrypoint   words behind the image    runs
 *   -              -                         ENTRYPOINT CMD
 *   -              words                     ENTRYPOINT words
 *   X              words or none             X words (CMD is not for X)
 *   ""             words or none             words
 */
int tp_entrypoint(const struct tp_run_args *a, const struct tp_json *image, struct tp_strv *out,
		  struct tp_err *err)
{
	if (a->entrypoint && *a->entrypoint)
		tp_strv_add(out, a->entrypoint);
	if (!a->entrypoint) {
		add_all(out, tp_json_path(image, "Config.Entrypoint"));
		/* What a Dockerfile's ENTRYPOINT [""] leaves: it counts as none. */
		if (out->n == 1 && !*out->v[0])
			tp_strv_free(out);
		if (!a->command.n)
			add_all(out, tp_json_path(image, "Config.Cmd"));
	}
	for (size_t i = 0; i < a->command.n; i++)
		tp_strv_add(out, a->command.v[i]);
	if (out->n)
		return 0;
	tp_err_set(err, TP_ERR_USAGE, "no command is given, and the image %s has none of its own",
		   a->image);
	return tp_err_hint(err, "Write one behind the image: tpdocker run ... %s COMMAND",
			   a->image);
}
