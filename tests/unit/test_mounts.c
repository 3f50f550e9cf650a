/* SPDX-License-Identifier: Apache-2.0 */
/* What the mounts role is made of: mountinfo, paths inside a tree, folders of links. */
#include "tp_test.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "common/mountinfo.h"
#include "sidecar/mounts.h"
#include "sidecar/walk.h"

/* -------------------------------------------------------------- mountinfo */

static void test_mountinfo(void **state)
{
	static const struct {
		const char *line;
		struct tp_mountinfo m; /* point NULL: refused */
	} cases[] = {
		{ "36 35 98:0 /mnt1 /mnt/parent rw,noatime master:1 - ext3 /dev/root rw,errors=continue",
		  { (char *)"/mnt1", (char *)"/mnt/parent", (char *)"ext3", (char *)"/dev/root",
		    false, false } },
		{ "1 0 0:1 / / ro,relatime shared:2 master:3 - overlay overlay rw",
		  { (char *)"/", (char *)"/", (char *)"overlay", (char *)"overlay", true, true } },
		/* "ro" of the file system is not the mount's, and neither is a word that begins so */
		{ "1 0 0:1 / /a rw,root - fuse.sshfs tpdocker ro",
		  { (char *)"/", (char *)"/a", (char *)"fuse.sshfs", (char *)"tpdocker", false,
		    false } },
		{ "1 0 0:1 /a\\040b /c\\134d\\012e rw - tmpfs  rw",
		  { (char *)"/a b", (char *)"/c\\d\ne", (char *)"tmpfs", (char *)"", false,
		    false } },
		{ "1 0 0:1 / /a rw propagate_from:2 unbindable - t s",
		  { (char *)"/", (char *)"/a", (char *)"t", (char *)"s", false, false } },
		{ "1 0 0:1 / relative rw - t s rw", { 0 } },
		{ "1 0 0:1 / /a rw", { 0 } },
		{ "1 0 0:1 / /a rw - t", { 0 } },
		{ "", { 0 } },
		{ "1 0 0:1 / /a", { 0 } },
	};

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(cases); i++) {
		tp_autofree char *line = tp_strdup(cases[i].line);
		const struct tp_mountinfo *want = &cases[i].m;
		struct tp_mountinfo got;
		int rc = tp_mountinfo_line(line, &got);

		assert_int_equal(rc, want->point ? 0 : -1);
		if (rc)
			continue;
		assert_string_equal(got.root, want->root);
		assert_string_equal(got.point, want->point);
		assert_string_equal(got.type, want->type);
		assert_string_equal(got.source, want->source);
		assert_int_equal(got.ro, want->ro);
		assert_int_equal(got.shared, want->shared);
	}
}

static void test_below(void **state)
{
	(void)state;
	assert_true(tp_path_below("/a", "/"));
	assert_true(tp_path_below("/", "/"));
	assert_true(tp_path_below("/a", "/a"));
	assert_true(tp_path_below("/a/b", "/a"));
	assert_false(tp_path_below("/ab", "/a"));
	assert_false(tp_path_below("/", "/a"));
}

/* ------------------------------------------------------------------- trees */

static char dir[64];
static int tree;

static void sh(const char *script)
{
	tp_autofree char *line = tp_asprintf("cd %s && %s", dir, script);

	if (system(line) != 0)
		fail_msg("%s", line);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/tpdocker-mounts-XXXXXX");
	assert_non_null(mkdtemp(dir));
	sh("mkdir -p root/real/deep root/var && echo in >root/real/file && echo out >file");
	sh("cd root && ln -s /real abs && ln -s real rel && ln -s ../../../../real up && ln -s /abs/deep/../file chain");
	sh("cd root && ln -s loop2 loop && ln -s loop loop2 && ln -s ../file escape && ln -s /gone dangling && ln -s /real/deep/.. var/run");
	tree = openat(AT_FDCWD, dir, O_PATH | O_DIRECTORY);
	tree = openat(tree, "root", O_PATH | O_DIRECTORY);
	assert_true(tree >= 0);
	return 0;
}

static int tear_down(void **state)
{
	tp_autofree char *rm = tp_asprintf("rm -rf %s", dir);

	(void)state;
	close(tree);
	return system(rm);
}

