/* SPDX-License-Identifier: Apache-2.0 */
/* The WebSocket handshake (RFC 6455, 4), with the SHA-1 that it asks for. */
#include "http/handshake.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "base/mem.h"

static uint32_t rol(uint32_t v, int n)
{
	return v << n | v >> (32 - n);
}

static void sha1_block(uint32_t h[5], const unsigned char *p)
{
	uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];

	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 |
		       (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
	for (int i = 16; i < 80; i++)
		w[i] = rol(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	for (int i = 0; i < 80; i++) {
		uint32_t f, k;

		if (i < 20)
			f = (b & c) | (~b & d), k = 0x5a827999;
		else if (i < 40)
			f = b ^ c ^ d, k = 0x6ed9eba1;
		else if (i < 60)
			f = (b & c) | (b & d) | (c & d), k = 0x8f1bbcdc;
		else
			f = b ^ c ^ d, k = 0xca62c1d6;
		uint32_t t = rol(a, 5) + f + e + k + w[i];
		e = d;
		d = c;
		c = rol(b, 30);
		b = a;
		a = t;
	}
	h[0] += a;
	h[1] += b;
	h[2] += c;
	h[3] += d;
	h[4] += e;
}

/* Of a short text: at most 119 bytes, two blocks with the padding. */
static void sha1(const char *s, unsigned char out[20])
{
	uint32_t h[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 };
	unsigned char block[128] = { 0 };
	size_t n = strnlen(s, 119), len = n + 9 <= 64 ? 64 : 128;

	memcpy(block, s, n);
	block[n] = 0x80;
	block[len - 2] = (unsigned char)(n * 8 >> 8);
	block[len - 1] = (unsigned char)(n * 8);
	for (size_t i = 0; i < len; i += 64)
		sha1_block(h, block + i);
	for (int i = 0; i < 20; i++)
		out[i] = (unsigned char)(h[i / 4] >> (24 - 8 * (i % 4)));
}

static void base64(const unsigned char *p, size_t n, char *out)
{
	static const char abc[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)p[i] << 16;

		if (i + 1 < n)
			v |= (uint32_t)p[i + 1] << 8;
		if (i + 2 < n)
			v |= p[i + 2];
		*out++ = abc[v >> 18];
		*out++ = abc[v >> 12 & 63];
		*out++ = i + 1 < n ? abc[v >> 6 & 63] : '=';
		*out++ = i + 2 < n ? abc[v & 63] : '=';
	}
	*out = '\0';
}

void tp_ws_new_key(char key[25])
{
	unsigned char raw[16];

	if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		abort();
	base64(raw, sizeof(raw), key);
}

void tp_ws_accept_of(const char *key, char accept[29])
{
	tp_autofree char *text = tp_asprintf("%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
	unsigned char sum[20];

	sha1(text, sum);
	base64(sum, sizeof(sum), accept);
}

/* Whether the comma-separated LIST has WORD. */
static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	while (*list) {
		list += strspn(list, " \t,");
		size_t len = strcspn(list, ",");
		size_t trimmed = len;
		while (trimmed > 0 && (list[trimmed - 1] == ' ' || list[trimmed - 1] == '\t'))
			trimmed--;
		if (trimmed == n && strncasecmp(list, word, n) == 0)
			return true;
		list += len;
	}
	return false;
}

static bool was_offered(const char *const *protocols, const char *name)
{
	for (size_t i = 0; protocols && protocols[i]; i++)
		if (strcmp(protocols[i], name) == 0)
			return true;
	return false;
}

int tp_ws_check_answer(const struct tp_strv *headers, const char *key, const char *const *protocols,
		       char **protocol, struct tp_err *err)
{
	bool upgrade = false, connection = false, accepted = false;
	char accept[29];

	tp_ws_accept_of(key, accept);
	for (size_t i = 0; i < headers->n; i++) {
		const char *line = headers->v[i], *v = strchr(line, ':') + 2;

		if (strncmp(line, "upgrade:", 8) == 0)
			upgrade = upgrade || has_word(v, "websocket");
		else if (strncmp(line, "connection:", 11) == 0)
			connection = connection || has_word(v, "upgrade");
		else if (strncmp(line, "sec-websocket-accept:", 21) == 0)
			accepted = strcmp(v, accept) == 0;
		else if (strncmp(line, "sec-websocket-extensions:", 25) == 0)
			return tp_err_set(err, TP_ERR_PROTOCOL,
					  "the server uses a WebSocket extension nobody asked for");
		else if (strncmp(line, "sec-websocket-protocol:", 23) == 0) {
			if (!was_offered(protocols, v))
				return tp_err_set(err, TP_ERR_PROTOCOL,
						  "the server chose a WebSocket protocol "
						  "nobody asked for");
			free(*protocol);
			*protocol = tp_strdup(v);
		}
	}
	if (!upgrade || !connection || !accepted)
		return tp_err_set(err, TP_ERR_PROTOCOL,
				  "the server's answer is not a WebSocket handshake");
	return 0;
}
