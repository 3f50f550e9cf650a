/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names where the cluster's are answered here (TP_NAMES_WATCH, names/answers.h):
 *
 *   of a Service, an endpoint, a pod  --> the store, which the helper keeps up
 *   given with --also-proxy; below the cluster's domain, and not to be told from the store --> the agent
 *   everything else                   --> the name servers that the engine gave to this container
 */
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "names/answers.h"
#include "sidecar/dnsfwd.h"
#include "sidecar/hostnames.h"

/* The cluster's domain, as the pod's search list tells it; NULL: it does not. */
static const char *domain(const struct tp_strv *search)
{
	for (size_t i = 0; i < search->n; i++)
		if (strncasecmp(search->v[i], "svc.", 4) == 0)
			return search->v[i] + 4;
	return NULL;
}

bool watchnames_route(struct dnsfwd *d, struct pending *p, const char *name)
{
	static uint8_t answer[TP_DNS_MAX];
	const char *below = domain(&d->search);
	size_t n = 0;

	if (!below || !d->s->names || hostnames_also(&d->s->scope_names, name))
		return true;
	switch (tp_names_answer(d->s->names, below, p->msg, p->len, answer, sizeof(answer), &n)) {
	case TP_NAMES_ANSWERED:
		dns_finish(d, p, answer, n);
		return false;
	case TP_NAMES_OUTSIDE:
		hostnames_ask(d->host, p);
		return false;
	case TP_NAMES_AGENTS:
		break;
	}
	return true;
}
