/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"
#include "session/guardian.h"

/* Started by a session itself (session/guardian.h), never typed. */
static int run_guardian(int argc, char **argv, struct tp_err *err)
{
	if (argc != 2)
		return tp_err_set(err, TP_ERR_USAGE, "guardian ID");
	return tp_guardian_main(argv[1]);
}

const struct tp_cmd tp_cmd_guardian = {
	.name = "guardian",
	.synopsis = "ID",
	.summary = "Undo a session whose helper was killed.",
	.hidden = true,
	.run = run_guardian,
};
