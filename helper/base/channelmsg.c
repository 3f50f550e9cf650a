/* SPDX-License-Identifier: Apache-2.0 */
/* The messages of base/channels.h. */
#include <string.h>

#include "base/channels.h"

static uint32_t get32(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

ssize_t tp_channels_parse(const char *p, size_t n, struct tp_channel_msg *m)
{
	size_t want = 0;

	if (n > 4 && (p[4] < TP_CHANNEL_OPEN || p[4] > TP_CHANNEL_CREDIT))
		return -1;
	if (n < TP_CHANNEL_HEADER)
		return 0;
	m->id = get32(p);
	m->type = (enum tp_channel_type)p[4];
	m->len = (size_t)(unsigned char)p[6] << 8 | (unsigned char)p[7];
	m->data = p + TP_CHANNEL_HEADER;
	m->value = 0;
	if (m->type == TP_CHANNEL_OPEN)
		want = 2;
	else if (m->type == TP_CHANNEL_CREDIT)
		want = 4;
	if (p[5] ||
	    (m->type == TP_CHANNEL_DATA ? !m->len || m->len > TP_CHANNEL_PAYLOAD : m->len != want))
		return -1;
	if (n - TP_CHANNEL_HEADER < m->len)
		return 0;
	if (want == 2)
		m->value = (uint32_t)(unsigned char)m->data[0] << 8 | (unsigned char)m->data[1];
	else if (want == 4)
		m->value = get32(m->data);
	return (ssize_t)(TP_CHANNEL_HEADER + m->len);
}

void tp_channels_header(char *p, uint32_t id, enum tp_channel_type type, size_t len)
{
	const unsigned char h[TP_CHANNEL_HEADER] = {
		(unsigned char)(id >> 24), (unsigned char)(id >> 16), (unsigned char)(id >> 8),
		(unsigned char)id,	   (unsigned char)type,	      0,
		(unsigned char)(len >> 8), (unsigned char)len
	};

	memcpy(p, h, TP_CHANNEL_HEADER);
}
