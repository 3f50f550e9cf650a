/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands before torsocks' library in programs of the user's container (common/inject.h), and
 * keeps from it what it does not expect:
 *
 * - system calls that have nothing to do with connections: it knows some of them and denies all others. Also any at all
 *   before the program's libraries are set up: an allocator that makes one (jemalloc) would wait for itself.
 * - it answers gethostbyname and the like without a list of aliases, which programs go through.
 */
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool set_up;

static __attribute__((constructor)) void begin(void)
{
	set_up = true;
}

/* ------------------------------------------------------- system calls */

#if defined(__x86_64__) || defined(__aarch64__) /* elsewhere they are torsocks' as they come */

typedef long syscall_fn(long number, ...);

#if defined(__x86_64__)
static long direct(long n, const long a[6])
{
	register long r10 __asm__("r10") = a[3];
	register long r8 __asm__("r8") = a[4];
	register long r9 __asm__("r9") = a[5];
	long rc;

	__asm__ volatile("syscall"
			 : "=a"(rc)
			 : "a"(n), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return rc;
}
#else
static long direct(long n, const long a[6])
{
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a[0];
	register long x1 __asm__("x1") = a[1];
	register long x2 __asm__("x2") = a[2];
	register long x3 __asm__("x3") = a[3];
	register long x4 __asm__("x4") = a[4];
	register long x5 __asm__("x5") = a[5];

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}
#endif

static bool is_of_connections(long n)
{
	switch (n) {
	case SYS_socket:
	case SYS_connect:
	case SYS_close:
	case SYS_accept:
	case SYS_accept4:
	case SYS_listen:
	case SYS_getpeername:
	case SYS_sendto:
	case SYS_recvmsg:
		return true;
	}
	return false;
}

long syscall(long number, ...)
{
	static syscall_fn *next;
	long a[6], rc;
	va_list ap;

	va_start(ap, number);
	for (size_t i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (set_up && is_of_connections(number)) {
		if (!next)
			next = (syscall_fn *)dlsym(RTLD_NEXT, "syscall");
		if (next)
			return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	}
	rc = direct(number, a);
	if (rc < 0 && rc > -4096) {
		errno = (int)-rc;
		return -1;
	}
	return rc;
}

#endif

/* --------------------------------------------------------------- names */

static char *no_aliases[] = { NULL };

static struct hostent *whole(struct hostent *h)
{
	if (h && !h->h_aliases)
		h->h_aliases = no_aliases;
	return h;
}

#define NEXT(name)                     \
	static __typeof__(name) *next; \
                                       \
	if (!next)                     \
		next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name);

struct hostent *gethostbyname(const char *name)
{
	NEXT(gethostbyname)
	return whole(next(name));
}

struct hostent *gethostbyname2(const char *name, int af)
{
	NEXT(gethostbyname2)
	return whole(next(name, af));
}

struct hostent *gethostbyaddr(const void *addr, socklen_t len, int type)
{
	NEXT(gethostbyaddr)
	return whole(next(addr, len, type));
}

int gethostbyname_r(const char *name, struct hostent *ret, char *buf, size_t n,
		    struct hostent **result, int *err)
{
	int rc;

	NEXT(gethostbyname_r)
	rc = next(name, ret, buf, n, result, err);
	if (rc == 0)
		whole(*result);
	return rc;
}

int gethostbyname2_r(const char *name, int af, struct hostent *ret, char *buf, size_t n,
		     struct hostent **result, int *err)
{
	int rc;

	NEXT(gethostbyname2_r)
	rc = next(name, af, ret, buf, n, result, err);
	if (rc == 0)
		whole(*result);
	return rc;
}

int gethostbyaddr_r(const void *addr, socklen_t len, int type, struct hostent *ret, char *buf,
		    size_t n, struct hostent **result, int *err)
{
	int rc;

	NEXT(gethostbyaddr_r)
	rc = next(addr, len, type, ret, buf, n, result, err);
	if (rc == 0)
		whole(*result);
	return rc;
}
