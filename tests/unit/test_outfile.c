/* SPDX-License-Identifier: Apache-2.0 */
/* Files that hold secrets: mode, replacement, and what is refused. */
#include "tp_test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/outfile.h"

static char dir[] = "/tmp/tp-outfile-XXXXXX";

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) && !chdir(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	/* also says whether anything else was left in it */
	return chdir("/") || rmdir(dir);
}

static void assert_file(const char *path, const char *content)
{
	TP_AUTO_BUF b = TP_BUF_INIT(4096);
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(tp_read_file(path, &b), 0);
	assert_string_equal(b.data ? b.data : "", content);
}

static void test_new_and_replaced(void **state)
{
	struct tp_err err = { 0 };
	mode_t old = umask(0);

	(void)state;
	assert_ok(tp_outfile_check("f", &err), &err);
	assert_int_equal(access("f", F_OK), -1);
	assert_ok(tp_outfile_write("f", "one", 3, &err), &err);
	assert_file("f", "one");
	assert_int_equal(chmod("f", 0666), 0);
	assert_ok(tp_outfile_write("f", "", 0, &err), &err);
	assert_file("f", "");
	umask(old);
	assert_int_equal(unlink("f"), 0);
}

static void test_links(void **state)
{
	struct tp_err err = { 0 };
	struct stat st;

	(void)state;
	assert_ok(tp_outfile_write("f", "old", 3, &err), &err);
	assert_int_equal(symlink("f", "l"), 0);
	assert_ok(tp_outfile_check("l", &err), &err);
	assert_ok(tp_outfile_write("l", "new", 3, &err), &err);
	assert_file("f", "new");
	assert_int_equal(lstat("l", &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	/* a link that leads nowhere has nothing to keep */
	unlink("f");
	assert_ok(tp_outfile_write("l", "x", 1, &err), &err);
	assert_file("l", "x");
	unlink("l");
}

static void test_refused(void **state)
{
	static const char *const bad[] = { "", "/dev/null", ".", "x/", "/no/such/folder/f" };
	struct tp_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(bad); i++)
		assert_int_equal(tp_outfile_check(bad[i], &err), -1);
	assert_int_equal(tp_outfile_write("/no/such/folder/f", "x", 1, &err), -1);
	assert_contains(err.msg, "/no/such/folder/f");
	/* cannot be renamed to a folder: what was written goes again */
	assert_int_equal(mkdir("d", 0700), 0);
	assert_int_equal(tp_outfile_write("d", "x", 1, &err), -1);
	assert_int_equal(rmdir("d"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_and_replaced),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests_name("outfile", tests, make_dir, remove_dir);
}
