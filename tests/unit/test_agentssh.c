/* SPDX-License-Identifier: Apache-2.0 */
/* The SSH client, against a server of the same library in a thread: keys, commands, bounds, and SFTP's stream. */
#include "tp_test.h"

#include <fcntl.h>
#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "session/agentssh.h"
#include "session/keys.h"

/* What the server does with a connection. */
enum role {
	SERVE,	   /* all that is asked */
	MUTE,	   /* accepts and says nothing */
	HANG_UP,   /* closes after the greeting */
	NO_ANSWER, /* runs a command that says nothing and does not end */
};

struct server {
	pthread_t thread;
	int fd;
	enum role role;
	ssh_key host_key, client_key; /* private and public half */

	/* the thread's own */
	ssh_channel ch;
	char *command; /* to run next */
	bool sftp;
	struct ssh_channel_callbacks_struct cb;
};

/* "out N", "err N", "exit N": what the command line of a test tells the server to do, word by word. */
static void act(ssh_channel ch, const char *command)
{
	tp_autofree char *line = tp_strdup(command);
	tp_autofree char *block = tp_calloc(1, 1u << 16);
	char *save = NULL;

	for (char *w = strtok_r(line, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		long n = strtol(strtok_r(NULL, " ", &save), NULL, 10);

		if (!strcmp(w, "exit")) {
			ssh_channel_send_eof(ch);
			ssh_channel_request_send_exit_status(ch, (int)n);
			continue;
		}
		memset(block, *w, 1u << 16);
		for (long at = 0; at < n;) {
			uint32_t part = n - at > 1 << 16 ? 1 << 16 : (uint32_t)(n - at);
			int rc = !strcmp(w, "out") ? ssh_channel_write(ch, block, part) :
						     ssh_channel_write_stderr(ch, block, part);

			if (rc <= 0)
				return;
			at += rc;
		}
	}
}

/* SFTP is only bytes here: they come back, one higher. */
static void echo(ssh_channel ch)
{
	unsigned char buf[4096];
	int n;

	while ((n = ssh_channel_read(ch, buf, sizeof(buf), 0)) > 0) {
		for (int i = 0; i < n; i++)
			buf[i]++;
		if (ssh_channel_write(ch, buf, (uint32_t)n) != n)
			return;
	}
}

static int authenticate(ssh_session s, const char *user, struct ssh_key_struct *theirs,
			char signature, void *arg)
{
	const struct server *v = arg;

	(void)s;
	if (strcmp(user, "tpdocker") || ssh_key_cmp(theirs, v->client_key, SSH_KEY_CMP_PUBLIC))
		return SSH_AUTH_DENIED;
	return signature == SSH_PUBLICKEY_STATE_NONE || signature == SSH_PUBLICKEY_STATE_VALID ?
		       SSH_AUTH_SUCCESS :
		       SSH_AUTH_DENIED;
}

static int take_command(ssh_session s, ssh_channel ch, const char *command, void *arg)
{
	struct server *v = arg;

	(void)s;
	(void)ch;
	v->command = tp_strdup(command);
	return 0;
}

static int take_subsystem(ssh_session s, ssh_channel ch, const char *name, void *arg)
{
	struct server *v = arg;

	(void)s;
	(void)ch;
	v->sftp = !strcmp(name, "sftp");
	return v->sftp ? 0 : 1;
}

static ssh_channel open_channel(ssh_session s, void *arg)
{
	struct server *v = arg;

	v->ch = ssh_channel_new(s);
	v->cb = (struct ssh_channel_callbacks_struct){ .userdata = v,
						       .channel_exec_request_function =
							       take_command,
						       .channel_subsystem_request_function =
							       take_subsystem };
	ssh_callbacks_init(&v->cb);
	ssh_set_channel_callbacks(v->ch, &v->cb);
	return v->ch;
}

static void serve(ssh_session s, struct server *v)
{
	ssh_event e = ssh_event_new();

	ssh_event_add_session(e, s);
	while (ssh_event_dopoll(e, -1) == SSH_OK && ssh_is_connected(s)) {
		if (v->sftp)
			echo(v->ch);
		if (v->command && v->role != NO_ANSWER) {
			act(v->ch, v->command);
			ssh_channel_close(v->ch);
		}
		v->sftp = false;
		free(tp_steal(&v->command));
	}
	ssh_event_remove_session(e, s);
	ssh_event_free(e);
}

static void *server_main(void *arg)
{
	struct server *v = arg;
	ssh_session s = ssh_new();
	ssh_bind b = ssh_bind_new();
	struct ssh_server_callbacks_struct cb = { .userdata = v,
						  .auth_pubkey_function = authenticate,
						  .channel_open_request_session_function =
							  open_channel };
	static const int no = 0;
	ssh_key copy = ssh_key_dup(v->host_key);
	char c;

	ssh_callbacks_init(&cb);
	ssh_set_server_callbacks(s, &cb);
	ssh_set_auth_methods(s, SSH_AUTH_METHOD_PUBLICKEY);
	if (v->role == MUTE) {
		while (read(v->fd, &c, 1) > 0)
			;
	} else if (v->role == HANG_UP) {
		if (write(v->fd, "SSH-2.0-x\r\n", 11) != 11)
			abort();
	} else {
		ssh_bind_options_set(b, SSH_BIND_OPTIONS_PROCESS_CONFIG, &no);
		ssh_bind_options_set(b, SSH_BIND_OPTIONS_IMPORT_KEY, copy);
		copy = NULL; /* its owner is the bind now */
		if (ssh_bind_accept_fd(b, s, dup(v->fd)) == SSH_OK &&
		    ssh_handle_key_exchange(s) == SSH_OK)
			serve(s, v);
	}
	ssh_key_free(copy);
	ssh_free(s);
	ssh_bind_free(b);
	close(v->fd);
	return NULL;
}

static char *host_private, *host_public, *private_key, *public_key, *other_key, *other_public;

static int make_keys(void **state)
{
	struct tp_err err = { 0 };

	(void)state;
	return tp_keys_make("host", &host_private, &host_public, &err) ||
	       tp_keys_make("me", &private_key, &public_key, &err) ||
	       tp_keys_make("other", &other_key, &other_public, &err);
}

static int free_keys(void **state)
{
	char *all[] = {
		host_private, host_public, private_key, public_key, other_key, other_public
	};

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(all); i++)
		free(all[i]);
	return 0;
}

