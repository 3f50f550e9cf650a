/* SPDX-License-Identifier: Apache-2.0 */
/* Packets of the user's programs, as the redirector reads them. */
#include <stdint.h>
#include <stdlib.h>

#include "sidecar/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tp_packet p;

	if (tp_packet_parse(data, size, &p) == 0 && p.len &&
	    (p.data < data || p.data + p.len > data + size))
		abort();
	return 0;
}
