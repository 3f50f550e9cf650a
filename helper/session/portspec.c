/* SPDX-License-Identifier: Apache-2.0 */
#include "session/portspec.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

static const struct {
	const char *option, *form;
	bool two_sides, names;
} kinds[] = {
	[TP_PORT_EXPOSE] = { "--expose",
			     "LOCAL[:REMOTE], each a port, a range like 8000-8010, or the name of a "
			     "port of the swapped container",
			     true, true },
	[TP_PORT_FROM_POD] = { "--from-pod",
			       "a port, a range like 8000-8010, or the name of a port of the "
			       "swapped container",
			       false, true },
	[TP_PORT_TO_POD] = { "--to-pod",
			     "a port, a range like 8000-8010, or the name of a port of another "
			     "container of the pod",
			     false, true },
	[TP_PORT_TO_HOST] = { "--container-to-host",
			      "CPORT[:HPORT], each a port or a range like 8000-8010", true, false },
};

const char *tp_port_option(enum tp_port_kind kind)
{
	return kinds[kind].option;
}

static int bad(enum tp_port_kind kind, const char *text, const char *why, struct tp_err *err)
{
	tp_err_set(err, TP_ERR_USAGE, "%s %s: %s", kinds[kind].option, text, why);
	return tp_err_hint(err, "%s takes %s", kinds[kind].option, kinds[kind].form);
}

/* The digits at S up to a character that is none; 0 if they are no port. */
static unsigned number(const char **s)
{
	unsigned v = 0;
	const char *p = *s;

	if (*p == '0')
		return 0;
	for (; *p >= '0' && *p <= '9'; p++) {
		v = v * 10 + (unsigned)(*p - '0');
		if (v > 65535)
			return 0;
	}
	*s = p;
	return v;
}

/* As Kubernetes has it: IsValidPortName. */
static bool is_name(const char *s)
{
	bool letter = false;
	size_t n = strlen(s);

	if (!n || n > TP_PORT_NAME_MAX || s[0] == '-' || s[n - 1] == '-' || strstr(s, "--"))
		return false;
	for (size_t i = 0; i < n; i++) {
		bool l = s[i] >= 'a' && s[i] <= 'z';

		if (!l && !(s[i] >= '0' && s[i] <= '9') && s[i] != '-')
			return false;
		letter |= l;
	}
	return letter;
}

/* NULL, or what is wrong with it. */
static const char *side_parse(const char *s, bool names, struct tp_port_side *out)
{
	const char *p = s;

	memset(out, 0, sizeof(*out));
	if (!*s)
		return "a port is missing";
	if (is_name(s)) {
		if (!names)
			return "names are of no use here";
		strcpy(out->name, s);
		return NULL;
	}
	out->from = out->to = number(&p);
	if (out->from && *p == '-') {
		p++;
		out->to = number(&p);
	}
	if (!out->from || !out->to || *p)
		return "that is no port (1 to 65535)";
	if (out->from > out->to)
		return "the range ends before it begins";
	return NULL;
}

static const char *protocol_check(const char *proto)
{
	if (!strcasecmp(proto, "tcp"))
		return NULL;
	if (!strcasecmp(proto, "udp") || !strcasecmp(proto, "sctp"))
		return "only TCP goes through the link between pod and container";
	return "the protocol can only be tcp";
}

int tp_portspec_parse(enum tp_port_kind kind, const char *text, struct tp_portspec *out,
		      struct tp_err *err)
{
	tp_autofree char *copy = tp_strdup(text);
	char *proto = strchr(copy, '/'), *second = NULL;
	const char *why = NULL;

	if (proto) {
		*proto++ = '\0';
		why = protocol_check(proto);
	}
	second = strchr(copy, ':');
	if (second)
		*second++ = '\0';
	if (!why && second && !kinds[kind].two_sides)
		why = "it is one port, the same in the pod and in the container";
	if (!why && second && strchr(second, ':'))
		why = "it is two ports at most; there is no address to choose";
	out->kind = kind;
	if (!why)
		why = side_parse(copy, kinds[kind].names, &out->local);
	if (!why)
		why = second ? side_parse(second, kinds[kind].names, &out->remote) : NULL;
	if (why)
		return bad(kind, text, why, err);
	if (!second)
		out->remote = out->local;
	/* a name is one port, whatever its number will be */
	if (out->local.to - out->local.from != out->remote.to - out->remote.from)
		return bad(kind, text, "the two sides are not of the same length", err);
	return 0;
}
