/* SPDX-License-Identifier: Apache-2.0 */
/* Trees of files over SFTP, from OpenSSH's server: what is found, what is read, what is passed over, and the tar of it. */
#include "tp_test.h"

#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "base/buf.h"
#include "base/mem.h"
#include "session/copytar.h"
#include "sftp_server.h"

static const struct tp_tree_limits plenty = { 1u << 30, 100000 };

static char dir[64]; /* of the test that runs; the current one, too */

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/tp-filetree-XXXXXX");
	return mkdtemp(dir) && !chdir(dir) ? 0 : -1;
}

static void run(const char *command)
{
	if (system(command))
		fail_msg("%s", command);
}

static int remove_dir(void **state)
{
	tp_autofree char *command = tp_asprintf("chmod -R u+rwx %s; rm -rf %s", dir, dir);

	(void)state;
	return chdir("/") || system(command);
}

static void put(const char *path, const void *p, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(tp_write_all(fd, p, n), 0);
	close(fd);
}

static void look(struct tp_sftp *s, struct tp_tree *t)
{
	struct tp_err err = { 0 };

	assert_ok(tp_tree_look(s, dir, NULL, &plenty, t, &err), &err);
}

static const struct tp_tree_entry *find(const struct tp_tree *t, const char *path)
{
	for (size_t i = 0; i < t->n; i++)
		if (!strcmp(t->v[i].path, path))
			return &t->v[i];
	return NULL;
}

static struct tp_sftp *connect_server(struct tp_child *c)
{
	struct tp_err err = { 0 };
	struct tp_sftp *s;

	if (access(SFTP_SERVER, X_OK))
		skip(); /* tests/setup/packages test */
	s = server_start(c, &err);

	if (!s)
		fail_msg("%s", err.msg);
	return s;
}

