/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocking work beside the loop: a thread that runs FN and then DONE in the
 * loop's thread. All signals are blocked in the thread.
 */
#ifndef TP_BASE_TASK_H
#define TP_BASE_TASK_H

#include "base/cancel.h"
#include "base/err.h"
#include "base/loop.h"

struct tp_task;

typedef int tp_task_fn(void *arg, struct tp_cancel *cancel, struct tp_err *err);
/* RC is what FN returned, ERR what it filled (valid only during the call). */
typedef void tp_task_done_fn(void *arg, int rc, struct tp_err *err);

/* Starts FN(ARG). The task frees itself after DONE was called. */
struct tp_task *tp_task_start(struct tp_loop *l, tp_task_fn *fn, tp_task_done_fn *done, void *arg);
/* Asks FN to stop; DONE is still called. Loop's thread only, before DONE. */
void tp_task_cancel(struct tp_task *t);

#endif