static void import_public(const char *line, ssh_key *key)
{
	tp_autofree char *b64 = tp_strdup(line + strlen("ssh-ed25519 "));

	*strchr(b64, ' ') = '\0';
	assert_int_equal(ssh_pki_import_pubkey_base64(b64, SSH_KEYTYPE_ED25519, key), SSH_OK);
}

/* A server of ROLE, and a connection to it with these keys. */
static struct tp_agentssh *connect_as(struct server *v, enum role role, const char *hostkey,
				      const char *key, struct tp_cancel *c, struct tp_err *err)
{
	struct tp_agent_ready ready = { .user = (char *)"tpdocker", .hostkey = (char *)hostkey };
	int pair[2];

	memset(v, 0, sizeof(*v));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	v->fd = pair[0];
	v->role = role;
	assert_int_equal(ssh_pki_import_privkey_base64(host_private, NULL, NULL, NULL,
						       &v->host_key),
			 SSH_OK);
	import_public(public_key, &v->client_key);
	assert_int_equal(pthread_create(&v->thread, NULL, server_main, v), 0);
	return tp_agentssh_over(tp_stream_from_fd(pair[1]), &ready, key, c, err);
}

static struct tp_agentssh *connect_well(struct server *v, enum role role, struct tp_cancel *c)
{
	struct tp_err err = { 0 };
	struct tp_agentssh *a = connect_as(v, role, host_public, private_key, c, &err);

	if (!a)
		fail_msg("%s", err.msg);
	return a;
}

static void finish(struct server *v, struct tp_agentssh *a)
{
	tp_agentssh_close(a);
	pthread_join(v->thread, NULL);
	ssh_key_free(v->host_key);
	ssh_key_free(v->client_key);
}

static int open_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_exec(void **state)
{
	TP_AUTO_BUF out = TP_BUF_INIT(8u << 20);
	TP_AUTO_BUF errtext = TP_BUF_INIT(100);
	struct tp_err err = { 0 };
	int code = -1, before = open_descriptors();
	struct server v;
	struct tp_agentssh *a = connect_well(&v, SERVE, NULL);

	(void)state;
	/* more on stderr than any window, none of it read for its own sake */
	assert_ok(tp_agentssh_exec(a, "out 10 err 4000000 out 3000000 exit 7", &out, &errtext,
				   &code, 20000, &err),
		  &err);
	assert_int_equal(code, 7);
	assert_int_equal(out.len, 3000010);
	assert_int_equal(out.data[3000009], 'o');
	assert_int_equal(errtext.len, 100);
	/* another one over the same connection; stderr is not asked for */
	tp_buf_reset(&out);
	assert_ok(tp_agentssh_exec(a, "err 10 exit 0", &out, NULL, &code, 20000, &err), &err);
	assert_int_equal(code, 0);
	assert_int_equal(out.len, 0);
	finish(&v, a);
	assert_int_equal(open_descriptors(), before);
}

