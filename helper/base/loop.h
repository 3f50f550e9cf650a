/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop: one epoll set, descriptors, timers, and work posted from
 * other threads. Handlers run in the thread that runs the loop. A handler
 * may remove any watch or timer, its own included, and add others.
 */
#ifndef TP_BASE_LOOP_H
#define TP_BASE_LOOP_H

#include <stdint.h>

struct tp_loop;
struct tp_watch;
struct tp_timer;

/* An error or hang-up shows as all that was asked for. TP_HANGUP asks for nothing else: it is for
 * who can neither read nor write now, and would learn of a reset too late. */
enum { TP_READ = 1, TP_WRITE = 2, TP_HANGUP = 4 };

struct tp_loop *tp_loop_new(void);
/* Frees the loop and every watch and timer left (descriptors stay open);
 * what was posted and did not run is dropped. No task may be running. */
void tp_loop_free(struct tp_loop *l);

/* One watch a descriptor; delete it before closing that. A file or /dev/null
 * is ready at any time. */
struct tp_watch *tp_watch_add(struct tp_loop *l, int fd, int events,
			      void (*fn)(void *arg, int events), void *arg);
void tp_watch_set(struct tp_watch *w, int events); /* 0 = keep, listen for nothing */
void tp_watch_del(struct tp_watch *w);		   /* NULL is allowed */

/* Calls FN once, MS milliseconds from now; the timer is gone after that. */
struct tp_timer *tp_timer_add(struct tp_loop *l, int ms, void (*fn)(void *arg), void *arg);
void tp_timer_del(struct tp_timer *t); /* before it fired; NULL is allowed */

/* From any thread: FN(ARG) will run in the loop's thread, in order. */
void tp_loop_post(struct tp_loop *l, void (*fn)(void *arg), void *arg);
/* Runs FN(ARG) in the loop's thread after the current round of handlers:
 * for a relay that yields. Loop's thread only. */
#define tp_loop_defer tp_loop_post

/* Runs until tp_loop_stop (from a handler); returns its RESULT. Can be run
 * again. Not re-entrant. */
int tp_loop_run(struct tp_loop *l);
void tp_loop_stop(struct tp_loop *l, int result);

#endif
