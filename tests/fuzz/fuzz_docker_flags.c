/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: words that end at a newline. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "docker/flags.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct ours {
	bool help;
	char *swap;
	struct tp_strv expose;
};

static const struct tp_opt table[] = {
	{ .name = "help", .type = TP_OPT_FLAG, .offset = offsetof(struct ours, help) },
	{ .name = "swap", .type = TP_OPT_STRING, .offset = offsetof(struct ours, swap) },
	{ .name = "expose", .type = TP_OPT_LIST, .offset = offsetof(struct ours, expose) },
	TP_OPT_END,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tp_port_binding ports[16];
	struct tp_run_args a;
	struct tp_strv argv = { 0 };
	struct ours o = { 0 };
	struct tp_err err;
	tp_autofree char *text = tp_strndup((const char *)data, strnlen((const char *)data, size));
	char *rest = text, *word;

	tp_log_set_fd(-1);
	while ((word = strsep(&rest, "\n"))) {
		tp_strv_add(&argv, word);
		int n = tp_port_parse(word, ports, 16, &err);
		for (int i = 0; i < n; i++)
			if (ports[i].ctr_port < 1 || ports[i].ctr_port > 65535 ||
			    ports[i].host_port > ports[i].host_port_end)
				abort();
	}
	if (tp_run_args_parse(&a, table, &o, (int)argv.n, argv.v, 0, &err) == 0 && !a.image &&
	    !o.help)
		abort();
	tp_run_args_free(&a);
	tp_strv_free(&argv);
	free(o.swap);
	tp_strv_free(&o.expose);
	return 0;
}
