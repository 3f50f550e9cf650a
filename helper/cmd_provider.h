/* SPDX-License-Identifier: Apache-2.0 */
/* The words of `tpdocker compose` that docker compose says, not people. */
#ifndef TP_CMD_PROVIDER_H
#define TP_CMD_PROVIDER_H

#include <stdbool.h>

#include "cmd.h"

bool tp_is_provider_word(const char *word);
/* ARGV[0] is one of them. PROJECT: its name, or NULL. As a command's run; what went wrong was told in JSON. */
int tp_provider(const char *project, int argc, char **argv, struct tp_err *err);

#endif
