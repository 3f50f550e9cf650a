/* SPDX-License-Identifier: Apache-2.0 */
/*
 * docker run's flags: every spelling docker takes (--x=v, --x v, -xv, -x v,
 * -x=v, clusters like -itp 80:80, hidden aliases), what becomes of each, and tpdocker's own
 * options between them. Docker 20.10 to 28.2.
 */
#ifndef TP_DOCKER_FLAGS_H
#define TP_DOCKER_FLAGS_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/opt.h"

enum tp_flag_class {
	TP_FLAG_PASS,	 /* handed on to docker run as it stands */
	TP_FLAG_SIDECAR, /* belongs to the container that owns the network namespace */
	TP_FLAG_SPECIAL, /* handed on, and looked at */
	TP_FLAG_DROP,
};

struct tp_flag {
	const char *name;
	char short_name; /* 0 = none */
	bool takes_value;
	enum tp_flag_class cls;
};
extern const struct tp_flag tp_docker_flags[]; /* ends with name NULL */

/* What the command line says, taken apart. All owned. */
struct tp_run_args {
	struct tp_strv
		docker_args; /* flags for docker run, normalised to "--name=value" / "--name" */
	char *image;	     /* NULL if none was given (an error already reported by the parser) */
	struct tp_strv command; /* everything behind the image, untouched */

	/* looked at, and in docker_args too unless said otherwise */
	bool detach, interactive, tty;
	int rm;		/* -1 not given, 0 --rm=false, 1 --rm */
	bool sig_proxy; /* default true */
	bool attach_given;
	char *name, *cidfile, *pull, *platform, *userns, *restart, *entrypoint, *detach_keys;
	struct tp_strv env;		       /* -e values as given: "K=V" or "K" */
	struct tp_strv env_files;	       /* paths */
	struct tp_strv volumes, mounts, tmpfs; /* -v, --mount, --tmpfs values */
	struct tp_strv volumes_from;	       /* "CONTAINER[:OPTIONS]" */

	/* for the sidecar; not in docker_args */
	struct tp_strv publish; /* -p values */
	bool publish_all;
	char *hostname, *domainname, *mac_address, *ip, *ip6;
	struct tp_strv add_hosts, dns, dns_search, dns_options, links, networks, network_aliases,
		link_local_ips;
	struct tp_strv net_sysctls; /* "net.x=y"; other sysctls stay in docker_args */
};

/* Parses argv[first..]: our options (OURS, targets in BASE) and docker's, in any order up to
 * the image; everything behind the image belongs to the command. 0 or -1 ERR (USAGE): unknown option (with the nearest of both
 * tables), missing value or image, --network host|none|container:... refused with the reason,
 * malformed booleans. A docker flag we do not know is an error naming the
 * nearest, unless it is written --x=v: then it is handed on with a warning. */
int tp_run_args_parse(struct tp_run_args *a, const struct tp_opt *ours, void *base, int argc,
		      char *const *argv, int first, struct tp_err *err);
/* The flags alone, for a command without an image: the index of the first word behind them, or -1 ERR. */
int tp_run_flags_parse(struct tp_run_args *a, const struct tp_opt *ours, void *base, int argc,
		       char *const *argv, int first, struct tp_err *err);
void tp_run_args_free(struct tp_run_args *a);

/* A -p value or EXPOSEd port as the Engine API wants it: adds to the
 * PortBindings of a create body under way. Accepts what docker accepts: [ip:][host[-host]:]ctr[-ctr][/tcp|udp|sctp], IPv6 in
 * brackets. */
struct tp_port_binding {
	char proto[5];
	char host_ip[48];
	unsigned host_port; /* 0: any */
	unsigned
		host_port_end; /* a range to choose from, when the container side is one port; else = host_port */
	unsigned ctr_port;
};
/* Parses SPEC into at most MAX bindings; the number, or -1 ERR. */
int tp_port_parse(const char *spec, struct tp_port_binding *out, int max, struct tp_err *err);

#endif
