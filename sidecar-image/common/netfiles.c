/* SPDX-License-Identifier: Apache-2.0 */
#include "common/netfiles.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define LINE_MAX_BYTES 4096
#define HOSTS_MARK     "# tpdocker: the lines below are the session's"

/* The next line of *P without its newline, as a string in LINE; false at the
 * end. What cannot be a line of such a file is left out. RAW: with newline. */
static bool next_line(const char **p, const char *end, char *line, const char **raw,
		      size_t *raw_len)
{
	while (*p < end) {
		const char *nl = memchr(*p, '\n', (size_t)(end - *p));
		size_t n = (size_t)((nl ? nl : end) - *p);

		*raw = *p;
		*raw_len = n + (nl != NULL);
		*p += *raw_len;
		if (n >= LINE_MAX_BYTES || memchr(*raw, '\0', n))
			continue;
		memcpy(line, *raw, n);
		line[n] = '\0';
		return true;
	}
	return false;
}

int tp_nameserver_parse(struct tp_nameserver *ns, const char *text)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&ns->addr;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&ns->addr;
	char plain[sizeof(ns->text)];
	char *zone;

	memset(ns, 0, sizeof(*ns));
	if (strlen(text) >= sizeof(ns->text))
		return -1;
	strcpy(ns->text, text);
	strcpy(plain, text);
	if (inet_pton(AF_INET, plain, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(53);
		ns->len = sizeof(*v4);
		return 0;
	}
	zone = strchr(plain, '%');
	if (zone) {
		*zone++ = '\0';
		v6->sin6_scope_id = if_nametoindex(zone);
		if (!v6->sin6_scope_id)
			return -1;
	}
	if (inet_pton(AF_INET6, plain, &v6->sin6_addr) != 1)
		return -1;
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(53);
	ns->len = sizeof(*v6);
	return 0;
}

static int parse_port(const char *text)
{
	char *end;
	long port = strtol(text, &end, 10);

	return *text >= '0' && *text <= '9' && !*end && port > 0 && port < 65536 ? (int)port : -1;
}

int tp_nameserver_parse_port(struct tp_nameserver *ns, const char *text)
{
	const char *end = *text == '[' ? strchr(text, ']') : strchr(text, ':');
	char address[sizeof(ns->text)];
	size_t skip = *text == '[', n;
	int port;

	memset(ns, 0, sizeof(*ns));
	/* without brackets more than one colon is an address */
	if (!end || (!skip && strchr(end + 1, ':')) || (skip && !end[1]))
		end = skip && end ? end : text + strlen(text);
	n = (size_t)(end - text) - skip;
	if (n >= sizeof(address) || (skip && *end != ']'))
		return -1;
	memcpy(address, text + skip, n);
	address[n] = '\0';
	end += skip;
	if (tp_nameserver_parse(ns, address) < 0)
		return -1;
	if (!*end)
		return 0;
	port = *end == ':' ? parse_port(end + 1) : -1;
	if (port < 0) {
		ns->len = 0;
		return -1;
	}
	if (ns->addr.ss_family == AF_INET)
		((struct sockaddr_in *)&ns->addr)->sin_port = htons((uint16_t)port);
	else
		((struct sockaddr_in6 *)&ns->addr)->sin6_port = htons((uint16_t)port);
	return 0;
}

static int option_number(const char *text, int min, int max)
{
	long v = strtol(text, NULL, 10);

	return (int)(v < min ? min : v > max ? max : v);
}

static void parse_option(struct tp_resolv *r, const char *o)
{
	tp_strv_add(&r->options, o);
	if (strncmp(o, "timeout:", 8) == 0)
		r->timeout_ms = 1000 * option_number(o + 8, 1, 30);
	else if (strncmp(o, "attempts:", 9) == 0)
		r->attempts = option_number(o + 9, 1, 5);
	else if (strcmp(o, "rotate") == 0)
		r->rotate = true;
}

void tp_resolv_parse(struct tp_resolv *r, const char *text, size_t n)
{
	const char *p = text, *end, *raw;
	char line[LINE_MAX_BYTES];
	size_t raw_len;

	memset(r, 0, sizeof(*r));
	r->timeout_ms = 5000;
	r->attempts = 2;
	if (!text)
		return;
	end = text + n;
	while (next_line(&p, end, line, &raw, &raw_len)) {
		char *save = NULL, *word = strtok_r(line, " \t\r", &save);

		if (!word || *word == '#' || *word == ';')
			continue;
		if (strcmp(word, "nameserver") == 0) {
			word = strtok_r(NULL, " \t\r", &save);
			if (word && r->n_ns < TP_RESOLV_SERVERS &&
			    tp_nameserver_parse(&r->ns[r->n_ns], word) == 0)
				r->n_ns++;
		} else if (strcmp(word, "search") == 0 || strcmp(word, "domain") == 0) {
			tp_strv_free(&r->search); /* the last one counts */
			while ((word = strtok_r(NULL, " \t\r", &save)))
				tp_strv_add(&r->search, word);
		} else if (strcmp(word, "options") == 0) {
			while ((word = strtok_r(NULL, " \t\r", &save)))
				parse_option(r, word);
		}
	}
}

void tp_resolv_free(struct tp_resolv *r)
{
	tp_strv_free(&r->search);
	tp_strv_free(&r->options);
	r->n_ns = 0;
}

