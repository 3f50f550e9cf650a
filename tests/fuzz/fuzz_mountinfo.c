/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID/mountinfo: paths in it are whatever somebody mounted something at. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "base/mem.h"
#include "common/mountinfo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TP_AUTO_BUF out = TP_BUF_INIT(1 << 20);
	TP_AUTO_BUF ro = TP_BUF_INIT(1 << 20);
	tp_autofree char *line = tp_strndup((const char *)data, size);
	struct tp_mountinfo m;

	if (tp_mountinfo_line(line, &m) == 0) {
		const char *const parts[] = { m.root, m.point, m.type, m.source };

		for (size_t i = 0; i < TP_ARRAY_SIZE(parts); i++)
			if (parts[i] < line || parts[i] + strlen(parts[i]) > line + size)
				abort();
		if (m.point[0] != '/' || !tp_path_below(m.point, "/"))
			abort();
	}
	tp_agent_mounts((const char *)data, size, "/run/tpdocker", &out, &ro);
	/* one path a line, each of them absolute */
	for (const char *at = out.data; at && *at; at = strchr(at, '\n') + 1)
		if (*at != '/')
			abort();
	if (ro.len > out.len)
		abort();
	return 0;
}
