/* SPDX-License-Identifier: Apache-2.0 */
/* Between flows.c (the stream, the table) and flow.c (one connection). */
#ifndef TP_ENGINE_FLOWS_INTERNAL_H
#define TP_ENGINE_FLOWS_INTERNAL_H

#include <stdbool.h>

#include "engine/flows.h"
#include "engine/queue.h"

#define FLOW_BUCKETS 4096

enum flow_state {
	FLOW_ASKING, /* we opened it, and wait for the answer */
	FLOW_ASKED,  /* they did, and wait for ours */
	FLOW_OPEN,
};

struct tp_flow {
	struct tp_flows *s;
	struct tp_flow *next;		       /* in its bucket */
	struct tp_flow *turn_next, *turn_prev; /* among those that wait for room in the stream */
	const struct tp_flow_events *ev;
	void *arg;
	uint32_t id;
	enum flow_state state;
	bool udp, waits_turn;
	bool our_end, their_end; /* END was sent; END came */
	bool shut;		 /* the socket has been told of their end */
	bool hung_up;		 /* seen, and no error: nothing more to learn from it */
	int fd;			 /* -1: none yet */
	struct tp_watch *watch;

	uint32_t credit; /* bytes that may be sent */

	struct tp_queue held; /* for the socket */
	uint32_t window;      /* ROOM, what is held, and EATEN, together */
	uint32_t room;	      /* bytes that they may still send */
	uint32_t eaten;	      /* the socket took them, and they were not given back yet */
	uint32_t used;	      /* bytes since the window has grown */
};

struct tp_flows {
	struct tp_loop *loop;
	struct tp_flows_events ev;
	int fd_in, fd_out;
	struct tp_watch *in_watch, *out_watch; /* out_watch NULL: one descriptor */
	struct tp_timer *kick;
	struct tp_queue out;
	char *in;
	size_t in_len;
	bool out_is_socket;
	bool greeted; /* HELLO came */
	bool blocked; /* the stream takes nothing now */
	bool over;    /* and ENDED was or will be called */
	bool told;    /* it was */
	char why[160];
	struct tp_flow *first_turn, *last_turn;
	struct tp_flow *bucket[FLOW_BUCKETS];
	size_t n, held;
	size_t windows; /* of all flows */
	uint32_t next_id;
};

/* flows.c */
void flows_send(struct tp_flows *s, uint32_t id, enum tp_wire_type type, const void *p, size_t n);
void flows_send32(struct tp_flows *s, uint32_t id, enum tp_wire_type type, uint32_t v);
/* The stream is over: WHY is for a person, "" the orderly end. */
void flows_over(struct tp_flows *s, const char *why);
/* What was put into OUT is written at the end of this round. */
void flows_kick(struct tp_flows *s);
/* Whether sockets may be read: what waits for the stream is not too much. */
bool flows_have_room(const struct tp_flows *s);

/* flow.c */
struct tp_flow *flow_new(struct tp_flows *s, uint32_t id, bool udp, enum flow_state state);
struct tp_flow *flow_find(struct tp_flows *s, uint32_t id);
void flow_free(struct tp_flow *f, bool orderly);
/* A frame for F. False: it must not come, the stream is garbage. F may be gone. */
bool flow_take(struct tp_flow *f, const struct tp_wire_frame *m);
/* Those that wait for room in the stream: F becomes the last of them, or is one of them no more. Either may be so already. */
void flow_wait_turn(struct tp_flow *f);
void flow_leave_turns(struct tp_flow *f);
/* It is F's turn to read one piece. True: it has more, perhaps. */
bool flow_turn(struct tp_flow *f);
void flow_rewatch(struct tp_flow *f);

#endif
