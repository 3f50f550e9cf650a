/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The native engine on the wire: connections of many kinds over one stream of
 * bytes, which is a session of ssh's. Big endian, each frame:
 *
 *     ID(4) TYPE(1) 0(1) LENGTH(2) PAYLOAD
 *
 * Each side's first frame is HELLO. Then:
 *
 *     near (sidecar)                              far (agent)
 *       OPEN target, window                  -->  connects
 *                                            <--  OPENED window, or REFUSED why
 *       DATA, CREDIT, END, RESET            <-->  DATA, CREDIT, END, RESET
 *
 * TCP: DATA is a piece of the stream, and may be sent as far as the other
 * side's window and its CREDITs go; END is a FIN, and RESET an RST. A
 * connection is over when both sides have sent END, or one of them RESET.
 * UDP: DATA is one datagram, and the window does not count: what there is no
 * room for is lost, as on any network. RESET ends it, END is not used.
 * ICMP: as UDP, with the port 0; each DATA is one echo: TTL(1) 0(1) SEQUENCE(2) and its payload. What the far
 * side sends is the reply that it got to the same sequence number, with the TTL that this had.
 */
#ifndef TP_ENGINE_WIRE_H
#define TP_ENGINE_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#define TP_WIRE_VERSION 2
#define TP_WIRE_HEADER	8
#define TP_WIRE_PAYLOAD 65535 /* at most */
#define TP_WIRE_OPEN	24    /* bytes of OPEN's payload */
#define TP_WIRE_ECHO	4     /* bytes before an echo's payload */

enum tp_wire_type {
	TP_WIRE_HELLO = 1, /* the version, 4 bytes; ID 0 */
	TP_WIRE_OPEN_TO,   /* protocol(1) family(1) port(2) address(16) window(4) */
	TP_WIRE_OPENED,	   /* window, 4 bytes */
	TP_WIRE_REFUSED,   /* enum tp_wire_error, 4 bytes */
	TP_WIRE_DATA,
	TP_WIRE_END,	/* empty: no more data this way */
	TP_WIRE_RESET,	/* enum tp_wire_error, 4 bytes: over, both ways */
	TP_WIRE_CREDIT, /* so many bytes more may be sent, 4 bytes */
};

/* Why; numbers of our own, as errno's differ from system to system. */
enum tp_wire_error {
	TP_WIRE_ERROR_OTHER,
	TP_WIRE_ERROR_REFUSED,
	TP_WIRE_ERROR_NO_NETWORK,
	TP_WIRE_ERROR_NO_HOST,
	TP_WIRE_ERROR_TIMEOUT,
	TP_WIRE_ERROR_DENIED,
	TP_WIRE_ERROR_RESET,
	TP_WIRE_ERROR_BUSY, /* too many connections */
};

/* Where a connection is to go. */
struct tp_target {
	uint8_t protocol; /* IPPROTO_TCP, _UDP, or _ICMP for IPv4 and _ICMPV6 for IPv6: echoes */
	uint8_t family;	  /* 4 or 6 */
	uint16_t port;	  /* host order */
	uint8_t addr[16]; /* 4: the first four, the rest is zero */
};

struct tp_wire_frame {
	uint32_t id;
	enum tp_wire_type type;
	const char *data; /* inside the parsed buffer */
	size_t len;
	uint32_t value;		 /* version, window, error or credit */
	struct tp_target target; /* of OPEN_TO */
};

/* The first frame of the N bytes at P: > 0 the bytes it takes; 0 incomplete; -1 garbage. */
ssize_t tp_wire_parse(const char *p, size_t n, struct tp_wire_frame *f);

/* TP_WIRE_HEADER bytes that go before a payload of LEN. */
void tp_wire_header(char *p, uint32_t id, enum tp_wire_type type, size_t len);
/* TP_WIRE_OPEN bytes. */
void tp_wire_target(char *p, const struct tp_target *to, uint32_t window);
void tp_wire_put32(char *p, uint32_t v);

enum tp_wire_error tp_wire_error(int errnum);
int tp_wire_errno(uint32_t error); /* never 0; one that is not known is EIO */

/* Between a target and a socket's address. The first is -1 for another family than IPv4 and
 * IPv6; an IPv4 address in an IPv6 one counts as IPv4. The second returns the address's length. */
int tp_target_from(struct tp_target *to, uint8_t protocol, const struct sockaddr_storage *sa);
socklen_t tp_target_sockaddr(const struct tp_target *to, struct sockaddr_storage *sa);

#endif
