/* SPDX-License-Identifier: Apache-2.0 */
/* errors, memory, buffers, UTF-8 */
#include "tp_test.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"

static void utf8_is_strict(void **state)
{
	static const char *const good[] = { "",
					    "a",
					    "\xc2\x80",
					    "\xdf\xbf",
					    "\xe0\xa0\x80",
					    "\xed\x9f\xbf",
					    "\xef\xbf\xbf",
					    "\xf0\x90\x80\x80",
					    "\xf4\x8f\xbf\xbf" };
	static const char *const bad[] = {
		"\x80",
		"\xbf",
		"\xc0\x80",
		"\xc1\xbf",
		"\xc2",
		"\xc2\x41",
		"\xe0\x9f\xbf",
		"\xe0\xa0",
		"\xed\xa0\x80",
		"\xed\xbf\xbf",
		"\xf0\x8f\xbf\xbf",
		"\xf0\x90\x80",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xff",
		"\xfe",
		"ok\xe2\x82",
		"\xe2\x82\x28",
	};

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(good); i++)
		assert_true(tp_utf8_valid(good[i], strlen(good[i])));
	for (size_t i = 0; i < TP_ARRAY_SIZE(bad); i++)
		assert_false(tp_utf8_valid(bad[i], strlen(bad[i])));
	assert_true(tp_utf8_valid("\0", 1));
	assert_int_equal(tp_utf8_len("", 0), 0);
}

static void errors_carry_context(void **state)
{
	struct tp_err e = { 0 };

	(void)state;
	errno = EBUSY;
	assert_int_equal(tp_err_set(&e, TP_ERR_CONFLICT, "pod %s exists", "a"), -1);
	assert_int_equal(tp_err_prefix(&e, "create %d", 7), -1);
	assert_int_equal(tp_err_hint(&e, "Try --name."), -1);
	assert_string_equal(e.msg, "create 7: pod a exists\nTry --name.");
	assert_int_equal(e.kind, TP_ERR_CONFLICT);
	assert_int_equal(errno, EBUSY);

	tp_err_set(&e, TP_ERR_FAILED, "again: %s", e.msg); /* its own message */
	assert_string_equal(e.msg, "again: create 7: pod a exists\nTry --name.");

	tp_err_errno(&e, ENOENT, "open %s", "x");
	assert_string_equal(e.msg, "open x: No such file or directory");
	assert_int_equal(e.kind, TP_ERR_NOT_FOUND);
	tp_err_errno(&e, EACCES, "x");
	assert_int_equal(e.kind, TP_ERR_FORBIDDEN);
	tp_err_errno(&e, EPERM, "x");
	assert_int_equal(e.kind, TP_ERR_FORBIDDEN);
	tp_err_errno(&e, EIO, "x");
	assert_int_equal(e.kind, TP_ERR_FAILED);

	assert_int_equal(tp_err_set(NULL, TP_ERR_FAILED, "x"), -1);
	assert_int_equal(tp_err_errno(NULL, EIO, "x"), -1);
	assert_int_equal(tp_err_prefix(NULL, "x"), -1);
	assert_int_equal(tp_err_hint(NULL, "x"), -1);
}

static void errors_are_clean(void **state)
{
	struct tp_err e = { 0 };

	(void)state;
	tp_err_set(&e, TP_ERR_FAILED, "%s", "a\033[2Jb\rc\td\ne\x7f\xc2\x9b\xff\xc3\xa9\n\n");
	assert_string_equal(e.msg, "a?[2Jb?c\td\ne????\xc3\xa9");
	tp_err_prefix(&e, "\033%s", "\b");
	assert_string_equal(e.msg, "??: a?[2Jb?c\td\ne????\xc3\xa9");
}

static void errors_are_cut(void **state)
{
	static char big[3 * TP_ERR_MAX];
	struct tp_err e = { 0 };

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	tp_err_set(&e, TP_ERR_FAILED, "%s", big);
	assert_int_equal(strlen(e.msg), TP_ERR_MAX - 1);
	tp_err_prefix(&e, "context");
	assert_int_equal(strlen(e.msg), TP_ERR_MAX - 1);
	assert_memory_equal(e.msg, "context: xxx", 12);
	tp_err_hint(&e, "The remedy stays.");
	assert_int_equal(strlen(e.msg), TP_ERR_MAX - 1);
	assert_contains(e.msg, "x\nThe remedy stays.");
	tp_err_hint(&e, "%s", big);
	assert_true(strlen(e.msg) <= TP_ERR_MAX - 1);
	tp_err_errno(&e, ENOENT, "%s", big);
	assert_contains(e.msg, "xx: No such file or directory");

	/* never in the middle of a character */
	for (size_t i = 0; i + 1 < sizeof(big); i += 2)
		memcpy(big + i, "\xc3\xa9", 2);
	big[sizeof(big) - 1] = '\0';
	for (int shift = 0; shift < 3; shift++) {
		tp_err_set(&e, TP_ERR_FAILED, "%.*s%s", shift, "abc", big);
		assert_true(tp_utf8_valid(e.msg, strlen(e.msg)));
		assert_null(strchr(e.msg, '?'));
		tp_err_prefix(&e, "%.*s", shift + 1, "abcd");
		assert_true(tp_utf8_valid(e.msg, strlen(e.msg)));
		tp_err_hint(&e, "hint%s", big);
		assert_true(tp_utf8_valid(e.msg, strlen(e.msg)));
	}
}

