/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPv6 in a network namespace that has none: an address and a way out, so that a program's
 * packets get as far as the packet filter, and no further. They are those of a pair of
 * interfaces that leads nowhere.
 */
#include <net/route.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "sidecar/sidecar.h"

/* The address is of this namespace alone: a unique local one (RFC 4193), as resolvers then prefer IPv4 for
 * names that have both. */
static const char wants[] = "link add tpdocker0 type veth peer name tpdocker1\n"
			    "link set tpdocker0 up\n"
			    "link set tpdocker1 up\n"
			    "addr add fd74:7064:6f63::1/128 dev tpdocker0 nodad\n"
			    "route add ::/0 dev tpdocker0 metric 65535\n";

/* Whether there is a way out already. */
static bool has_route(void)
{
	FILE *f = fopen("/proc/net/ipv6_route", "re");
	char line[256], to[33];
	unsigned bits, flags;
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%32s %x %*s %*x %*s %*x %*x %*x %x", to, &bits, &flags) ==
				3 &&
			!bits && !(flags & RTF_REJECT) && strspn(to, "0") == 32;
	if (f)
		fclose(f);
	return found;
}

bool ipv6_prepare(void)
{
	char *argv[] = { (char *)"ip", (char *)"-batch", (char *)"-", NULL };
	struct tp_child_opts o = { .argv = argv };
	TP_AUTO_BUF said = TP_BUF_INIT(8192);
	struct tp_err err = { 0 };
	int status = 0;

	if (has_route())
		return true;
	if (tp_child_run(&o, wants, sizeof(wants) - 1, NULL, &said, 10000, &status, NULL, &err) ==
		    0 &&
	    !status)
		return true;
	tp_verbose("there is no IPv6 in this container (%.*s): it is refused",
		   said.data ? (int)strcspn(said.data, "\n") : 200,
		   said.data ? said.data : err.msg);
	return false;
}
