/* SPDX-License-Identifier: Apache-2.0 */
/* What the helper says before "prepare": the session's settings, each checked
 * as it comes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/frame.h"
#include "base/log.h"
#include "base/mem.h"
#include "common/control.h"
#include "names/store.h"
#include "sidecar/sidecar.h"

static int add_to(struct tp_strv *l, const struct tp_frame *f, const char *what, bool ok,
		  struct tp_err *err)
{
	tp_autofree char *text = tp_strndup(f->data, f->len);

	if (!ok || l->n >= MAX_CIDRS)
		return tp_err_set(err, TP_ERR_PROTOCOL, "%s is not as it should be: %.80s", what,
				  text);
	tp_strv_add(l, text);
	return 0;
}

static bool plain_word(const char *w)
{
	for (; *w; w++)
		if ((unsigned char)*w <= ' ' || *w == 127)
			return false;
	return true;
}

static int add_to_pod(struct sidecar *s, const char *text)
{
	char rest;
	unsigned port;

	if (s->n_to_pod == MAX_TO_POD || sscanf(text, "%5u%c", &port, &rest) != 1 || !port ||
	    port > 65535)
		return -1;
	s->to_pod[s->n_to_pod++] = port;
	return 0;
}

/* The ports that the user wants; 0 if F is none of their frames. */
static int port_setting(struct sidecar *s, const struct tp_frame *f, const char *text,
			struct tp_err *err)
{
	int rc = 0;

	if (strcmp(f->name, TP_CTL_EXPOSE) == 0)
		rc = forwards_add(s, text);
	else if (strcmp(f->name, TP_CTL_TO_POD) == 0)
		rc = add_to_pod(s, text);
	else if (strcmp(f->name, TP_CTL_TO_HOST) == 0)
		rc = tohost_add(s, text);
	return rc < 0 ? tp_err_set(err, TP_ERR_PROTOCOL, "%s is not as it should be: %.80s",
				   f->name, text) :
			0;
}

static void take_names(struct sidecar *s, const struct tp_frame *f)
{
	size_t bad;

	if (!s->names)
		s->names = tp_names_new();
	bad = tp_names_lines(s->names, f->data, f->len);
	if (bad)
		tp_warn("%zu lines about the cluster cannot be read", bad);
}

static bool is_cidr(const char *text)
{
	struct subnet net;

	return cidr_parse(text, &net) == 0 || cidr_is_ipv6(text);
}

int sidecar_setting(struct sidecar *s, const struct tp_frame *f, struct tp_err *err)
{
	tp_autofree char *text = tp_strndup(f->data, f->len);
	struct tp_nameserver ns;
	int rc = 0;

	if (strcmp(f->name, TP_CTL_PRIVATE_KEY) == 0) {
		tp_free_secret(s->private_key);
		s->private_key = tp_strndup(f->data, f->len);
	} else if (strcmp(f->name, TP_CTL_NONCE) == 0) {
		free(s->nonce);
		s->nonce = plain_word(text) ? tp_strdup(text) : NULL;
	} else if (strcmp(f->name, TP_CTL_NEVER_PROXY) == 0) {
		rc = add_to(&s->never_proxy, f, "never-proxy", is_cidr(text), err);
	} else if (strcmp(f->name, TP_CTL_ALSO_PROXY) == 0) {
		rc = add_to(&s->also_proxy, f, "also-proxy", is_cidr(text), err);
	} else if (strcmp(f->name, TP_CTL_DNS) == 0) {
		rc = add_to(&s->dns, f, "dns",
			    !strchr(text, '%') && tp_nameserver_parse(&ns, text) == 0, err);
	} else if (strcmp(f->name, TP_CTL_HOST_DNS) == 0) {
		rc = add_to(&s->host_dns, f, "host-dns", is_cidr(text), err);
	} else if (strcmp(f->name, TP_CTL_HOST_RESOLV) == 0) {
		free(s->host_resolv);
		s->host_resolv = tp_strdup(text);
	} else if (strcmp(f->name, TP_CTL_DNS_SEARCH) == 0) {
		rc = add_to(&s->dns_search, f, "dns-search", plain_word(text), err);
	} else if (strcmp(f->name, TP_CTL_DNS_OPTION) == 0) {
		rc = add_to(&s->dns_option, f, "dns-option", plain_word(text), err);
	} else if (strcmp(f->name, TP_CTL_ADD_HOST) == 0) {
		rc = add_to(&s->add_host, f, "add-host", tp_add_host_ok(text), err);
	} else if (strcmp(f->name, TP_CTL_LOCAL_NET) == 0) {
		s->local_net = strcmp(text, "yes") == 0;
	} else if (strcmp(f->name, TP_CTL_METHOD) == 0) {
		s->method = tp_method_find(text);
		if (!s->method)
			rc = tp_err_set(err, TP_ERR_PROTOCOL, "no such method: %.80s", text);
	} else if (strcmp(f->name, TP_CTL_CAPTURE) == 0) {
		rc = add_to(&s->scope, f, "capture", is_cidr(text), err);
	} else if (strcmp(f->name, TP_CTL_CAPTURE_NAME) == 0) {
		rc = add_to(&s->scope_names, f, "capture-name", plain_word(text), err);
	} else if (strcmp(f->name, TP_CTL_DNS_UPSTREAM) == 0) {
		free(s->dns_upstream);
		s->dns_upstream = tp_strdup(text);
	} else if (strcmp(f->name, TP_CTL_MARKER) == 0) {
		s->marking = strcmp(text, "yes") == 0;
	} else if (strcmp(f->name, TP_CTL_NAMES) == 0) {
		take_names(s, f);
	} else if (strcmp(f->name, TP_CTL_ENGINE) == 0) {
		s->native = strcmp(text, "native") == 0;
	} else if (strcmp(f->name, TP_CTL_VERBOSE) == 0) {
		s->verbose = strcmp(text, "yes") == 0;
		tp_log_set_level(s->verbose ? TP_LOG_VERBOSE : TP_LOG_NORMAL);
	} else if (strcmp(f->name, TP_CTL_DOOR) == 0) {
		rc = door_start(s, text, err);
	} else if (strcmp(f->name, TP_CTL_GATES) == 0) {
		rc = hold_listen(s, text, false, err);
	} else if (strcmp(f->name, TP_CTL_GATES_OUTSIDE) == 0) {
		rc = hold_listen(s, text, true, err);
	} else if (strcmp(f->name, TP_CTL_GATE_GO) == 0) {
		rc = hold_answer(s, text, true, err);
	} else if (strcmp(f->name, TP_CTL_GATE_ENV) == 0) {
		rc = hold_env(s, f->data, f->len, err);
	} else if (strcmp(f->name, TP_CTL_SERVING) == 0) {
		s->serving = true;
	} else if (strcmp(f->name, TP_CTL_GATE_FAIL) == 0) {
		rc = hold_answer(s, text, false, err);
	} else {
		rc = port_setting(s, f, text, err);
	}
	/* a frame of a newer helper is passed over */
	tp_wipe(text, strlen(text)); /* it ends where the payload has a NUL */
	return rc;
}
