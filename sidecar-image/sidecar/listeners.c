/* SPDX-License-Identifier: Apache-2.0 */
#include "sidecar/listeners.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

#define STATE_LISTEN 10 /* TCP_LISTEN; the kernel's enum and libc's header exclude each other */

/* Of several listeners on one port the one with the highest rank is used. */
enum { NOBODY, V6_OTHER, V4_OTHER, V6_LOOPBACK, V4_LOOPBACK, ANY };

static int rank_v4(const struct in_addr *a)
{
	uint32_t h = ntohl(a->s_addr);

	if (h == INADDR_ANY || h == INADDR_LOOPBACK)
		return ANY;
	return h >> 24 == 127 ? V4_LOOPBACK : V4_OTHER;
}

static void note(struct listener *l, size_t n, int rank, int family, const void *addr,
		 uint16_t port)
{
	for (size_t i = 0; i < n; i++) {
		if (l[i].port != port || l[i].rank >= rank)
			continue;
		l[i].rank = rank;
		if (rank == ANY)
			strcpy(l[i].host, "127.0.0.1");
		else if (rank == V6_LOOPBACK)
			strcpy(l[i].host, "::1");
		else
			inet_ntop(family, addr, l[i].host, sizeof(l[i].host));
	}
}

void listeners_note(struct listener *l, size_t n, bool v6, const void *addr, bool v6only,
		    uint16_t port)
{
	struct in_addr v4;
	struct in6_addr a;

	if (!v6) {
		memcpy(&v4, addr, sizeof(v4));
		note(l, n, rank_v4(&v4), AF_INET, &v4, port);
		return;
	}
	memcpy(&a, addr, sizeof(a));
	if (IN6_IS_ADDR_V4MAPPED(&a)) {
		memcpy(&v4, a.s6_addr + 12, sizeof(v4));
		note(l, n, rank_v4(&v4), AF_INET, &v4, port);
	} else if (IN6_IS_ADDR_UNSPECIFIED(&a)) {
		note(l, n, v6only ? V6_LOOPBACK : ANY, AF_INET6, &a, port);
	} else {
		note(l, n, IN6_IS_ADDR_LOOPBACK(&a) ? V6_LOOPBACK : V6_OTHER, AF_INET6, &a, port);
	}
}

/* ---------------------------------------------------------------- sock_diag */

static void take_socket(struct listener *l, size_t n, const struct nlmsghdr *h)
{
	const struct inet_diag_msg *d = NLMSG_DATA(h);
	size_t left = h->nlmsg_len - NLMSG_LENGTH(sizeof(*d));
	const struct rtattr *a = (const struct rtattr *)(d + 1);
	bool v6only = false;

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == INET_DIAG_SKV6ONLY && RTA_PAYLOAD(a) >= 1)
			v6only = *(const unsigned char *)RTA_DATA(a) != 0;
	if (d->idiag_state == STATE_LISTEN)
		listeners_note(l, n, d->idiag_family == AF_INET6, d->id.idiag_src, v6only,
			       ntohs(d->id.idiag_sport));
}

/* One answer of the kernel's: 1 it was the last, 0 there are more, -1 errno. */
static int take_answer(struct listener *l, size_t n, const char *buf, size_t len)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)buf;

	for (; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len)) {
		if (h->nlmsg_type == NLMSG_DONE)
			return 1;
		if (h->nlmsg_type == NLMSG_ERROR) {
			const struct nlmsgerr *e = NLMSG_DATA(h);

			errno = h->nlmsg_len >= NLMSG_LENGTH(sizeof(*e)) ? -e->error : EPROTO;
			return -1;
		}
		if (h->nlmsg_type == SOCK_DIAG_BY_FAMILY &&
		    h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
			take_socket(l, n, h);
	}
	return 0;
}

