/* SPDX-License-Identifier: Apache-2.0 */
#include "common/method.h"

#include <string.h>

static const struct tp_method methods[] = {
	{ .name = "container",
	  .what = "the container's own network namespace, all of it through the cluster",
	  .captured = TP_CAPTURED_ALL,
	  .names = TP_NAMES_POD,
	  .filters = true,
	  .sshuttle = true },
	{ .name = "vpn-tcp",
	  .what = "this machine's network namespace, the cluster's networks and names alone",
	  .captured = TP_CAPTURED_SCOPE,
	  .names = TP_NAMES_SUFFIXES,
	  .host_network = true,
	  .filters = true,
	  .sshuttle = true },
	{ .name = "teleproxy",
	  .what = "the container's own network namespace, the cluster's networks alone, names from a watch",
	  .captured = TP_CAPTURED_SCOPE,
	  .names = TP_NAMES_WATCH,
	  .filters = true },
	{ .name = "inject-tcp",
	  .what = "connections of programs that have torsocks preloaded, without a packet filter",
	  .captured = TP_CAPTURED_CALLS,
	  .names = TP_NAMES_CALLS },
};

const struct tp_method *tp_method_at(size_t i)
{
	return i < sizeof(methods) / sizeof(*methods) ? &methods[i] : NULL;
}

const struct tp_method *tp_method_find(const char *name)
{
	const struct tp_method *m;

	for (size_t i = 0; (m = tp_method_at(i)); i++)
		if (strcmp(m->name, name) == 0)
			return m;
	return NULL;
}
