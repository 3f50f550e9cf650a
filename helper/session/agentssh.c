/* SPDX-License-Identifier: Apache-2.0 */
#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <string.h>

#include "base/bridge.h"
#include "base/log.h"
#include "base/mem.h"
#include "session/agentssh.h"

#define LOGIN_MS (30 * 1000)
#define CHUNK	 (32u << 10)
/* The bridge bounds every wait; the library's own bound must not come first. */
#define NO_BOUND_S (24L * 3600)

struct tp_agentssh {
	ssh_session session;
	struct tp_bridge *bridge;
	ssh_channel sftp;
};

/* The bridge knows why a connection ended, where the library only sees that
 * it did. */
static int fail(struct tp_agentssh *a, const char *doing, struct tp_err *err)
{
	tp_autofree char *why = tp_strdup(ssh_get_error(a->session));

	if (!tp_bridge_end(a->bridge, err))
		tp_err_set(err, TP_ERR_PROTOCOL, "%s", *why ? why : "refused");
	return tp_err_prefix(err, "%s", doing);
}

static int set(ssh_session s, enum ssh_options_e what, const void *value)
{
	return ssh_options_set(s, what, value) < 0 ? -1 : 0;
}

/* Nothing of the user's own ssh: no config, no known hosts, no agent, not
 * even a home directory, which a user without a passwd entry has not. */
static int set_options(ssh_session s, int fd, const char *user)
{
	static const char nowhere[] = "/dev/null";
	static const int no = 0;
	static const long bound = NO_BOUND_S;

	return set(s, SSH_OPTIONS_PROCESS_CONFIG, &no) || set(s, SSH_OPTIONS_SSH_DIR, nowhere) ||
			       set(s, SSH_OPTIONS_KNOWNHOSTS, nowhere) ||
			       set(s, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, nowhere) ||
			       set(s, SSH_OPTIONS_HOST, "agent") ||
			       set(s, SSH_OPTIONS_USER, user) ||
			       set(s, SSH_OPTIONS_HOSTKEYS, "ssh-ed25519") ||
			       set(s, SSH_OPTIONS_TIMEOUT, &bound) || set(s, SSH_OPTIONS_FD, &fd) ?
		       -1 :
		       0;
}

/* HOSTKEY: "ssh-ed25519 AAAA...", maybe with a comment. */
static int check_host_key(struct tp_agentssh *a, const char *hostkey, struct tp_err *err)
{
	const char *b64 = hostkey + strcspn(hostkey, " ");
	tp_autofree char *text = NULL;
	ssh_key want = NULL, got = NULL;
	bool same;

	b64 += strspn(b64, " ");
	text = tp_strndup(b64, strcspn(b64, " \r\n"));
	same = ssh_pki_import_pubkey_base64(text, SSH_KEYTYPE_ED25519, &want) == SSH_OK &&
	       ssh_get_server_publickey(a->session, &got) == SSH_OK &&
	       !ssh_key_cmp(want, got, SSH_KEY_CMP_PUBLIC);
	ssh_key_free(want);
	ssh_key_free(got);
	if (same)
		return 0;
	return tp_err_set(err, TP_ERR_FORBIDDEN,
			  "the agent's host key is not the one that it logged: somebody is in "
			  "between, or the container was started again");
}

static int login(struct tp_agentssh *a, const char *private_key, struct tp_err *err)
{
	ssh_key key = NULL;
	int rc;

	if (ssh_pki_import_privkey_base64(private_key, NULL, NULL, NULL, &key) != SSH_OK)
		return tp_err_set(err, TP_ERR_FAILED, "libssh cannot read the session's key");
	rc = ssh_userauth_publickey(a->session, NULL, key);
	ssh_key_free(key);
	if (rc == SSH_AUTH_SUCCESS)
		return 0;
	if (rc == SSH_AUTH_ERROR)
		return fail(a, "logging in", err);
	return tp_err_set(err, TP_ERR_FORBIDDEN, "the agent does not let the session's key in");
}

struct tp_agentssh *tp_agentssh_over(struct tp_stream *s, const struct tp_agent_ready *agent,
				     const char *private_key, struct tp_cancel *c,
				     struct tp_err *err)
{
	struct tp_agentssh *a = tp_calloc(1, sizeof(*a));
	int fd = -1;

