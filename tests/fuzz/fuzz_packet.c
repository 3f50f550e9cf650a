/* SPDX-License-Identifier: Apache-2.0 */
/* Packets of the user's programs, as the redirector reads them. */
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>

#include "sidecar/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tp_packet p;

	if (tp_packet_parse(data, size, &p) < 0)
		return 0;
	if (p.len && (p.data < data || p.data + p.len > data + size))
		abort();
	if (p.to.protocol == IPPROTO_ICMP || p.to.protocol == IPPROTO_ICMPV6) {
		uint8_t *reply = malloc(TP_PACKET_ECHO_HEAD + p.len);

		if (!reply || tp_packet_echo_reply(&p, p.ttl, p.data, p.len, reply) >
				      TP_PACKET_ECHO_HEAD + p.len)
			abort();
		free(reply);
	}
	return 0;
}
