/* SPDX-License-Identifier: Apache-2.0 */
/* A name that lacks the cluster's domain: the agent is asked for what it could be in full. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sidecar/hostnames.h"

/* All questions are under way at once; the first in order that there is wins. */
struct tries {
	struct hostnames *h;
	struct dnsfwd *d;
	struct pending *p; /* NULL: nobody waits any more */
	bool host_next;
	size_t n, open;
	struct {
		bool done;
		uint8_t *answer;
		size_t len;
	} v[HOSTNAMES_TRIES];
};

static void tries_free(struct tries *t)
{
	if (t->p)
		t->p->tries = NULL;
	for (size_t i = 0; i < t->n; i++)
		free(t->v[i].answer);
	free(t);
}

void hostnames_leave(struct tries *t)
{
	if (t)
		t->p = NULL;
}

/* The one that wins: its number; -1: not known yet; N: there is none. *BAD: one of them failed.
 * A name that is there without such a record is better than none, as for resolvers. */
static int winner(const struct tries *t, bool *bad)
{
	size_t empty = t->n;

	*bad = false;
	for (size_t i = 0; i < t->n; i++) {
		const uint8_t *a = t->v[i].answer;

		if (!t->v[i].done)
			return -1;
		if (a && tp_dns_rcode(a) == TP_DNS_NOERROR && (a[6] || a[7]))
			return (int)i;
		if (a && tp_dns_rcode(a) == TP_DNS_NOERROR && empty == t->n)
			empty = i;
		*bad |= !a ||
			(tp_dns_rcode(a) != TP_DNS_NXDOMAIN && tp_dns_rcode(a) != TP_DNS_NOERROR);
	}
	return (int)empty;
}

static void answer_with(struct tries *t, const uint8_t *a, size_t len)
{
	static uint8_t out[TP_DNS_MAX];
	struct pending *p = t->p;
	size_t n = tp_dns_rename(p->msg, p->len, a, len, out, sizeof(out));

	if (n)
		dns_finish(t->d, p, out, n);
	else
		dns_refuse(t->d, p);
}

void hostnames_tried(struct tries *t, size_t i, const uint8_t *answer, size_t n)
{
	bool bad;
	int won;

	t->open--;
	t->v[i].done = true;
	t->v[i].answer = tp_malloc(n);
	memcpy(t->v[i].answer, answer, n);
	t->v[i].len = n;
	won = t->p ? winner(t, &bad) : -1;
	if (won >= 0) {
		struct pending *p = tp_steal(&t->p);

		p->tries = NULL;
		if ((size_t)won < t->n) {
			t->p = p;
			answer_with(t, t->v[won].answer, t->v[won].len);
			t->p = NULL;
		} else if (bad) {
			dns_refuse(t->d, p);
		} else if (t->host_next) {
			hostnames_ask(t->h, p);
		} else {
			dns_no_such_name(t->d, p);
		}
	}
	if (!t->open)
		tries_free(t);
}

void hostnames_try(struct hostnames *h, struct dnsfwd *d, struct pending *p, char *const *names,
		   size_t n, bool host_next)
{
	struct tries *t = tp_calloc(1, sizeof(*t));

	t->h = h;
	t->d = d;
	t->p = p;
	t->host_next = host_next;
	t->n = n;
	p->tries = t;
	t->open = 1; /* while they are asked, one may be over already */
	for (size_t i = 0; i < n; i++) {
		t->open++;
		if (!dns_ask_try(d, p, names[i], t, i)) {
			t->open--;
			t->v[i].done = true;
		}
	}
	if (!--t->open) {
		dns_refuse(d, p);
		tries_free(t);
	}
}
