/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/tunnel.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define HEADER 8

ssize_t tp_tunnel_parse(const char *p, size_t n, struct tp_tunnel_frame *f)
{
	const uint8_t *u = (const uint8_t *)p;

	if ((n > 0 && u[0] != 'S') || (n > 1 && u[1] != 'S'))
		return -1;
	if (n < HEADER)
		return 0;
	f->channel = (unsigned int)u[2] << 8 | u[3];
	f->cmd = (unsigned int)u[4] << 8 | u[5];
	f->len = (size_t)u[6] << 8 | u[7];
	f->data = p + HEADER;
	return n - HEADER < f->len ? 0 : (ssize_t)(HEADER + f->len);
}

int tp_tunnel_target(const char *p, size_t n, struct sockaddr_storage *to, socklen_t *len)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)to;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;
	char text[128], *ip, *port, *end;
	unsigned long number;

	memset(to, 0, sizeof(*to));
	if (n >= sizeof(text) || memchr(p, '\0', n))
		return -1;
	memcpy(text, p, n);
	text[n] = '\0';
	ip = strchr(text, ',');
	port = ip ? strchr(ip + 1, ',') : NULL;
	if (!port)
		return -1;
	*ip++ = '\0';
	*port++ = '\0';
	if (*port < '0' || *port > '9')
		return -1;
	number = strtoul(port, &end, 10);
	if (*end || number > 65535)
		return -1;
	/* the family's number is the client's system's own: the address tells */
	if (inet_pton(AF_INET, ip, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)number);
		*len = sizeof(*v4);
		return 0;
	}
	if (inet_pton(AF_INET6, ip, &v6->sin6_addr) != 1)
		return -1;
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons((uint16_t)number);
	*len = sizeof(*v6);
	return 0;
}
