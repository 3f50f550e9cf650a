/* SPDX-License-Identifier: Apache-2.0 */
/* Which programs would have a library preloaded: whole ELF files, scripts, and broken ones. */
#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/inject.h"
#include "gate/preload.h"
#include "tp_test.h"

#if defined(__x86_64__)
#define OWN_MACHINE   EM_X86_64
#define OTHER_MACHINE EM_AARCH64
#else
#define OWN_MACHINE   EM_AARCH64
#define OTHER_MACHINE EM_X86_64
#endif

static char dir[] = "/tmp/tp-preload-XXXXXX";

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static const char *in_dir(const char *name)
{
	static char paths[4][64];
	static int i;

	i = (i + 1) % 4;
	snprintf(paths[i], sizeof(paths[i]), "%s/%s", dir, name);
	return paths[i];
}

static const char *file(const char *name, const void *p, size_t n, mode_t mode)
{
	const char *path = in_dir(name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0700);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, n), n);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	return path;
}

/* A program of one header that names LINKER; its length. */
static size_t elf(char out[512], unsigned machine, const char *linker)
{
	Elf64_Ehdr e = { .e_ident = ELFMAG,
			 .e_machine = (Elf64_Half)machine,
			 .e_phoff = sizeof(e),
			 .e_phentsize = sizeof(Elf64_Phdr),
			 .e_phnum = 1 };
	Elf64_Phdr h = { .p_type = linker ? PT_INTERP : PT_LOAD,
			 .p_offset = sizeof(e) + sizeof(h),
			 .p_filesz = linker ? strlen(linker) + 1 : 0 };

	e.e_ident[EI_CLASS] = ELFCLASS64;
	memset(out, 0, 512);
	memcpy(out, &e, sizeof(e));
	memcpy(out + sizeof(e), &h, sizeof(h));
	if (linker)
		strcpy(out + sizeof(e) + sizeof(h), linker);
	return sizeof(e) + sizeof(h) + h.p_filesz;
}

static enum preload check_with(const char *linker_text)
{
	char bytes[512];
	const char *linker = file("ld", linker_text, strlen(linker_text) + 1, 0755);
	size_t n = elf(bytes, OWN_MACHINE, linker);

	return preload_check(file("program", bytes, n, 0755));
}

static void own_programs(void **state)
{
	(void)state;
	assert_int_equal(preload_check("/bin/sh"), PRELOAD_FINE);
	assert_int_equal(preload_check("/proc/self/exe"), PRELOAD_FINE);
	assert_int_equal(preload_check("/no/such/program"), PRELOAD_FINE);
	assert_int_equal(preload_check("/"), PRELOAD_FINE);
}

static void linkers(void **state)
{
	char bytes[512];
	size_t n = elf(bytes, OWN_MACHINE, NULL);

	(void)state;
	assert_int_equal(preload_check(file("static", bytes, n, 0755)), PRELOAD_STATIC);
	assert_int_equal(check_with("... GLIBC_2.4 GLIBC_2.31"), PRELOAD_OLD_GLIBC);
	assert_int_equal(check_with("... musl"), PRELOAD_NOT_GLIBC);
	assert_int_equal(check_with(TP_INJECT_GLIBC), PRELOAD_FINE);
	/* the name's end belongs to it */
	assert_int_equal(check_with(TP_INJECT_GLIBC "0"), PRELOAD_OLD_GLIBC);
	n = elf(bytes, OTHER_MACHINE, "/ld");
	assert_int_equal(preload_check(file("other", bytes, n, 0755)), PRELOAD_MACHINE);
	n = elf(bytes, OWN_MACHINE, "/ld");
	bytes[EI_CLASS] = ELFCLASS32;
	assert_int_equal(preload_check(file("short", bytes, n, 0755)), PRELOAD_MACHINE);
}

static void scripts(void **state)
{
	char bytes[512], text[600];
	size_t n = elf(bytes, OWN_MACHINE, NULL);
	const char *program = file("static", bytes, n, 0755);

	(void)state;
	snprintf(text, sizeof(text), "#! %s -x\n", program);
	assert_int_equal(preload_check(file("one", text, strlen(text), 0755)), PRELOAD_STATIC);
	snprintf(text, sizeof(text), "#!%s", in_dir("one"));
	assert_int_equal(preload_check(file("two", text, strlen(text), 0755)), PRELOAD_STATIC);
	assert_int_equal(preload_check(file("empty", "#!\n", 3, 0755)), PRELOAD_FINE);
	snprintf(text, sizeof(text), "#!%s\n", in_dir("itself"));
	assert_int_equal(preload_check(file("itself", text, strlen(text), 0755)), PRELOAD_FINE);
	memset(text, 'x', sizeof(text));
	memcpy(text, "#!/", 3);
	assert_int_equal(preload_check(file("long", text, sizeof(text), 0755)), PRELOAD_FINE);
}

static void another_user(void **state)
{
	char bytes[512];
	size_t n;
	const char *linker = file("ld", TP_INJECT_GLIBC, sizeof(TP_INJECT_GLIBC), 0755), *program;

	(void)state;
	n = elf(bytes, OWN_MACHINE, linker);
	/* one's own is no other */
	program = file("setuid", bytes, n, 04755);
	assert_int_equal(preload_check(program), PRELOAD_FINE);
	if (getuid() == 0 && chown(program, 4321, 4321) == 0 && chmod(program, 04755) == 0)
		assert_int_equal(preload_check(program), PRELOAD_SETUID);
}

static void broken(void **state)
{
	char whole[512];
	size_t n = elf(whole, OWN_MACHINE, "/lib/ld.so");
	enum preload v;

	(void)state;
	assert_string_equal(preload_linker(whole, n, &v), "/lib/ld.so");
	for (size_t k = 0; k < n; k++) {
		char *cut = malloc(k ? k : 1);

		memcpy(cut, whole, k);
		assert_null(preload_linker(cut, k, &v));
		free(cut);
	}
	for (size_t k = 0; k < n * 8; k++) {
		char *bent = malloc(n);
		const char *linker;

		memcpy(bent, whole, n);
		bent[k / 8] ^= (char)(1 << k % 8);
		linker = preload_linker(bent, n, &v);
		assert_true(!linker ||
			    (linker >= bent && memchr(linker, 0, n - (size_t)(linker - bent))));
		free(bent);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_programs), cmocka_unit_test(linkers),
		cmocka_unit_test(scripts),	cmocka_unit_test(another_user),
		cmocka_unit_test(broken),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