	a->bridge = tp_bridge_start(s, c, &fd, err);
	a->session = ssh_new();
	if (!a->bridge)
		goto failed;
	tp_bridge_bound(a->bridge, LOGIN_MS, 0);
	if (!a->session || set_options(a->session, fd, agent->user)) {
		tp_err_set(err, TP_ERR_FAILED, "libssh cannot be set up");
		close(fd);
		goto failed;
	}
	/* From here on FD is the library's, which closes it whatever happens. */
	if (ssh_connect(a->session) != SSH_OK) {
		fail(a, "connecting", err);
		goto failed;
	}
	if (check_host_key(a, agent->hostkey, err) || login(a, private_key, err))
		goto failed;
	tp_bridge_bound(a->bridge, 0, 0);
	return a;
failed:
	tp_err_prefix(err, "ssh to the agent");
	tp_agentssh_close(a);
	return NULL;
}

struct tp_agentssh *tp_agentssh_open(const struct tp_agentssh_target *t, struct tp_cancel *c,
				     struct tp_err *err)
{
	struct tp_stream *s = tp_forward_open(t->forward, t->kube, t->pod, t->agent->port, c, err);

	if (!s)
		return NULL;
	return tp_agentssh_over(s, t->agent, t->private_key, c, err);
}

void tp_agentssh_close(struct tp_agentssh *a)
{
	if (!a)
		return;
	/* No ssh_disconnect: it lets go of the descriptor without closing it, or
	 * closes it, depending on how well its farewell is sent. */
	ssh_channel_free(a->sftp);
	ssh_free(a->session);
	tp_bridge_free(a->bridge);
	free(a);
}

/* Keeps the end of what comes on stderr, as it comes: left where it is, it
 * would fill the window that stdout shares with it. */
static int take_stderr(ssh_session s, ssh_channel ch, void *data, uint32_t len, int is_stderr,
		       void *arg)
{
	struct tp_buf *b = arg;
	size_t n = len;
	const char *p = data;

	(void)s;
	(void)ch;
	if (!is_stderr)
		return 0;
	if (!b)
		return (int)len;
	if (n > b->max) {
		p += n - b->max;
		n = b->max;
	}
	if (b->len + n > b->max)
		tp_buf_consume(b, b->len + n - b->max);
	tp_buf_put(b, p, n);
	return (int)len;
}

static int read_output(struct tp_agentssh *a, ssh_channel ch, struct tp_buf *out,
		       struct tp_err *err)
{
	tp_autofree char *chunk = tp_malloc(CHUNK);
	int n;

	while ((n = ssh_channel_read(ch, chunk, CHUNK, 0)) > 0)
		if (tp_buf_put(out, chunk, (size_t)n))
			return tp_err_set(err, TP_ERR_PROTOCOL,
					  "the agent's answer is longer than %zu bytes", out->max);
	return n < 0 ? fail(a, "reading the agent's answer", err) : 0;
}

int tp_agentssh_exec(struct tp_agentssh *a, const char *command, struct tp_buf *out,
		     struct tp_buf *errtext, int *code, int ms, struct tp_err *err)
{
	struct ssh_channel_callbacks_struct cb = { .userdata = errtext,
						   .channel_data_function = take_stderr };
	ssh_channel ch = ssh_channel_new(a->session);
	int rc = -1;

	ssh_callbacks_init(&cb);
	tp_bridge_bound(a->bridge, ms, 0);
	if (!ch || ssh_set_channel_callbacks(ch, &cb) != SSH_OK ||
	    ssh_channel_open_session(ch) != SSH_OK ||
	    ssh_channel_request_exec(ch, command) != SSH_OK || ssh_channel_send_eof(ch) != SSH_OK)
		fail(a, "running a command in the agent", err);
	else if (!read_output(a, ch, out, err))
		rc = (*code = ssh_channel_get_exit_status(ch)) < 0 ?
			     fail(a, "the end of a command in the agent", err) :
			     0;
	if (ch)
		ssh_remove_channel_callbacks(ch, &cb);
	ssh_channel_free(ch);
	tp_bridge_bound(a->bridge, 0, 0);
	return rc;
}

int tp_agentssh_sftp(struct tp_agentssh *a, int idle_ms, struct tp_err *err)
{
	ssh_channel ch = ssh_channel_new(a->session);

	a->sftp = ch;
	tp_bridge_bound(a->bridge, 0, idle_ms);
	if (!ch || ssh_channel_open_session(ch) != SSH_OK || ssh_channel_request_sftp(ch) != SSH_OK)
		return fail(a, "opening SFTP to the agent", err);
	return 0;
}

int tp_agentssh_write(struct tp_agentssh *a, const void *p, size_t n, struct tp_err *err)
{
	if (ssh_channel_write(a->sftp, p, (uint32_t)n) != (int)n)
		return fail(a, "SFTP to the agent", err);
	return 0;
}

ssize_t tp_agentssh_read(struct tp_agentssh *a, void *p, size_t n, struct tp_err *err)
{
	int got = ssh_channel_read(a->sftp, p, (uint32_t)n, 0);

	return got < 0 ? fail(a, "SFTP to the agent", err) : got;
}