static int dump(int fd, int family, struct listener *l, size_t n)
{
	struct {
		struct nlmsghdr h;
		struct inet_diag_req_v2 r;
	} req = {
		.h = { .nlmsg_len = sizeof(req),
		       .nlmsg_type = SOCK_DIAG_BY_FAMILY,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.r = { .sdiag_family = (uint8_t)family,
		       .sdiag_protocol = IPPROTO_TCP,
		       .idiag_states = 1u << STATE_LISTEN },
	};
	static char buf[32768] __attribute__((aligned(NLMSG_ALIGNTO)));
	int rc = 0;

	if (send(fd, &req, sizeof(req), 0) != (ssize_t)sizeof(req))
		return -1;
	while (rc == 0) {
		/* the kernel has put its answer there before send returned */
		ssize_t got = recv(fd, buf, sizeof(buf), 0);

		if (got < 0 && errno == EINTR)
			continue;
		rc = got <= 0 ? -1 : take_answer(l, n, buf, (size_t)got);
	}
	return rc < 0 ? -1 : 0;
}

static int ask_kernel(struct listener *l, size_t n)
{
	tp_autoclose int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	if (fd < 0 || dump(fd, AF_INET, l, n) < 0)
		return -1;
	/* a kernel without IPv6 has nobody who listens there */
	dump(fd, AF_INET6, l, n);
	return 0;
}

/* -------------------------------------------------------------------- /proc */

/* "0100007F", "0000000000000000FFFF00000100007F": words in the machine's order. */
static int read_address(const char *hex, bool v6, unsigned char addr[16])
{
	size_t words = v6 ? 4 : 1;

	if (strspn(hex, "0123456789ABCDEFabcdef") != words * 8)
		return -1;
	for (size_t i = 0; i < words; i++) {
		char word[9] = { 0 };
		uint32_t v;

		memcpy(word, hex + 8 * i, 8);
		v = (uint32_t)strtoul(word, NULL, 16);
		memcpy(addr + 4 * i, &v, sizeof(v));
	}
	return 0;
}

void listeners_read_proc(struct listener *l, size_t n, bool v6, const char *text)
{
	/* "  sl  local_address rem_address   st ...", then "   0: 00000000:1F90 00000000:0000 0A ..." */
	while (text && *text) {
		const char *next = strchr(text, '\n');
		char hex[40], state[3];
		unsigned char addr[16];
		unsigned port;

		if (sscanf(text, " %*u: %39[0-9A-Fa-f]:%x %*39[0-9A-Fa-f]:%*x %2s", hex, &port,
			   state) == 3 &&
		    strtoul(state, NULL, 16) == STATE_LISTEN && port && port < 65536 &&
		    read_address(hex, v6, addr) == 0)
			/* it does not tell those that take IPv6 only: most do not */
			listeners_note(l, n, v6, addr, false, (uint16_t)port);
		text = next ? next + 1 : NULL;
	}
}

static int read_proc(struct listener *l, size_t n)
{
	static const char *const paths[] = { "/proc/self/net/tcp", "/proc/self/net/tcp6" };
	int rc = -1;

	for (int v6 = 0; v6 < 2; v6++) {
		TP_AUTO_BUF b = TP_BUF_INIT(16u << 20);

		if (tp_read_file(paths[v6], &b) == 0) {
			listeners_read_proc(l, n, v6, b.data);
			rc = 0;
		}
	}
	return rc;
}

int listeners_find(struct listener *l, size_t n)
{
	static bool deaf; /* the kernel has no sock_diag */

	for (size_t i = 0; i < n; i++) {
		l[i].rank = NOBODY;
		l[i].host[0] = '\0';
	}
	if (!deaf && ask_kernel(l, n) == 0)
		return 0;
	deaf = deaf || errno == ENOENT || errno == EPROTONOSUPPORT || errno == EAFNOSUPPORT ||
	       errno == EOPNOTSUPP || errno == EPERM || errno == EACCES;
	return read_proc(l, n);
}