static void memory_owners(void **state)
{
	tp_autofree char *s = tp_asprintf("%s-%d", "a", 5);
	tp_autofree char *cut = tp_strndup("abcdef", 3);
	tp_autofree char *taken = NULL;
	tp_autofree void *none = tp_malloc(0), *zero = tp_calloc(0, 8);
	int fd = open("/dev/null", O_RDONLY), kept;

	(void)state;
	assert_string_equal(s, "a-5");
	assert_string_equal(cut, "abc");
	assert_null(tp_strdup(NULL));
	assert_non_null(none);
	assert_non_null(zero);
	taken = tp_steal(&s);
	assert_null(s);
	assert_string_equal(taken, "a-5");
	tp_wipe(taken, 3);
	assert_memory_equal(taken, "\0\0\0", 4);
	tp_wipe(NULL, 5);
	tp_free_secret(NULL);
	tp_free_secret(tp_strdup("secret"));
	kept = tp_steal_fd(&fd);
	assert_int_equal(fd, -1);
	errno = EIO;
	tp_close_p(&fd);
	tp_close_p(&kept);
	assert_int_equal(kept, -1);
	assert_int_equal(errno, EIO);
}

static void buffers_keep_their_maximum(void **state)
{
	TP_AUTO_BUF b = TP_BUF_INIT(10);
	char *s;

	(void)state;
	assert_null(b.data);
	assert_int_equal(tp_buf_puts(&b, "12345"), 0);
	assert_int_equal(tp_buf_printf(&b, "%d", 678), 0);
	assert_string_equal(b.data, "12345678");
	assert_int_equal(tp_buf_puts(&b, "abc"), -1);
	assert_int_equal(tp_buf_printf(&b, "%s", "abc"), -1);
	assert_string_equal(b.data, "12345678");
	assert_int_equal(tp_buf_putc(&b, '9'), 0);
	assert_int_equal(tp_buf_putc(&b, '0'), 0);
	assert_int_equal(tp_buf_putc(&b, 'x'), -1);
	assert_int_equal(tp_buf_put(&b, "", 0), 0);
	assert_null(tp_buf_reserve(&b, 1));
	assert_null(tp_buf_reserve(&b, SIZE_MAX));
	assert_int_equal(b.cap, 11);
	tp_buf_consume(&b, 4);
	assert_string_equal(b.data, "567890");
	tp_buf_consume(&b, 0);
	memcpy(tp_buf_reserve(&b, 4), "wxyz", 4);
	tp_buf_added(&b, 2);
	assert_string_equal(b.data, "567890wx");
	s = tp_buf_steal(&b);
	assert_string_equal(s, "567890wx");
	free(s);
	s = tp_buf_steal(&b);
	assert_string_equal(s, "");
	free(s);
	assert_int_equal(tp_buf_puts(&b, "new"), 0);
	tp_buf_reset(&b);
	assert_int_equal(b.len, 0);
	assert_string_equal(b.data, "");
}

static void buffers_grow(void **state)
{
	TP_AUTO_BUF b = TP_BUF_INIT(SIZE_MAX);

	(void)state;
	for (int i = 0; i < 10000; i++)
		assert_int_equal(tp_buf_printf(&b, "%04d", i), 0);
	assert_int_equal(b.len, 40000);
	assert_memory_equal(b.data + 4 * 1234, "12341235", 8);
	assert_int_equal(b.data[b.len], '\0');
	assert_null(tp_buf_reserve(&b, SIZE_MAX - 10));
}

static void lists_are_argv(void **state)
{
	TP_AUTO_STRV l = { 0 };

	(void)state;
	assert_false(tp_strv_has(&l, "a"));
	tp_strv_insert(&l, 0, "b");
	tp_strv_insert(&l, 0, "a");
	tp_strv_add(&l, "d");
	tp_strv_insert(&l, 2, "c");
	tp_strv_addf(&l, "%c%d", 'e', 1);
	tp_strv_take(&l, tp_strdup("f"));
	tp_strv_insert(&l, 99, "g");
	tp_strv_add(&l, NULL);
	assert_int_equal(l.n, 7);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(l.v[i][0], 'a' + (int)i);
	assert_string_equal(l.v[4], "e1");
	assert_string_equal(l.v[6], "g");
	assert_null(l.v[7]);
	assert_true(tp_strv_has(&l, "c"));
	assert_false(tp_strv_has(&l, "e"));
	tp_strv_free(&l);
	assert_int_equal(l.n, 0);
	tp_strv_add(&l, "x");
	assert_null(l.v[1]);
}

static void files_are_bounded(void **state)
{
	char path[] = "/tmp/tp-test-XXXXXX";
	int fd = mkstemp(path);
	TP_AUTO_BUF exact = TP_BUF_INIT(100000), less = TP_BUF_INIT(99999), dir = TP_BUF_INIT(10);
	static char text[100000];

	(void)state;
	memset(text, 'q', sizeof(text));
	assert_true(fd >= 0);
	assert_int_equal(tp_write_all(fd, text, sizeof(text)), 0);
	close(fd);
	assert_int_equal(tp_read_file(path, &exact), 0);
	assert_int_equal(exact.len, 100000);
	assert_int_equal(tp_read_file(path, &less), -1);
	assert_int_equal(errno, EFBIG);
	unlink(path);
	assert_int_equal(tp_read_file(path, &less), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(tp_read_file("/", &dir), -1);
	assert_int_equal(errno, EISDIR);
	assert_int_equal(tp_write_all(-1, "x", 1), -1);
	assert_int_equal(errno, EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utf8_is_strict),    cmocka_unit_test(errors_carry_context),
		cmocka_unit_test(errors_are_clean),  cmocka_unit_test(errors_are_cut),
		cmocka_unit_test(memory_owners),     cmocka_unit_test(buffers_keep_their_maximum),
		cmocka_unit_test(buffers_grow),	     cmocka_unit_test(lists_are_argv),
		cmocka_unit_test(files_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
