/* SPDX-License-Identifier: Apache-2.0 */
/* Frames, and the frames of the tunnel: what parses must come out the same again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/tunnel.h"
#include "base/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data;
	struct tp_tunnel_frame t;
	struct tp_frame f;
	size_t at = 0;
	ssize_t n;

	while ((n = tp_frame_parse(p + at, size - at, &f)) > 0) {
		TP_AUTO_BUF b = TP_BUF_INIT(TP_FRAME_MAX + 64);

		if (tp_frame_put(&b, f.name, f.data, f.len) < 0 || b.len != (size_t)n ||
		    memcmp(b.data, p + at, b.len) != 0)
			abort();
		at += (size_t)n;
	}
	for (at = 0; (n = tp_tunnel_parse(p + at, size - at, &t)) > 0; at += (size_t)n) {
		struct sockaddr_storage to;
		socklen_t len;

		tp_tunnel_target(t.data, t.len, &to, &len);
	}
	return 0;
}
