/* SPDX-License-Identifier: Apache-2.0 */
/* docker's command line as its plugin gets it, one word a line. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "docker/plugin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	tp_autofree char *text = tp_strndup((const char *)data, strnlen((const char *)data, size));
	char *rest = text, *word;
	struct tp_plugin p;
	struct tp_err err = { 0 };
	TP_AUTO_STRV argv = { 0 };
	int rc;

	tp_strv_add(&argv, "/x/docker-tpdocker");
	while ((word = strsep(&rest, "\n")))
		tp_strv_add(&argv, word);
	rc = tp_plugin_parse(&p, (int)argv.n, argv.v, "docker", &err);
	if (rc && err.kind != TP_ERR_USAGE)
		abort();
	/* No word is made up but "help" or "version" for an option of that meaning. */
	if (!rc && (p.args.n < 1 || p.args.n > argv.n || p.called != (p.name != NULL)))
		abort();
	tp_plugin_free(&p);
	return 0;
}
