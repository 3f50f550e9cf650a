/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_stream.h"

#include "docker/stdcopy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t errors;

static void take_stderr(void *arg, const char *p, size_t n)
{
	(void)arg;
	(void)p;
	errors += n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tp_stream *s = tp_stdcopy_stream(fuzz_stream(data, size), take_stderr, NULL);
	size_t got = 0;
	char buf[64];

	errors = 0;
	for (;;) {
		ssize_t n = tp_stream_read(s, buf, sizeof(buf));

		if (n > 0)
			got += (size_t)n;
		else if (n == 0 || errno != EAGAIN)
			break;
		if (got + errors > size)
			abort();
	}
	tp_stream_reason(s);
	tp_stream_close(s);
	return 0;
}
