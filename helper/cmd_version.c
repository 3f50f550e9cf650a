/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "session/options.h"

static int run_version(int argc, char **argv, struct tp_err *err)
{
	if (argc > 1 && !strcmp(argv[1], "--help")) {
		tp_cmd_usage(&tp_cmd_version);
		return 0;
	}
	if (argc > 1)
		return tp_err_set(err, TP_ERR_USAGE, "version takes no argument");
	printf("tpdocker %s (sidecar and agent: %s)\n", TP_VERSION, TP_IMAGE);
	return 0;
}

const struct tp_cmd tp_cmd_version = {
	.name = "version",
	.synopsis = "",
	.summary = "Show the version and the image that belongs to it.",
	.run = run_version,
};
