/* SPDX-License-Identifier: Apache-2.0 */
/* DNS messages; and, with a first byte of their own, resolv.conf and hosts. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/dnsmsg.h"
#include "common/netfiles.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(void *arg, const uint8_t addr[4])
{
	*(unsigned int *)arg += addr[3];
}

static void renamed(const uint8_t *data, size_t size)
{
	static uint8_t out[TP_DNS_MAX];
	uint8_t q[64];
	size_t qn = tp_dns_make_query(7, "a.b", TP_DNS_A, q, sizeof(q));
	size_t n = tp_dns_rename(q, qn, data, size, out, sizeof(out));

	if (n && n < qn)
		abort();
	n = tp_dns_rename(q, qn, data, size, out, 100);
	if (n > 100)
		abort();
	tp_dns_rename(data, size / 2, data + size / 2, size - size / 2, out, sizeof(out));
}

static void message(const uint8_t *data, size_t size)
{
	struct tp_dns_question q;
	unsigned int sum = 0;
	uint8_t out[600], *copy;
	size_t limit, n;

	if (tp_dns_parse_query(data, size, &q) == 0) {
		n = tp_dns_error(data, size, TP_DNS_SERVFAIL, out, sizeof(out));
		if (!n || n > sizeof(out) || !tp_dns_is_answer(data, size, out, n))
			abort();
	}
	tp_dns_error(data, size, TP_DNS_FORMERR, out, 40);
	tp_dns_is_answer(data, size, data, size);
	tp_dns_is_answer(data, size / 2, data + size / 2, size - size / 2);
	tp_dns_each_a(data, size, take, &sum);
	renamed(data, size);
	copy = malloc(size + 1);
	for (limit = TP_DNS_HEADER; limit < size + 2; limit += 1 + size / 16) {
		memcpy(copy, data, size);
		n = tp_dns_fit(copy, size, limit);
		if (size >= TP_DNS_HEADER && n > limit)
			abort();
	}
	free(copy);
}

static void files(const char *text, size_t n)
{
	struct tp_resolv_change c = { 0 };
	TP_AUTO_BUF out = TP_BUF_INIT(1 << 20);
	TP_AUTO_BUF again = TP_BUF_INIT(1 << 20);
	struct tp_resolv r;

	tp_resolv_parse(&r, text, n);
	tp_resolv_free(&r);
	tp_resolv_edit(text, n, &c, &out);
	tp_buf_reset(&out);
	if (tp_hosts_merge(text, n / 2, text + n / 2, n - n / 2, "pod", NULL, &out) == 0 &&
	    (tp_hosts_merge(out.data, out.len, text + n / 2, n - n / 2, "pod", NULL, &again) < 0 ||
	     again.len != out.len || memcmp(again.data, out.data, out.len) != 0))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size && data[0] == '#')
		files((const char *)data, size);
	else
		message(data, size);
	return 0;
}
