/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "sidecar/sidecar.h"

bool cidr_is_ipv6(const char *text)
{
	char ip[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	unsigned char a[16];

	if (n >= sizeof(ip))
		return false;
	memcpy(ip, text, n);
	ip[n] = '\0';
	if (slash && (strspn(slash + 1, "0123456789") != strlen(slash + 1) || !slash[1] ||
		      strlen(slash) > 4 || atoi(slash + 1) > 128))
		return false;
	return inet_pton(AF_INET6, ip, a) == 1;
}

int cidr_parse(const char *text, struct subnet *out)
{
	char ip[INET_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	unsigned long bits = 32;
	struct in_addr a;
	char *end;

	if (n >= sizeof(ip))
		return -1;
	memcpy(ip, text, n);
	ip[n] = '\0';
	if (slash) {
		if (slash[1] < '0' || slash[1] > '9')
			return -1;
		bits = strtoul(slash + 1, &end, 10);
		if (*end || bits > 32)
			return -1;
	}
	if (inet_pton(AF_INET, ip, &a) != 1)
		return -1;
	out->mask = bits ? 0xffffffffu << (32 - bits) : 0;
	out->addr = ntohl(a.s_addr) & out->mask;
	return 0;
}