static void test_walk(void **state)
{
	static const struct {
		const char *path, *canon;
		int error; /* 0: it is there */
	} cases[] = {
		{ "/", "/", 0 },
		{ "/real", "/real", 0 },
		{ "real//./deep/", "/real/deep", 0 },
		{ "/abs/file", "/real/file", 0 },
		{ "/rel/deep/../file", "/real/file", 0 },
		{ "/up/file", "/real/file", 0 },
		{ "/chain", "/real/file", 0 },
		{ "/../../real", "/real", 0 },
		{ "/var/run/file", "/real/file", 0 },
		/* the file beside the tree is not reached; in the tree there is none */
		{ "/escape", "/file", ENOENT },
		{ "/../file", "/file", ENOENT },
		{ "/abs/none/x", "/real/none/x", ENOENT },
		{ "/dangling/x", "/gone/x", ENOENT },
		{ "/loop", NULL, ELOOP },
		{ "/real/file/x", NULL, ENOTDIR },
	};

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(cases); i++) {
		char canon[PATH_MAX] = "";
		tp_autoclose int fd = walk_open(tree, cases[i].path, WALK_THERE, canon);

		if (cases[i].error) {
			assert_int_equal(fd, -1);
			assert_int_equal(errno, cases[i].error);
		} else if (fd < 0) {
			fail_msg("%s: %s", cases[i].path, strerror(errno));
		}
		if (cases[i].canon)
			assert_string_equal(canon, cases[i].canon);
	}
}

static void test_walk_limits(void **state)
{
	char name[NAME_MAX + 8] = "/", path[PATH_MAX + 8] = "/";

	(void)state;
	memset(name + 1, 'n', sizeof(name) - 2);
	assert_int_equal(walk_open(tree, name, WALK_FOLDER, NULL), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	memset(path, '/', sizeof(path) - 1);
	assert_int_equal(walk_open(tree, path, WALK_THERE, NULL), -1);
	assert_int_equal(errno, ENAMETOOLONG);
}

static void test_walk_makes(void **state)
{
	char canon[PATH_MAX];
	struct stat st;
	int fd;

	(void)state;
	umask(022);
	fd = walk_open(tree, "/abs/new/folder", WALK_FOLDER, canon);
	assert_true(fd >= 0);
	assert_string_equal(canon, "/real/new/folder");
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(S_ISDIR(st.st_mode) && (st.st_mode & 0777) == 0755);
	close(fd);
	/* what a link points to is made, in the tree */
	fd = walk_open(tree, "/dangling/file", WALK_FILE, canon);
	assert_true(fd >= 0);
	assert_string_equal(canon, "/gone/file");
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(S_ISREG(st.st_mode) && st.st_size == 0);
	close(fd);
	sh("[ -f root/gone/file ] && [ -d root/real/new/folder ]");
	/* what is there stays as it is */
	fd = walk_open(tree, "/real/file", WALK_FILE, NULL);
	assert_true(fd >= 0);
	close(fd);
	sh("[ \"$(cat root/real/file)\" = in ]");
}

/* --------------------------------------------------------- folders of links */

/* In a mount namespace of its own, where that can be had: the exit code, 77 if it cannot. */
static int in_namespace(int (*fn)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		if (unshare(geteuid() ? CLONE_NEWUSER | CLONE_NEWNS : CLONE_NEWNS) ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
			_exit(77);
		_exit(fn());
	}
	assert_true(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int make_links(void)
{
	static char *nested[] = { (char *)"greeting", (char *)"deep/er/mine", (char *)"deep/two" };
	static bool folders[] = { false, true, false };
	tp_autofree char *at = tp_asprintf("%s/at", dir), *from = tp_asprintf("%s/from", dir);
	struct tp_err err = { 0 };
	tp_autofree char *look = tp_asprintf(
		"cd %s && "
		"[ \"$(readlink a)\" = /the/pod/a ] && [ \"$(readlink ..data)\" = /the/pod/..data ] && "
		"[ \"$(readlink deep/there)\" = /the/pod/deep/there ] && "
		"[ -f greeting ] && [ ! -L greeting ] && [ -d deep/er/mine ] && [ -f deep/two ] && "
		"[ ! -L deep ] && [ \"$(ls -A | wc -l)\" = 4 ] && ! touch x 2>/dev/null",
		at);

	if (links_make(at, open(from, O_PATH | O_CLOEXEC), "/the/pod", nested, folders, 3, &err)) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	return system(look) ? 2 : 0;
}

static void test_links(void **state)
{
	int rc;

	(void)state;
	sh("mkdir -p at from/..data from/deep && touch from/a from/greeting from/deep/there");
	rc = in_namespace(make_links);
	if (rc == 77) {
		print_message("mount namespaces cannot be made here\n");
		skip();
	}
	assert_int_equal(rc, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mountinfo),
		cmocka_unit_test(test_below),
		cmocka_unit_test_setup_teardown(test_walk, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_walk_limits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_walk_makes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_links, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
