/* SPDX-License-Identifier: Apache-2.0 */
/* What a SOCKS client says, as the agent reads it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/socksmsg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t out[TP_SOCKS_MESSAGE_MAX];
	struct tp_socks_request r;
	bool open;
	ssize_t n = tp_socks_greeting(data, size, &open);

	if (n > (ssize_t)size)
		abort();
	if (n > 0) {
		data += n;
		size -= (size_t)n;
	}
	n = tp_socks_request(data, size, &r);
	if (n > (ssize_t)size || !memchr(r.name, 0, sizeof(r.name)))
		abort();
	if (n > 0 &&
	    tp_socks_answer(r.refuse, &r.target, r.name[0] ? r.name : NULL, out) > sizeof(out))
		abort();
	return 0;
}
