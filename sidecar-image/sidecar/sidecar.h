/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sidecar's supervisor: one process, one loop, one struct.
 *
 *   NEW --prepare--> PREPARED --agent--> DIALLING --checked--> UP
 *                                           ^                   |
 *                                           '--- link broke ----'
 *
 * What runs below it:
 *   ssh       the connection's master; dials through `tpdocker-sidecar dial`
 *   capture   takes the container's connections: sshuttle, which talks through
 *             `tpdocker-sidecar transport`, or `tpdocker-sidecar redirect` (the native engine)
 *   nft       for a moment each
 *
 * Everything over ssh is a session that the supervisor opens itself at the
 * master's control socket (mux.c): describe, dns, tunnel.
 */
#ifndef TP_SIDECAR_H
#define TP_SIDECAR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/child.h"
#include "base/err.h"
#include "base/loop.h"
#include "common/control.h"
#include "common/method.h"
#include "common/netfiles.h"

#define TP_SIDECAR_DIR	      "/run/tpdocker"
#define DIR_KEY		      TP_SIDECAR_DIR "/key"
#define DIR_KNOWN	      TP_SIDECAR_DIR "/known_hosts"
#define DIR_CONFIG	      TP_SIDECAR_DIR "/ssh_config"
#define DIR_MASTER	      TP_SIDECAR_DIR "/master"
#define DIR_LOCAL	      TP_SIDECAR_DIR "/local"  /* the supervisor's own socket: local.c */
#define DIR_NOTIFY	      TP_SIDECAR_DIR "/notify" /* where sshuttle says that it is ready */

#define TP_AGENT_DEFAULT_USER "tpdocker"
#define MAX_CIDRS	      256
#define MAX_SUBNETS	      16
#define MAX_TO_POD	      1024

struct sidecar;

struct subnet {
	uint32_t addr, mask; /* host order */
};

/* A program that belongs to the session and is started again when it ends. */
struct program {
	struct tp_child child;
	struct tp_watch *ended, *err_watch;
	struct tp_buf err; /* its stderr's last lines */
	long long said_ms; /* tp_now_ms: when it wrote there last */
	void (*on_end)(struct sidecar *s, const char *why);
	struct sidecar *s;
	const char *name;
	int in; /* if > 0: its stdin, and the caller's still */
};

struct channel;
struct dnsfwd;
struct door;
struct gates;
struct forwards;
struct hostfilter;
struct inject;
struct tp_namestore;
struct tohost;
struct mux_forwards;
struct mux_session;

struct sidecar {
	struct tp_loop *loop;

	int signals;

	struct channel *channel;

	/* settings, as they came */
	char *private_key, *nonce;
	struct tp_strv scope;	    /* CIDRs: what the method captures where that is not all */
	struct tp_strv scope_names; /* names whose addresses belong to it as well */
	char *host_resolv; /* the machine's resolv.conf; NULL: the container's own is a copy of it */
	struct tp_strv host_dns; /* further name servers of the machine's */
	char *dns_upstream;	 /* in the place of all of them; NULL: they are asked */
	bool marking;		 /* TP_CTL_MARKER */
	struct tp_strv never_proxy, also_proxy, dns, dns_search, dns_option, add_host;
	bool local_net, verbose, prepared;

	/* of the container itself, before anything was changed */
	char *own_resolv, *own_hosts;
	size_t own_resolv_len, own_hosts_len;
	struct subnet subnets[MAX_SUBNETS]; /* of its own networks, with local-net */
	size_t n_subnets;
	uint32_t gateways[MAX_SUBNETS];
	size_t n_gateways;

	/* the agent */
	char *hostkey, *user, *token;
	struct sockaddr_in probe;
	bool have_agent;

	/* the link */
	bool link_known, link_is_socket;
	int check_fd;
	struct tp_watch *check_watch;
	struct tp_timer *check_timer;
	struct local *local; /* local.c */

	/* ssh */
	struct program ssh, capture;
	struct tp_watch *inotify_watch;
	int inotify;
	bool master_up;
	struct mux_session *describe, *tunnel, *dns_session;
	struct tp_timer *redial, *recapture;
	struct tp_timer *tunnel_ended; /* by itself, or because ssh is about to end */
	int backoff_ms, capture_backoff_ms;