/* All of T as a tar, unpacked by GNU tar into "../out". */
static void unpack(struct tp_sftp *s, struct tp_tree *t, const struct tp_owner_map *map)
{
	struct tp_tree_reader *r = tp_tree_reader_new(s, t);
	struct tp_copytar *c = tp_copytar_new();
	struct tp_err err = { 0 };
	tp_autofree char *cmd =
		tp_asprintf("rm -rf %s.out; mkdir %s.out; tar -xpf %s.tar -C %s.out "
			    "--numeric-owner",
			    dir, dir, dir, dir);
	tp_autofree char *file = tp_asprintf("%s.tar", dir);
	char buf[5000];
	ssize_t n;
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_ok(tp_copytar_folder(c, "top", &err), &err);
	assert_ok(tp_copytar_link(c, "top/ours", "over there", &err), &err);
	tp_copytar_tree(c, "top/copy", r, map);
	while ((n = tp_copytar_read(c, buf, sizeof(buf), &err)) > 0)
		assert_int_equal(tp_write_all(fd, buf, (size_t)n), 0);
	if (n < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(tp_sftp_pending(s), 0);
	close(fd);
	tp_copytar_free(c);
	tp_tree_reader_free(r);
	run(cmd);
}

static void forget_unpacked(void)
{
	tp_autofree char *cmd =
		tp_asprintf("chmod -R u+rwx %s.out; rm -rf %s.out %s.tar", dir, dir, dir);

	run(cmd);
}

static void test_all_kinds(void **state)
{
	struct tp_child child;
	struct tp_sftp *s = connect_server(&child);
	tp_autofree char *compare = tp_asprintf(
		"diff -r --no-dereference %s %s.out/top/copy && "
		"(cd %s; find . -printf '%%p %%y %%m %%l %%T@ %%s\\n' | grep -av ' d ' | sort) >%s.a && "
		"(cd %s.out/top/copy; find . -printf '%%p %%y %%m %%l %%T@ %%s\\n' | grep -av ' d ' | sort) >%s.b && "
		"cmp %s.a %s.b && rm %s.a %s.b && [ \"$(readlink %s.out/top/ours)\" = 'over there' ]",
		dir, dir, dir, dir, dir, dir, dir, dir, dir, dir, dir);
	tp_autofree char *big = tp_malloc(3000000);
	struct tp_tree t;

	(void)state;
	for (size_t i = 0; i < 3000000; i++)
		big[i] = (char)(i * 31 >> 3);
	put("plain", "text\n", 5);
	put("empty", "", 0);
	put("big", big, 3000000);
	put("block", big, TP_SFTP_DATA_MAX);
	put("block1", big, TP_SFTP_DATA_MAX + 1);
	run("mkdir -p sub/deeper none && echo x >sub/deeper/file && chmod 0600 sub/deeper/file");
	run("chmod 4750 plain && chmod 1777 none && ln -s ../outside sub/link && ln -s /etc/passwd abs "
	    "&& ln -s nowhere dangling");
	run("touch -d '2001-02-03 04:05:06 UTC' plain sub/deeper/file && "
	    "touch -h -d '1999-01-01 UTC' abs sub/link dangling && touch -d '2005-05-05 UTC' e* b*");
	/* names that are bytes */
	run("touch -d '2005-05-05 UTC' \"$(printf 'a b\\nc\\t\\303\\274 \\377 \\047\\042\\\\ $x')\" ./-dash ... .hidden");
	look(s, &t);
	assert_false(t.too_large);
	assert_int_equal(t.passed_over.n, 0);
	assert_int_equal(t.bytes, 5 + 3000000 + TP_SFTP_DATA_MAX * 2 + 1 + 2);
	assert_string_equal(find(&t, "sub/link")->target, "../outside");
	assert_int_equal(find(&t, "plain")->mode & 07777, 04750);
	assert_string_equal(t.v[0].path, "");
	unpack(s, &t, NULL);
	run(compare);
	forget_unpacked();
	tp_tree_free(&t);
	tp_sftp_free(s);
	tp_child_free(&child);
}

/* More folders, files and names than are ever asked for at once. */
static void test_many(void **state)
{
	struct tp_child child;
	struct tp_sftp *s = connect_server(&child);
	tp_autofree char *compare = tp_asprintf("diff -r %s %s.out/top/copy", dir, dir);
	struct tp_tree t;

	(void)state;
	run("for i in $(seq 300); do mkdir d$i && echo $i >d$i/f; done; mkdir w && cd w && "
	    "for i in $(seq 1500); do echo $i >f$i; done; ln -s f1 l1");
	look(s, &t);
	assert_int_equal(t.n, 1 + 600 + 1 + 1501);
	unpack(s, &t, NULL);
	run(compare);
	forget_unpacked();
	tp_tree_free(&t);
	tp_sftp_free(s);
	tp_child_free(&child);
}

static void test_one_file(void **state)
{
	struct tp_child child;
	struct tp_sftp *s = connect_server(&child);
	tp_autofree char *path = tp_asprintf("%s/f", dir);
	tp_autofree char *compare = tp_asprintf("cmp %s/f %s.out/top/copy", dir, dir);
	struct tp_err err = { 0 };
	struct tp_tree t;

	(void)state;
	put("f", "content", 7);
	assert_ok(tp_tree_look(s, path, NULL, &plenty, &t, &err), &err);
	assert_int_equal(t.n, 1);
	unpack(s, &t, NULL);
	run(compare);
	forget_unpacked();
	tp_tree_free(&t);
	tp_sftp_free(s);
	tp_child_free(&child);
}

static void test_special_files(void **state)
{
	struct tp_child child;
	struct tp_sftp *s = connect_server(&child);
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "socket" };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct tp_tree t;

	(void)state;
	assert_int_equal(mkfifo("pipe", 0600), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	close(fd);
	put("f", "x", 1);
	look(s, &t);
	assert_int_equal(t.n, 2);
	assert_int_equal(t.passed_over.n, 2);
	for (size_t i = 0; i < 2; i++)
		assert_true(strstr(t.passed_over.v[i], "/pipe: a named pipe") ||
			    strstr(t.passed_over.v[i], "/socket: a socket"));
	tp_tree_free(&t);
	tp_sftp_free(s);
	tp_child_free(&child);
}

/* As nobody, from whom something can be kept. */
static void test_unreadable(void **state)
{
	char *const argv[] = { (char *)"setpriv",	(char *)"--reuid=65534",
			       (char *)"--regid=65534", (char *)"--clear-groups",
			       (char *)SFTP_SERVER,	NULL };
	struct tp_child_opts o = { .argv = argv, .in = TP_STDIO_PIPE, .out = TP_STDIO_PIPE };
	struct tp_child child = TP_CHILD_INIT;
	struct tp_sftp_io io = { server_write, server_read, &child };
	struct tp_err err = { 0 };
	tp_autofree char *inner = tp_asprintf("%s/closed", dir);
	struct tp_sftp *s;
	struct tp_tree t;

	(void)state;
	if (geteuid() || access(SFTP_SERVER, X_OK))
		skip();
	assert_ok(tp_child_start(&child, &o, &err), &err);
	s = tp_sftp_open(&io, &err);
	assert_non_null(s);
	run("chmod 755 . && mkdir closed && echo x >closed/f && echo y >open && echo z >secret && "
	    "chmod 600 secret && chmod 700 closed");
	look(s, &t);
	assert_int_equal(t.n, 4); /* the folder is known, not what is in it */
	assert_int_equal(t.passed_over.n, 1);
	assert_contains(t.passed_over.v[0], "/closed: permission denied");
	unpack(s, &t, NULL);
	assert_int_equal(t.passed_over.n, 2);
	assert_contains(t.passed_over.v[1], "/secret: permission denied");
	tp_tree_free(&t);
	/* but not what was asked for itself */
	assert_int_equal(tp_tree_look(s, inner, NULL, &plenty, &t, &err), -1);
	assert_int_equal(err.kind, TP_ERR_FORBIDDEN);
	assert_contains(err.msg, inner);
	forget_unpacked();
	tp_tree_free(&t);
	tp_sftp_free(s);
	tp_child_free(&child);
}

static void test_limits(void **state)
{
	struct tp_child child;
	struct tp_sftp *s = connect_server(&child);
	struct tp_tree_limits few = { 1u << 30, 5 }, small = { 99, 1000 };
	struct tp_err err = { 0 };
	struct tp_tree t;
	tp_autofree char *missing = tp_asprintf("%s/missing", dir);

	(void)state;
	run("for i in 1 2 3 4; do head -c 33 /dev/zero >f$i; done");
	small.bytes = 132;
	assert_ok(tp_tree_look(s, dir, NULL, &small, &t, &err), &err);
	assert_false(t.too_large);
	tp_tree_free(&t);
	small.bytes = 131;
	assert_ok(tp_tree_look(s, dir, NULL, &small, &t, &err), &err);
	assert_true(t.too_large);
	assert_int_equal(tp_sftp_pending(s), 0); /* the connection goes on */
	tp_tree_free(&t);

	assert_ok(tp_tree_look(s, dir, NULL, &few, &t, &err), &err);
	tp_tree_free(&t);
	run("touch f5");
	assert_int_equal(tp_tree_look(s, dir, NULL, &few, &t, &err), -1);
	assert_contains(err.msg, "more than 5 files");
	tp_tree_free(&t);
	/* such an error is the end: nobody waits for what was asked besides */
	assert_int_equal(tp_tree_look(s, dir, NULL, &plenty, &t, &err), -1);
	tp_tree_free(&t);
	tp_sftp_free(s);
	tp_child_free(&child);

	s = connect_server(&child);
	assert_int_equal(tp_tree_look(s, missing, NULL, &plenty, &t, &err), -1);
	assert_int_equal(err.kind, TP_ERR_NOT_FOUND);
	tp_tree_free(&t);
	tp_sftp_free(s);
	tp_child_free(&child);
}

static void test_depth(void **state)
{
	struct tp_child child;
	struct tp_sftp *s = connect_server(&child);
	tp_autofree char *deep =
		tp_asprintf("mkdir -p \"$(printf 'd/%%.0s' $(seq %d))\"", TP_TREE_DEPTH_MAX);
	struct tp_err err = { 0 };
	struct tp_tree t;

	(void)state;
	run(deep);
	look(s, &t);
	assert_int_equal(t.n, TP_TREE_DEPTH_MAX + 1);
	tp_tree_free(&t);
	run("mkdir tmp && mv d tmp && mv tmp d");
	assert_int_equal(tp_tree_look(s, dir, NULL, &plenty, &t, &err), -1);
	assert_contains(err.msg, "within each other");
	tp_tree_free(&t);
	tp_sftp_free(s);
	tp_child_free(&child);
}

static void test_left_out(void **state)
{
	struct tp_child child;
	struct tp_sftp *s = connect_server(&child);
	TP_AUTO_STRV out = { 0 };
	struct tp_err err = { 0 };
	struct tp_tree t;

	(void)state;
	run("mkdir -p a/b/c a/bc && touch a/b/f a/f");
	tp_strv_addf(&out, "%s/a/b", dir);
	assert_ok(tp_tree_look(s, dir, &out, &plenty, &t, &err), &err);
	assert_int_equal(t.n, 4);
	assert_null(find(&t, "a/b"));
	assert_null(find(&t, "a/b/f"));
	assert_non_null(find(&t, "a/bc"));
	tp_tree_free(&t);
	tp_sftp_free(s);
	tp_child_free(&child);
}

/* Between looking and reading files grow, shrink and go. */
static void test_changing(void **state)
{
	struct tp_child child;
	struct tp_sftp *s = connect_server(&child);
	tp_autofree char *compare = tp_asprintf(
		"cd %s.out/top/copy && [ \"$(cat grows)\" = 12345 ] && [ ! -e goes ] && [ \"$(stat -c %%s shrinks)\" = 200000 ] && "
		"[ \"$(tr -d '\\0' <shrinks)\" = short ] && [ \"$(cat stays)\" = here ]",
		dir);
	struct tp_tree t;

	(void)state;
	run("printf 12345 >grows; printf x >goes; head -c 200000 /dev/zero >shrinks; echo here >stays; mkdir dir");
	look(s, &t);
	run("printf 67890 >>grows; rm goes; printf short >shrinks; rmdir dir");
	unpack(s, &t, NULL);
	assert_int_equal(t.vanished, 1);
	run(compare);
	forget_unpacked();
	tp_tree_free(&t);
	tp_sftp_free(s);
	tp_child_free(&child);
}

static void test_owners(void **state)
{
	static const uint32_t gids[] = { 500, 600 };
	static const struct tp_owner_map map = { 1000, 77, 88, gids, 2 };
	struct tp_child child;
	struct tp_sftp *s = connect_server(&child);
	tp_autofree char *list =
		tp_asprintf("cd %s.out/top/copy && stat -c %%n:%%u:%%g a b c d >../../../list && "
			    "cd .. && stat -c %%u:%%g . ours >>../../list",
			    dir);
	TP_AUTO_BUF b = TP_BUF_INIT(1000);
	struct tp_tree t;

	(void)state;
	if (geteuid())
		skip();
	run("touch a b c d && chown 1000:600 a && chown 0:500 b && chown 1000:0 c && chown 5:1000 d");
	look(s, &t);
	unpack(s, &t, &map);
	run(list);
	assert_int_equal(tp_read_file("../list", &b), 0);
	unlink("../list");
	assert_string_equal(b.data, "a:77:88\nb:0:88\nc:77:0\nd:5:1000\n0:0\n0:0\n");
	forget_unpacked();
	tp_tree_free(&t);
	tp_sftp_free(s);
	tp_child_free(&child);
}

/* The server dies in the middle. */
static void test_broken(void **state)
{
	struct tp_child child;
	struct tp_sftp *s = connect_server(&child);
	struct tp_tree_reader *r;
	struct tp_tree_piece p;
	struct tp_err err = { 0 };
	struct tp_tree t;
	int rc;

	(void)state;
	run("head -c 30000000 /dev/zero >f");
	look(s, &t);
	r = tp_tree_reader_new(s, &t);
	assert_ok(tp_tree_read(r, &p, &err), &err);
	assert_int_equal(p.kind, TP_PIECE_ENTRY);
	tp_child_signal(&child, SIGKILL);
	while (!(rc = tp_tree_read(r, &p, &err)))
		assert_int_equal(p.kind, TP_PIECE_DATA);
	assert_int_equal(rc, -1);
	tp_tree_reader_free(r);
	tp_tree_free(&t);
	tp_sftp_free(s);
	tp_child_free(&child);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)
	const struct CMUnitTest tests[] = {
		TEST(test_all_kinds),	  TEST(test_many),	 TEST(test_one_file),
		TEST(test_special_files), TEST(test_unreadable), TEST(test_limits),
		TEST(test_depth),	  TEST(test_left_out),	 TEST(test_changing),
		TEST(test_owners),	  TEST(test_broken),
	};

	setlocale(LC_CTYPE, "C.UTF-8"); /* as main() does: the archive library asks for it */
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("trees of files", tests, NULL, NULL);
}