static int put_list(struct tp_buf *out, const char *keyword, const struct tp_strv *l)
{
	size_t i;

	if (l->n == 1 && strcmp(l->v[0], ".") == 0)
		return 0;
	if (tp_buf_puts(out, keyword) < 0)
		return -1;
	for (i = 0; i < l->n; i++)
		if (tp_buf_printf(out, " %s", l->v[i]) < 0)
			return -1;
	return tp_buf_putc(out, '\n');
}

/* 'n'ameserver, 's'earch, 'o'ptions or 0 */
static char line_kind(const char *line)
{
	static const struct {
		const char *word;
		char kind;
	} words[] = {
		{ "nameserver", 'n' }, { "search", 's' }, { "domain", 's' }, { "options", 'o' }
	};
	size_t i, n;

	line += strspn(line, " \t");
	n = strcspn(line, " \t\r");
	for (i = 0; i < TP_ARRAY_SIZE(words); i++)
		if (n == strlen(words[i].word) && strncmp(line, words[i].word, n) == 0)
			return words[i].kind;
	return 0;
}

int tp_resolv_edit(const char *pod, size_t n, const struct tp_resolv_change *c, struct tp_buf *out)
{
	const char *p = pod, *end = pod + n, *raw;
	bool ns = c->ns && c->ns->n, search = c->search && c->search->n;
	bool options = c->options && c->options->n;
	char line[LINE_MAX_BYTES];
	size_t raw_len, i;

	while (pod && next_line(&p, end, line, &raw, &raw_len)) {
		char kind = line_kind(line);

		if ((kind == 'n' && ns) || (kind == 's' && search) || (kind == 'o' && options))
			continue;
		if (tp_buf_put(out, raw, raw_len) < 0)
			return -1;
	}
	if (out->len && out->data[out->len - 1] != '\n' && tp_buf_putc(out, '\n') < 0)
		return -1;
	for (i = 0; ns && i < c->ns->n; i++)
		if (tp_buf_printf(out, "nameserver %s\n", c->ns->v[i]) < 0)
			return -1;
	if (search && put_list(out, "search", c->search) < 0)
		return -1;
	if (options && put_list(out, "options", c->options) < 0)
		return -1;
	return 0;
}

bool tp_add_host_ok(const char *s)
{
	const char *colon = strchr(s, ':');
	unsigned char addr[16];
	const char *c;

	if (!colon || colon == s)
		return false;
	for (c = s; c < colon; c++)
		if (*c <= ' ' || *c == '#' || *c == 127)
			return false;
	return inet_pton(AF_INET, colon + 1, addr) == 1 ||
	       inet_pton(AF_INET6, colon + 1, addr) == 1;
}

/* Lines that every container has of its own: localhost, IPv6's well-known
 * groups, and the line that names the pod itself. */
static bool pod_line_is_its_own(char *line, const char *pod_name)
{
	char *save = NULL, *addr, *name;
	struct in_addr v4;
	struct in6_addr v6;

	line[strcspn(line, "#")] = '\0';
	addr = strtok_r(line, " \t\r", &save);
	if (!addr)
		return true; /* empty or a comment */
	if (inet_pton(AF_INET, addr, &v4) == 1) {
		if (ntohl(v4.s_addr) >> 24 == 127)
			return true;
	} else if (inet_pton(AF_INET6, addr, &v6) == 1) {
		/* ::1, fe00::0, ff02::1 and so on */
		if (IN6_IS_ADDR_LOOPBACK(&v6) || v6.s6_addr[0] >= 0xfe)
			return true;
	} else {
		return true;
	}
	name = strtok_r(NULL, " \t\r", &save);
	if (!name)
		return true;
	for (; name && pod_name && *pod_name; name = strtok_r(NULL, " \t\r", &save))
		if (strcmp(name, pod_name) == 0)
			return true;
	return false;
}

static int put_line(struct tp_buf *out, const char *raw, size_t n)
{
	if (tp_buf_put(out, raw, n) < 0)
		return -1;
	return n && raw[n - 1] == '\n' ? 0 : tp_buf_putc(out, '\n');
}

int tp_hosts_merge(const char *own, size_t own_n, const char *pod, size_t pod_n,
		   const char *pod_name, const struct tp_strv *add, struct tp_buf *out)
{
	const char *p = own, *end = own + own_n, *raw;
	char line[LINE_MAX_BYTES];
	size_t raw_len, i;

	while (own && next_line(&p, end, line, &raw, &raw_len)) {
		if (strcmp(line, HOSTS_MARK) == 0)
			break;
		if (put_line(out, raw, raw_len) < 0)
			return -1;
	}
	if (tp_buf_puts(out, HOSTS_MARK "\n") < 0)
		return -1;
	for (i = 0; add && i < add->n; i++) {
		const char *colon = strchr(add->v[i], ':');

		if (tp_add_host_ok(add->v[i]) &&
		    tp_buf_printf(out, "%s\t%.*s\n", colon + 1, (int)(colon - add->v[i]),
				  add->v[i]) < 0)
			return -1;
	}
	p = pod;
	end = pod + pod_n;
	while (pod && next_line(&p, end, line, &raw, &raw_len)) {
		if (!pod_line_is_its_own(line, pod_name) && put_line(out, raw, raw_len) < 0)
			return -1;
	}
	return 0;
}