	/* capture */
	const struct tp_method *method;
	bool on_host;		 /* the network namespace is the machine's */
	bool native;		 /* the engine; else sshuttle */
	bool ipv6;		 /* is captured, too (native engine) */
	bool queue_tried;	 /* filter_engine.c has set its rule, or cannot */
	int capture_fd;		 /* the capture's end of the tunnel, until a session takes it */
	int transport_fd;	 /* closing it ends sshuttle's "ssh" */
	bool captured;		 /* its rules are set */
	const char *sshuttle_by; /* its own method: "nft", or "nat" */
	int notify;
	struct tp_watch *notify_watch;
	int probe_fd;
	struct tp_watch *probe_watch;
	struct tp_timer *probe_timer;
	size_t probe_got;
	bool probe_greeted; /* a SOCKS server's answer has been taken off */
	char probe_buf[80];

	struct hostfilter *hostfilter; /* NULL: the namespace is our own */
	struct inject *inject;	       /* inject.c */
	struct tp_namestore *names;    /* what the helper tells of the cluster; NULL: nothing */
	struct dnsfwd *dnsfwd;
	struct gates *gates;	     /* hold.c */
	struct forwards *forwards;   /* forward.c; NULL: no port of the pod leads here */
	struct tohost *tohost;	     /* tohost.c; NULL: no port leads to the helper's machine */
	unsigned to_pod[MAX_TO_POD]; /* ports of the loopback that are the pod's */
	size_t n_to_pod;
	struct door *door;

	/* what ready waits for */
	bool described, names_set, probed, dns_checked;
	bool ready_said, down_said;
	bool serving; /* the helper says that the whole session is ready */
	struct tp_buf description;
};

