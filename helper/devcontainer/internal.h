/* SPDX-License-Identifier: Apache-2.0 */
/* What the pieces of `devcontainer init` share. */
#ifndef TP_DEVCONTAINER_INTERNAL_H
#define TP_DEVCONTAINER_INTERNAL_H

#include "devcontainer/init.h"

/* Both: DOC is TEXT, read. 1, 0, -1 ERR as tp_devcontainer_init. */
int tp_devcontainer_compose(struct tp_buf *text, const struct tp_json *doc,
			    const struct tp_devcontainer_spec *s, struct tp_err *err);
int tp_devcontainer_image(struct tp_buf *text, const struct tp_json *doc,
			  const struct tp_devcontainer_spec *s, struct tp_err *err);

/* The lifecycle command NAME gets these WORDS, beside what the project has there. 1, 0, -1 ERR. */
int tp_devcontainer_command(struct tp_buf *text, const char *name, const struct tp_strv *words,
			    struct tp_err *err);
bool tp_devcontainer_is_ours(const char *program);

/* As JSON; the caller frees it. */
char *tp_devcontainer_json_words(const struct tp_strv *words);
char *tp_devcontainer_json_string(const char *s);

#endif
