/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the forwarder; sidecar.h has what others call. */
#ifndef TP_SIDECAR_DNSFWD_H
#define TP_SIDECAR_DNSFWD_H

#include <netinet/in.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/loop.h"
#include "common/dnsmsg.h"
#include "sidecar/sidecar.h"

#define MAX_PENDING 4096
#define MAX_CLIENTS 256 /* TCP */

struct client { /* by TCP */
	struct dnsfwd *d;
	int fd;
	unsigned int generation; /* an answer may come for one that is gone */
	struct tp_watch *watch;
	struct tp_buf in, out;
	long long active;
};

struct pending {
	bool used, sent, check;
	bool own;   /* asked by the forwarder itself: nobody waits for it */
	bool probe; /* dns_ask_agent's */
	bool at_engine, engine_only;
	uint16_t id, type;
	uint16_t udp_size;
	long long asked, agent_answered;
	uint8_t *msg;
	size_t len;
	uint8_t *answer; /* the agent's, while the engine is waited for */
	size_t answer_len;
	struct upstream *up; /* at the machine's own servers: hostnames.h */
	struct tries *tries; /* the agent is asked for these in its place */
	struct tries *part;  /* it is one of them itself, by this number */
	size_t part_no;
	struct sockaddr_in from;
	struct in_addr local;  /* the address that it came to; 0: not known */
	struct client *client; /* NULL: UDP */
	unsigned int generation;
};

struct dnsfwd {
	struct sidecar *s;
	int udp, tcp, engine, channel;
	struct tp_watch *udp_watch, *tcp_watch, *engine_watch, *channel_watch;
	uint16_t port;
	struct tp_buf in, out;
	struct pending pending[MAX_PENDING]; /* by the ID that the agent sees */
	size_t n_pending;
	unsigned int next;
	struct client clients[MAX_CLIENTS];
	struct tp_timer *sweep, *check_timer;
	struct tp_strv search;
	struct sockaddr_in engine_addr;
	struct hostnames *host; /* whose servers answer what is not the cluster's; NULL: all is */
	bool have_engine;	/* the engine's own DNS, on user-defined networks */
};

/* dnsfwd.c: a question of N bytes, by UDP from FROM or by TCP from CLIENT. NULL if it was answered
 * or dropped at once. */
struct pending *dns_ask(struct dnsfwd *d, const uint8_t *msg, size_t n,
			const struct sockaddr_in *from, struct in_addr local,
			struct client *client);
/* P's answer, or SERVFAIL; P is over. */
void dns_finish(struct dnsfwd *d, struct pending *p, const uint8_t *answer, size_t n);
void dns_refuse(struct dnsfwd *d, struct pending *p);
void dns_no_such_name(struct dnsfwd *d, struct pending *p); /* the same with NXDOMAIN */
/* The Ith of T: the agent is asked what OF asks, for NAME. False: it cannot be asked. */
bool dns_ask_try(struct dnsfwd *d, const struct pending *of, const char *name, struct tries *t,
		 size_t i);
/* A question of the forwarder's own, for an address of NAME. */
void dns_ask_own(struct dnsfwd *d, const char *name);
/* The same, of the agent whosever the name is; hostnames_asked is told. */
void dns_ask_agent(struct dnsfwd *d, const char *name);
void dns_channel_flush(struct dnsfwd *d);
void dns_sweep_later(struct dnsfwd *d);

/* dnsclient.c: who asks */
int dns_listen(struct dnsfwd *d, struct tp_err *err);
void dns_client_end(struct client *c);
void dns_client_flush(struct client *c);
/* An answer by UDP to who asked P. */
void dns_client_send(struct dnsfwd *d, const struct pending *p, const uint8_t *msg, size_t n);

/* watchnames.c. True: P, a question for NAME, is the agent's to answer. Else it is seen to, and may be over already. */
bool watchnames_route(struct dnsfwd *d, struct pending *p, const char *name);

void dnsfwd_on_channel(void *arg, int events);

/* Whether NAME could be that of another container: a single word, or one and
 * its network's, and not below the pod's search domains. */
bool dnsfwd_may_be_container(const char *name, const struct tp_strv *search);

#endif
