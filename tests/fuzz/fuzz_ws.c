/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_stream.h"

#include "http/ws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tp_ws *w = tp_ws_from_stream(fuzz_stream(data, size));
	char buf[64];
	size_t got = 0;
	bool first, last;

	for (;;) {
		ssize_t n = tp_ws_read(w, buf, sizeof(buf), &first, &last);

		if (n > 0) {
			got += (size_t)n;
			if (got > size)
				abort();
			tp_ws_write(w, "\0", 1, buf, (size_t)n);
		} else if (n == 0 || errno != EAGAIN) {
			break;
		}
	}
	tp_ws_ping(w);
	tp_ws_close(w);
	return 0;
}