static void test_exec_too_long(void **state)
{
	TP_AUTO_BUF out = TP_BUF_INIT(1000);
	struct tp_err err = { 0 };
	int code;
	struct server v;
	struct tp_agentssh *a = connect_well(&v, SERVE, NULL);

	(void)state;
	assert_int_equal(tp_agentssh_exec(a, "out 5000000 exit 0", &out, NULL, &code, 20000, &err),
			 -1);
	assert_int_equal(err.kind, TP_ERR_PROTOCOL);
	assert_contains(err.msg, "1000 bytes");
	finish(&v, a);
}

static void test_exec_without_end(void **state)
{
	TP_AUTO_BUF out = TP_BUF_INIT(1000);
	struct tp_err err = { 0 };
	int code, before = open_descriptors();
	struct server v;
	struct tp_agentssh *a = connect_well(&v, NO_ANSWER, NULL);

	(void)state;
	assert_int_equal(tp_agentssh_exec(a, "x 0", &out, NULL, &code, 300, &err), -1);
	assert_int_equal(err.kind, TP_ERR_TIMEOUT);
	finish(&v, a);
	assert_int_equal(open_descriptors(), before);
}

static void test_keys(void **state)
{
	const struct {
		const char *host, *mine, *says;
	} cases[] = { { other_public, private_key, "host key" },
		      { host_public, other_key, "does not let" },
		      { "ssh-ed25519 AAAAgarbage", private_key, "host key" },
		      { "", private_key, "host key" } };
	int before = open_descriptors();

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(cases); i++) {
		struct tp_err err = { 0 };
		struct server v;

		assert_null(connect_as(&v, SERVE, cases[i].host, cases[i].mine, NULL, &err));
		assert_int_equal(err.kind, TP_ERR_FORBIDDEN);
		assert_contains(err.msg, cases[i].says);
		finish(&v, NULL);
	}
	assert_int_equal(open_descriptors(), before);
}

static void *cancel_soon(void *arg)
{
	tp_cancel_poll(NULL, -1, 0, 200, NULL);
	tp_cancel_trigger(arg);
	return NULL;
}

static void test_cancelled_while_connecting(void **state)
{
	struct tp_cancel *c = tp_cancel_new();
	struct tp_err err = { 0 };
	struct server v;
	pthread_t t;

	(void)state;
	assert_int_equal(pthread_create(&t, NULL, cancel_soon, c), 0);
	assert_null(connect_as(&v, MUTE, host_public, private_key, c, &err));
	assert_int_equal(err.kind, TP_ERR_CANCELLED);
	pthread_join(t, NULL);
	finish(&v, NULL);
	tp_cancel_free(c);
}

static void test_hung_up_on(void **state)
{
	struct tp_err err = { 0 };
	struct server v;

	(void)state;
	assert_null(connect_as(&v, HANG_UP, host_public, private_key, NULL, &err));
	assert_int_equal(err.kind, TP_ERR_UNREACHABLE);
	finish(&v, NULL);
}

static void test_sftp_stream(void **state)
{
	struct tp_err err = { 0 };
	struct server v;
	struct tp_agentssh *a = connect_well(&v, SERVE, NULL);
	char buf[16];
	size_t have = 0;

	(void)state;
	assert_ok(tp_agentssh_sftp(a, 500, &err), &err);
	assert_ok(tp_agentssh_write(a, "abcd", 4, &err), &err);
	while (have < 4) {
		ssize_t n = tp_agentssh_read(a, buf + have, sizeof(buf) - have, &err);

		assert_true(n > 0);
		have += (size_t)n;
	}
	assert_memory_equal(buf, "bcde", 4);
	/* nothing more comes */
	assert_int_equal(tp_agentssh_read(a, buf, sizeof(buf), &err), -1);
	assert_int_equal(err.kind, TP_ERR_TIMEOUT);
	finish(&v, a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exec),
		cmocka_unit_test(test_exec_too_long),
		cmocka_unit_test(test_exec_without_end),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_cancelled_while_connecting),
		cmocka_unit_test(test_hung_up_on),
		cmocka_unit_test(test_sftp_stream),
	};

	return cmocka_run_group_tests_name("ssh to the agent", tests, make_keys, free_keys);
}
