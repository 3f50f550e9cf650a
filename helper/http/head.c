/* SPDX-License-Identifier: Apache-2.0 */
/* The head of an HTTP/1.x answer (RFC 9112, 2 to 5). */
#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "http/http.h"

static bool is_token_char(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* "HTTP/1.1 101 Switching Protocols"; the reason is optional. */
static int parse_status(const char *p, size_t n)
{
	static const char want[] = "HTTP/1.";

	if (n < 12 || memcmp(p, want, 7) != 0 || p[7] < '0' || p[7] > '9' || p[8] != ' ')
		return -1;
	for (int i = 9; i < 12; i++)
		if (p[i] < '0' || p[i] > '9')
			return -1;
	if (n > 12 && p[12] != ' ')
		return -1;
	int status = (p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0');
	return status >= 100 ? status : -1;
}

static int parse_field(const char *p, size_t n, struct tp_strv *headers)
{
	const char *colon = memchr(p, ':', n);
	size_t name, from, to = n;

	if (!colon || colon == p)
		return -1;
	name = (size_t)(colon - p);
	/* Also refuses a folded line and space before the colon. */
	for (size_t i = 0; i < name; i++)
		if (!is_token_char((unsigned char)p[i]))
			return -1;
	from = name + 1;
	while (from < to && (p[from] == ' ' || p[from] == '\t'))
		from++;
	while (to > from && (p[to - 1] == ' ' || p[to - 1] == '\t'))
		to--;
	for (size_t i = from; i < to; i++)
		if (p[i] == '\0' || p[i] == '\r')
			return -1;
	if (!headers)
		return 0;

	char *s = tp_malloc(name + 2 + (to - from) + 1);
	for (size_t i = 0; i < name; i++)
		s[i] = (char)(p[i] >= 'A' && p[i] <= 'Z' ? p[i] | 0x20 : p[i]);
	memcpy(s + name, ": ", 2);
	memcpy(s + name + 2, p + from, to - from);
	s[name + 2 + (to - from)] = '\0';
	tp_strv_take(headers, s);
	return 0;
}

/* The next line without its end; NULL if it is not complete. */
static const char *next_line(const char **p, const char *end, size_t *len)
{
	const char *line = *p, *nl = line < end ? memchr(line, '\n', (size_t)(end - line)) : NULL;

	if (!nl)
		return NULL;
	*p = nl + 1;
	*len = (size_t)(nl - line);
	if (*len > 0 && line[*len - 1] == '\r')
		--*len;
	return line;
}

int tp_http_parse_head(const char *p, size_t n, int *status, struct tp_strv *headers)
{
	const char *at = p, *end = p + n, *line;
	size_t len, known = n < 7 ? n : 7;

	/* Says no at the first wrong byte, not at a timeout. */
	if (known > 0 && memcmp(p, "HTTP/1.", known) != 0)
		return -1;
	/* First whether it is all there, so that HEADERS is filled once. */
	do {
		line = next_line(&at, end, &len);
		if (!line)
			return 0;
	} while (len > 0);

	at = p;
	line = next_line(&at, end, &len);
	int code = parse_status(line, len);
	if (code < 0)
		return -1;
	while ((line = next_line(&at, end, &len)) && len > 0)
		if (parse_field(line, len, NULL) < 0)
			return -1;
	int used = (int)(at - p);
	at = p;
	next_line(&at, end, &len);
	while (headers && (line = next_line(&at, end, &len)) && len > 0)
		parse_field(line, len, headers);
	*status = code;
	return used;
}
