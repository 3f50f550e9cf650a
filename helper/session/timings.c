/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "session/timings.h"

static struct moment {
	char label[64];
	long long ms;
} moments[64];
static size_t count;
static long long start;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void tp_timings_start(void)
{
	start = tp_now_ms();
}

void tp_timings_mark_at(const char *label, long long ms)
{
	pthread_mutex_lock(&lock);
	if (count < sizeof(moments) / sizeof(moments[0])) {
		snprintf(moments[count].label, sizeof(moments[count].label), "%s", label);
		moments[count++].ms = ms;
	}
	pthread_mutex_unlock(&lock);
}

void tp_timings_mark(const char *label)
{
	tp_timings_mark_at(label, tp_now_ms());
}

void tp_timings_frame(const char *who, const char *p, size_t n)
{
	tp_autofree char *text = tp_strndup(p, n);
	tp_autofree char *label = NULL;
	char *space = strrchr(text, ' ');

	if (!space)
		return;
	*space = '\0';
	label = tp_asprintf("%s: %s", who, text);
	tp_timings_mark_at(label, strtoll(space + 1, NULL, 10));
}

static int by_time(const void *a, const void *b)
{
	const struct moment *x = a, *y = b;

	return x->ms < y->ms ? -1 : x->ms > y->ms;
}

void tp_timings_print(FILE *out)
{
	long long before = start;

	pthread_mutex_lock(&lock);
	qsort(moments, count, sizeof(moments[0]), by_time);
	fprintf(out, "   at ms  step ms  (steps overlap: each stands at its end)\n");
	for (size_t i = 0; i < count; i++) {
		fprintf(out, "%8lld %8lld  %s\n", moments[i].ms - start, moments[i].ms - before,
			moments[i].label);
		before = moments[i].ms;
	}
	pthread_mutex_unlock(&lock);
}
