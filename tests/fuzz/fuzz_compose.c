/* SPDX-License-Identifier: Apache-2.0 */
/* A model as docker compose might print it, behind a line with the services to join: whatever is not refused
 * becomes YAML that can be read. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "compose/model.h"
#include "compose/override.h"
#include "kube/kubeconfig_yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define JOINS 3

static void run(const struct tp_json *model, const struct tp_compose_join *joins, size_t n)
{
	static const char image[] = "{\"Config\":{\"Entrypoint\":[\"/e\"],\"Cmd\":[\"c\"]}}";
	TP_AUTO_JSON *inspected = tp_json_parse(image, sizeof(image) - 1, NULL);
	const struct tp_json *const images[JOINS] = { inspected, inspected, inspected };
	TP_AUTO_BUF out = TP_BUF_INIT(1u << 22);
	TP_AUTO_STRV files = { 0 };
	struct tp_compose_plan p = { .raw = model,
				     .resolved = model,
				     .joins = joins,
				     .images = images,
				     .n = n,
				     .image = "x",
				     .mounts = true,
				     .files = &files,
				     .kubeconfigs = &files,
				     .home = "/home/x" };
	struct tp_err err = { 0 };
	struct tp_kyaml *y;

	tp_strv_add(&files, "/home/x/.kube/config");
	if (tp_compose_check(&p, &err))
		return;
	for (size_t i = 0; i < n; i++)
		free(tp_compose_image_wanted(&p, i));
	if (tp_compose_write(&p, &out, &err))
		return;
	y = tp_kyaml_load(out.data, out.len, "override", &err);
	/* deeper than that reader goes */
	if (!y && !strstr(err.msg, "nested"))
		abort();
	tp_kyaml_free(y);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nl = memchr(data, '\n', size);
	tp_autofree char *line = NULL;
	struct tp_compose_join joins[JOINS];
	struct tp_err err;
	TP_AUTO_JSON *model = NULL;
	char *save = NULL;
	size_t n = 0;

	if (!nl || size > 50000)
		return 0;
	line = tp_strndup((const char *)data, (size_t)(nl - data));
	for (char *w = strtok_r(line, " ", &save); w && n < JOINS; w = strtok_r(NULL, " ", &save))
		if (!tp_compose_join_parse(w, &joins[n], &err))
			n++;
	model = tp_json_parse((const char *)nl + 1, size - (size_t)(nl - data) - 1, NULL);
	if (model)
		run(model, joins, n);
	while (n)
		tp_compose_join_free(&joins[--n]);
	return 0;
}