/* run.c */
void sidecar_send(struct sidecar *s, const char *name, const void *p, size_t n);
void sidecar_sendf(struct sidecar *s, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void sidecar_timing(struct sidecar *s, const char *name);
void sidecar_fail(struct sidecar *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The link, or the capture, broke: told once until it is up again. */
void sidecar_down(struct sidecar *s, const char *why);
/* Something that ready waits for is there. */
void sidecar_progress(struct sidecar *s);
/* Starts a program; ON_END is told why it ended, not when it was stopped. */
int program_start(struct sidecar *s, struct program *p, const char *name, char *const *argv,
		  char *const *env_add, void (*on_end)(struct sidecar *s, const char *why),
		  struct tp_err *err);
void program_stop(struct program *p);

/* settings.c: one of the helper's frames; those that it does not know it passes over. */
struct tp_frame;
int sidecar_setting(struct sidecar *s, const struct tp_frame *f, struct tp_err *err);

/* ssh.c */
int ssh_prepare(struct sidecar *s, struct tp_err *err);
void ssh_start(struct sidecar *s);
void ssh_agent(struct sidecar *s);	     /* the agent is known (or another one) */
void ssh_capture_offered(struct sidecar *s); /* capture_fd is there */
void ssh_reopen_dns(struct sidecar *s);
int ssh_remote_stderr(void); /* a descriptor for what a session's far side complains about; -1 */

/* mux.c: a session over the master. IN, OUT, ERR are passed to the master and
 * stay the caller's. ON_END is called once, with the command's exit code or
 * -1; the session is freed after it. */
struct mux_session *mux_open(struct sidecar *s, const char *command, int in, int out, int err,
			     void (*on_end)(struct sidecar *s, int code), struct tp_err *e);
/* The same for a subsystem ("sftp"), with an end that knows whose it is. */
struct mux_session *mux_open_subsystem(struct sidecar *s, const char *name, int in, int out,
				       int err, void (*on_end)(void *arg, int code), void *arg,
				       struct tp_err *e);
void mux_close(struct mux_session *m); /* NULL is allowed; ON_END is not called */

/* muxfwd.c: forwards at the master: BIND:PORT in the pod to HOST:HOST_PORT here, or (local) BIND:PORT here to
 * HOST:HOST_PORT in the pod. Each
 * request has a number (0: the way to the master is gone), and ANSWER is called with it later; it
 * must not close the forwards. ENDED: the connection to the master is over; close it then. */
typedef void mux_answer_fn(void *arg, uint32_t request, bool ok);
struct mux_forwards *mux_forwards_open(struct sidecar *s, mux_answer_fn *answer,
				       void (*ended)(void *arg), void *arg);
void mux_forwards_close(struct mux_forwards *m); /* NULL is allowed */
uint32_t mux_forward(struct mux_forwards *m, bool open, const char *bind, unsigned port,
		     const char *host, unsigned host_port);
uint32_t mux_forward_local(struct mux_forwards *m, bool open, const char *bind, unsigned port,
			   const char *host, unsigned host_port);

/* forward.c: ports of the pod that lead here. TEXT as in TP_CTL_EXPOSE; -1 if it is something else. */
int forwards_add(struct sidecar *s, const char *text);
/* What the agent says of them ("ports" of its description). */
void forwards_described(struct sidecar *s, const char *text, size_t n);
void forwards_up(struct sidecar *s); /* the master can be asked */
void forwards_down(struct sidecar *s);
/* " ADDRESS:PORT" for each, for the agent's describe. */
void forwards_describe(const struct sidecar *s, struct tp_buf *command);
bool forwards_wants(const struct sidecar *s, unsigned port); /* as a port of the container's */

/* tohost.c: ports of the loopback that lead to the helper's machine. TEXT as in TP_CTL_TO_HOST. */
int tohost_add(struct sidecar *s, const char *text);
int tohost_start(struct sidecar *s, struct tp_err *err); /* listens */
void tohost_link(struct sidecar *s);			 /* the link's kind is known: dial */
void tohost_stream(struct sidecar *s, int fd); /* the answer of local_dial_host; -1: none now */
bool tohost_wants(const struct sidecar *s, unsigned port);

/* capture.c */
int capture_prepare(struct sidecar *s, struct tp_err *err);
void capture_start(struct sidecar *s);
void capture_restart(struct sidecar *s); /* a fresh one for the next link */
void capture_session_ended(struct sidecar *s);
void probe_start(struct sidecar *s);
void probe_stop(struct sidecar *s);

/* inject.c: where programs send their connections by themselves (TP_CAPTURED_CALLS): the server for them, as
 * S->tunnel. 0 or -1 ERR. */
int inject_open(struct sidecar *s, int err_fd, void (*on_end)(struct sidecar *s, int code),
		struct tp_err *err);
void inject_close(struct sidecar *s); /* not S->tunnel, which is the caller's */
/* A connection to TO by way of it, whose answer is yet to come; -1 with errno. */
int inject_probe(const struct sockaddr_in *to);
/* The N bytes that came first: 0 they are the server's yes, and taken off; 1 more is needed; -1 it says no. */
int inject_probe_answer(char *p, size_t *n);

/* filter.c */
int filter_networks(struct sidecar *s, struct tp_err *err);
void filter_drop_capture(unsigned int port);
int filter_prepare(struct sidecar *s, struct tp_err *err);
const char *filter_family(const char *cidr); /* "ip" or "ip6", as nft has it */
int filter_nft(const char *rules, size_t n, struct tp_err *err);
/* Ports of the loopback that are the pod's go to the capture's port. */
int filter_to_pod(struct sidecar *s, unsigned int port, struct tp_err *err);
int filter_names(struct sidecar *s, const struct tp_resolv *r, uint16_t port, struct tp_err *err);

/* Where the method captures a scope: its sets, "scope4" and "scope6", for a table; and one more range to capture, in
 * the machine's namespace as well; one that there is already is fine. */
void filter_scope_sets(const struct sidecar *s, struct tp_buf *b);
int filter_scope_add(struct sidecar *s, const char *range, struct tp_err *err);

/* filter_engine.c: the native engine's rules, with its port. */
#define ENGINE_QUEUE 61320 /* its netfilter queue */
int filter_engine(struct sidecar *s, unsigned int port, struct tp_err *err);

/* hostfilter.c: the rules where the network namespace is the machine's. */
int hostfilter_start(struct sidecar *s, struct tp_err *err);
int hostfilter_capture(struct sidecar *s, unsigned int port, struct tp_err *err);
/* Questions to these servers (IPv4) are the forwarder's. */
int hostfilter_names(struct sidecar *s, const struct tp_strv *servers, struct tp_err *err);
/* filter_scope_add's part where the rules are these. */
int hostfilter_add(struct sidecar *s, const char *range, struct tp_err *err);

/* names.c: the description is there: resolv.conf, hosts, redirects. */
int names_apply(struct sidecar *s, struct tp_err *err);

/* local.c: the socket in TP_SIDECAR_DIR for dial, link and transport. */
int local_start(struct sidecar *s, struct tp_err *err);
void local_agent(struct sidecar *s); /* those who wait to dial may */
void local_undialled(struct sidecar *s,
		     bool host); /* the exec link that was asked for cannot be had */
void link_check(struct sidecar *s);
void local_dial_host(struct sidecar *s); /* tohost_stream gets it */

/* door.c: SFTP sessions for the mounts role. SETTING: "NAME TOKEN". */
int door_start(struct sidecar *s, const char *setting, struct tp_err *err);
/* Whether a message of N bytes asks for a session with the right TOKEN; in a time that tells nothing of how much of it is right. */
bool door_knock(const char *p, size_t n, const char *token);
void door_open(struct sidecar *s);  /* the link is there: those who wait get theirs */
void door_close(struct sidecar *s); /* it is not: all of them end */

/* hold.c: entry gates that the helper answers. TEXT: "ID", or "ID REASON" when not GO. */
int hold_listen(struct sidecar *s, const char *name, bool outside, struct tp_err *err);
int hold_env(struct sidecar *s, const char *env, size_t n, struct tp_err *err);
int hold_answer(struct sidecar *s, const char *text, bool go, struct tp_err *err);

/* dnsfwd.c */
int dnsfwd_start(struct sidecar *s, struct tp_err *err);
uint16_t dnsfwd_port(const struct dnsfwd *d);
const struct tp_strv *dnsfwd_servers(const struct dnsfwd *d); /* the machine's own: hostnames.h */
void dnsfwd_channel(struct dnsfwd *d, int fd);		      /* owns FD; -1: there is none now */
void dnsfwd_config(struct dnsfwd *d, const struct tp_strv *search);
void dnsfwd_check(struct dnsfwd *d); /* asks something; then dns_checked and progress */
void dnsfwd_uncheck(
	struct dnsfwd *d); /* the link broke: what was asked, and known, counts no more */

/* Programs of their own. */
int sidecar_run(int argc, char **argv);
int sidecar_health(int argc, char **argv);
int sidecar_session(int argc, char **argv); /* session.c */
int sidecar_dial(int argc, char **argv);
int sidecar_link(int argc, char **argv);
int sidecar_transport(int argc, char **argv);
int sidecar_redirect(int argc, char **argv); /* redirect.c */
int sidecar_filters(int argc, char **argv);  /* filter.c */
int sidecar_mounts(int argc, char **argv);   /* mounts.c */
int sidecar_sftp(int argc, char **argv);     /* door.c */

/* sockets.c: one message with up to one descriptor (-1: none). Whoever sends
 * more loses them all. */
int send_with_fd(int sock, const void *p, size_t n, int fd);
ssize_t recv_with_fd(int sock, void *p, size_t n, int *fd);
/* Abstract unix sockets (seqpacket): they belong to the network namespace, and so to every
 * container that shares it. The descriptor, non-blocking when it listens; -1 ERR. */
int abstract_listen(const char *name, struct tp_err *err);
int abstract_connect(const char *name, struct tp_err *err);

/* ipv6.c: whether IPv6 packets can get as far as the filter; makes it so where nothing but an address and a route is missing. */
bool ipv6_prepare(void);

/* cidr.c */
bool cidr_is_ipv6(const char *text);		      /* "ADDRESS[/N]", a good one */
int cidr_parse(const char *text, struct subnet *out); /* IPv4 "A.B.C.D[/N]"; -1 */

#endif
