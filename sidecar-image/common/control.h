/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control channel between the helper and the sidecar's PID 1, and what
 * the agent prints. Frames as in base/frame.h; the helper writes them to the
 * sidecar's stdin (an attach stream) and reads them from its stdout. Nothing
 * of it is logged: the container is made with the log driver "none". When
 * stdin ends, the helper is gone and the sidecar ends at once.
 *
 *   helper                                    sidecar
 *     private-key, never-proxy ... , prepare -->  writes its files, starts what can be started
 *                                       <--  hello ("1 VERSION")
 *                                       <--  link ("socket" or "exec")   found out by trying
 *     agent (host key, probe address) -->    ssh is dialled now
 *                                       <--  dial (exec link only: run `tpdocker-sidecar link` and join it to a port-forward;
 *                                            "host": run `tpdocker-sidecar link host`, see below)
 *                                       <--  describe (the agent's own frames)
 *                                       <--  ready (the tunnel was used, names resolve)
 *                                       <--  down, up (later, when the link breaks and is back)
 *     agent (when the pod was made again) -->  dials that one, describe again
 *     stop                              -->  ends
 */
#ifndef TP_COMMON_CONTROL_H
#define TP_COMMON_CONTROL_H

#define TP_CONTROL_VERSION 1

/* helper to sidecar */
#define TP_CTL_PRIVATE_KEY "private-key" /* OpenSSH private key, text */
#define TP_CTL_NONCE	   "nonce"	 /* 32 hex digits: see the link's greeting below */
#define TP_CTL_NEVER_PROXY "never-proxy" /* one CIDR; may come more than once */
#define TP_CTL_ALSO_PROXY  "also-proxy"	 /* one CIDR */
#define TP_CTL_DNS	   "dns" /* one nameserver that replaces the pod's (docker run --dns) */
#define TP_CTL_DNS_SEARCH  "dns-search" /* one domain; replaces the pod's search list */
#define TP_CTL_DNS_OPTION  "dns-option"
#define TP_CTL_ADD_HOST \
	"add-host" /* "NAME:IP": a further line of /etc/hosts; the engine's own lines stay */
#define TP_CTL_LOCAL_NET \
	"local-net" /* "yes": the containers of the own (user-defined) network stay reachable and their names resolve */
#define TP_CTL_EXPOSE \
	"expose" /* "BIND PORT LOCAL": the pod's BIND:PORT leads to the container's LOCAL while somebody listens there; may come more than once */
#define TP_CTL_TO_POD "to-pod" /* a port: the container's 127.0.0.1:PORT leads to the pod's */
#define TP_CTL_TO_HOST \
	"to-host" /* "CPORT HPORT": the container's 127.0.0.1:CPORT leads to the helper's 127.0.0.1:HPORT */
#define TP_CTL_HOST_DNS \
	"host-dns" /* a name server of the machine's (IPv4) whose questions are looked at as well, beside those of the container's own resolv.conf */
#define TP_CTL_HOST_RESOLV \
	"host-resolv" /* the machine's /etc/resolv.conf, where the container's own copy need not be that */
#define TP_CTL_DNS_UPSTREAM \
	"dns-upstream" /* ADDRESS or ADDRESS:PORT: is asked for what is not the cluster's, in the place of the machine's servers */
#define TP_CTL_MARKER \
	"marker" /* "yes": questions for TP_DNS_MARKER teach the suffixes that resolvers put behind names; "no": no more */
#define TP_CTL_METHOD "method" /* a name of common/method.h; "container" without this */
#define TP_CTL_CAPTURE \
	"capture" /* one CIDR that is captured, where the method's scope is such; may come more than once */
#define TP_CTL_CAPTURE_NAME \
	"capture-name" /* a name whose addresses, as the agent resolves it, are captured as well; may come more than once */
#define TP_CTL_NAMES \
	"names" /* lines of what there is in the cluster (nameline.h), where the method answers names from them; any number, at any time */
#define TP_CTL_ENGINE  "engine"	 /* "native", or "sshuttle" (which it is without this) */
#define TP_CTL_VERBOSE "verbose" /* "yes": sshuttle and ssh tell more on stderr */
#define TP_CTL_PREPARE "prepare" /* empty: all settings are there */
#define TP_CTL_AGENT \
	"agent" /* lines: "hostkey ssh-ed25519 AAAA...", "user NAME", "probe IP:PORT TOKEN"; again: another one took its place */
#define TP_CTL_GATES \
	"gates" /* listen for entry gates (gate.h) at this abstract socket, and let the helper answer them */
#define TP_CTL_GATES_OUTSIDE \
	"gates-outside" /* the same at one more, for containers that others make: these get the pod's environment */
#define TP_CTL_GATE_GO	 "gate-go"   /* "ID" */
#define TP_CTL_GATE_FAIL "gate-fail" /* "ID REASON" */
#define TP_CTL_GATE_ENV \
	"gate-env" /* "NAME=VALUE" strings, each with a NUL behind it: what gates from outside get that are let go from now on */
#define TP_CTL_SERVING \
	"serving" /* empty: the session is ready; without an engine the health check is told so from now on */
#define TP_CTL_DOOR \
	"door" /* "NAME TOKEN": at this abstract socket an SFTP session is had for the token */
#define TP_CTL_UNDIALLED \
	"undialled" /* exec link: the connection that was asked for cannot be had now; "" or "host", as in dial */
#define TP_CTL_STOP "stop" /* empty */

/* sidecar to helper */
#define TP_CTL_HELLO "hello" /* "1 0.1.0": control version, image version */
#define TP_CTL_LINK  "link"  /* "socket" or "exec" */
#define TP_CTL_DIAL \
	"dial" /* exec link: one more connection is wanted: "" for ssh, "host" for to-host */
#define TP_CTL_DESCRIBE "describe" /* payload: the agent's description, frames again */
#define TP_CTL_READY	"ready"
#define TP_CTL_TIMING \
	"timing" /* "NAME MILLISECONDS" (of CLOCK_MONOTONIC, shared by all on one host), for --timings */
#define TP_CTL_WARN "warn" /* a line for the user */
#define TP_CTL_GATE \
	"gate" /* "ID UID GID TAG": an entry gate waits, and runs as this user; TAG may be empty */
#define TP_CTL_GATE_LEFT "gate-left" /* "ID": it is gone without an answer */
#define TP_CTL_DOWN	 "down"	     /* the link broke: reason */
#define TP_CTL_UP	 "up"
#define TP_CTL_FAIL	 "fail" /* cannot go on: reason for the user */

/*
 * Between the helper (or whoever starts it) and the mounts role, on its stdin
 * and stdout (sidecar/mounts.h):
 *
 *   helper                                    tpdocker-sidecar mounts
 *     door, gates, volumes-root, ...    -->     sshfs is started; gates may come, and wait
 *     read-only, hidden, volume ..., volumes --> looks them up in the pod
 *                                       <--   mounted, or fail
 *                                       <--   gate-passed, gate-refused (each container)
 *                                       <--   fail (later: the mounts are of no use any more)
 *
 * door, gates, verbose, stop, timing and fail are as above.
 */
#define TP_CTL_VOLUMES_ROOT "volumes-root" /* where the pod's whole tree goes in the container */
#define TP_CTL_VOLUME	    "volume"	   /* one path, as the pod's spec has it */
#define TP_CTL_READ_ONLY \
	"read-only"	       /* one path, as the agent's mounts have it: not to be written */
#define TP_CTL_HIDDEN "hidden" /* a folder of the agent's own, not to be seen */
#define TP_CTL_IMAGE_KNOWN \
	"image-known" /* empty: which volumes are the image's is told (image-volume); else anonymous volumes are taken for such */
#define TP_CTL_IMAGE_VOLUME \
	"image-volume" /* a volume of the image's (not the user's): the pod's at the same path covers it */
#define TP_CTL_VOLUMES	   "volumes"	 /* empty: that is all of them */
#define TP_CTL_MOUNTED	   "mounted"	 /* empty: all were found */
#define TP_CTL_GATE_PASSED "gate-passed" /* TAG: its container has the volumes and runs */
#define TP_CTL_GATE_REFUSED \
	"gate-refused" /* "TAG REASON" (no tag: "-"): its container ends with 125 */

/* A session in its machine's own network namespace listens at this abstract socket: there is one of them. */
#define TP_HOST_SOCKET "tpdocker-vpn-tcp"

/*
 * The link's greeting, on the bind-mounted socket TP_LINK_SOCKET: the
 * sidecar connects and writes "tpdocker NONCE check\n", "tpdocker NONCE
 * dial\n" or "tpdocker NONCE host\n". The helper answers "ok\n" to the first
 * two; after a check it closes, after a dial the bytes of the agent's ssh port
 * follow. After "host" the messages of base/channels.h follow at once, both
 * ways: the sidecar opens a connection for each that came in at a port of
 * to-host, and HPORT is its number. Anything else: the helper closes.
 * Several connections may come; each dial is one port-forward.
 */
#define TP_LINK_SOCKET "/tpdocker-link.sock"
/*
 * Where the helper is in the sidecar's container itself (`tpdocker session`),
 * the sidecar is its child, the control channel a socketpair, and the link's socket
 * where this variable of the environment says. Its connections to the API server carry the mark.
 */
#define TP_LINK_ENV "TPDOCKER_LINK"
#define TP_SIDECAR_MARK \
	0x7470646b /* packets of our own that may leave; only NET_ADMIN can set it */

/*
 * The agent (PID 1 of its container) prints this line to its log when it can
 * be reached, alone on a line:
 *
 *   tpdocker-agent ready 1 port=40123 user=tpdocker probe=10.244.0.7:40124 token=HEX hostkey=ssh-ed25519 AAAA...
 *
 * port: sshd's, on the pod's loopback. probe: a listener on the pod's own
 * address that writes "TOKEN\n" to connections from the pod itself (they come through the tunnel) and closes all others.
 */
#define TP_AGENT_READY "tpdocker-agent ready 1 "

/* The agent's environment (in the pod spec) and commands. */
#define TP_AGENT_ENV_KEY \
	"TPDOCKER_AUTHORIZED_KEY" /* "ssh-ed25519 AAAA... comment"; may be missing: see authorize */
#define TP_AGENT_ENV_TTL \
	"TPDOCKER_TTL" /* seconds without a connection after which it ends itself; 0 or missing: never */
#define TP_AGENT_DIR	   "/run/tpdocker" /* its files: an emptyDir (Memory) or a writable folder */
#define TP_AGENT_PROGRAM   "/usr/lib/tpdocker/tpdocker-agent"
#define TP_SIDECAR_PROGRAM "/usr/lib/tpdocker/tpdocker-sidecar"
/* PID 1 where the network namespace is the machine's: a word of its own, since an image that does not know it would set a container's rules there. */
#define TP_SIDECAR_RUN_HOST "run-host"
#define TP_HELPER_PROGRAM   "/usr/lib/tpdocker/tpdocker"
/*
 * tpdocker-agent run			PID 1
 * tpdocker-agent describe [ADDRESS:PORT...]
 *					frames on stdout: env (NUL-terminated "K=V" strings, the
 *					container's exact environment without TPDOCKER_*), hostname, hosts
 *					(/etc/hosts), resolv-conf (/etc/resolv.conf), mounts (lines: path of each
 *					volume mounted into the container, Kubernetes' own files like /etc/hosts left out),
 *					mounts-read-only (lines: those of them that cannot be written), agent-dir (its own folder),
 *					ports (lines "ADDRESS:PORT REASON" for each that cannot be listened on: "denied", "taken"
 *					or an error's text; "ADDRESS:PORT ok" for the others)
 * tpdocker-agent dns [SERVER...]	DNS messages, each behind its length in two bytes big endian (RFC 1035
 *					4.2.2), from stdin to the pod's nameservers and back, in any order
 * tpdocker-agent tunnel		sshuttle's protocol on stdin and stdout
 * tpdocker-agent engine		the native engine's (engine/wire.h)
 * tpdocker-agent socks		a SOCKS 5 server: its port on the pod's loopback on stdout, until stdin ends
 * tpdocker-agent authorize KEY		adds a session's key (in a standing agent) and prints the ready line
 * tpdocker-agent revoke KEY		takes it away
 */

#endif
