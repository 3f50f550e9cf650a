// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#include "base/json.h"
#include "base/mem.h"
#include "kube/kubeconfig_yaml.h"

/* Deeper than any kubeconfig; extensions may nest a little. */
#define MAX_DEPTH 64

struct tp_kyaml {
	yaml_document_t doc;
	int root;
};

static const yaml_node_t *node_at(const struct tp_kyaml *y, int node)
{
	/* The library's getter takes a non-const document but does not change it. */
	return node > 0 ? yaml_document_get_node((yaml_document_t *)&y->doc, node) : NULL;
}

static size_t node_count(const struct tp_kyaml *y)
{
	return (size_t)(y->doc.nodes.top - y->doc.nodes.start);
}

/* The whole text may hold secrets, and the library frees without wiping. */
static void wipe_scalars(struct tp_kyaml *y)
{
	for (yaml_node_t *n = y->doc.nodes.start; n < y->doc.nodes.top; n++)
		if (n->type == YAML_SCALAR_NODE && n->data.scalar.value)
			tp_wipe(n->data.scalar.value, n->data.scalar.length);
}

void tp_kyaml_free(struct tp_kyaml *y)
{
	if (!y)
		return;
	wipe_scalars(y);
	yaml_document_delete(&y->doc);
	free(y);
}

struct walk {
	const struct tp_kyaml *y;
	const char *name;
	size_t budget; /* visits left */
	struct tp_err *err;
};

/* Visits the tree as a reader that expands aliases would. A few short lines
 * of aliases to aliases can stand for billions of nodes, and a node can
 * contain itself: both must end here and not in a reader. */
static int walk(struct walk *w, int node, unsigned depth)
{
	const yaml_node_t *n = node_at(w->y, node);

	if (!n)
		return 0;
	if (depth > MAX_DEPTH)
		return tp_err_set(
			w->err, TP_ERR_PROTOCOL,
			"%s: line %u: nested more than %d levels deep, or an alias that contains itself",
			w->name, tp_kyaml_line(w->y, node), MAX_DEPTH);
	if (w->budget-- == 0) {
		w->budget = 0;
		return tp_err_set(w->err, TP_ERR_PROTOCOL,
				  "%s: aliases make the document too large", w->name);
	}
	switch (n->type) {
	case YAML_SEQUENCE_NODE:
		for (yaml_node_item_t *i = n->data.sequence.items.start;
		     i < n->data.sequence.items.top; i++)
			if (walk(w, *i, depth + 1))
				return -1;
		break;
	case YAML_MAPPING_NODE:
		for (yaml_node_pair_t *p = n->data.mapping.pairs.start;
		     p < n->data.mapping.pairs.top; p++)
			if (walk(w, p->key, depth + 1) || walk(w, p->value, depth + 1))
				return -1;
		break;
	case YAML_SCALAR_NODE:
		/* "\0" is legal YAML, and would cut a C string silently. */
		if (memchr(n->data.scalar.value, 0, n->data.scalar.length))
			return tp_err_set(w->err, TP_ERR_PROTOCOL,
					  "%s: line %u: a NUL byte in a value", w->name,
					  tp_kyaml_line(w->y, node));
		break;
	default:
		break;
	}
	return 0;
}

struct tp_kyaml *tp_kyaml_load(const char *text, size_t n, const char *name, struct tp_err *err)
{
	struct tp_kyaml *y = tp_calloc(1, sizeof(*y));
	yaml_parser_t p;

	if (!yaml_parser_initialize(&p)) {
		free(y);
		tp_err_set(err, TP_ERR_FAILED, "%s: out of memory", name);
		return NULL;
	}
	yaml_parser_set_input_string(&p, (const unsigned char *)text, n);
	if (!yaml_parser_load(&p, &y->doc)) {
		/* problem is a constant of the library's, never the text */
		const char *what = p.problem ? p.problem : "not YAML";

		if (p.error == YAML_READER_ERROR)
			tp_err_set(err, TP_ERR_PROTOCOL, "%s: byte %zu: %s", name, p.problem_offset,
				   what);
		else
			tp_err_set(err, TP_ERR_PROTOCOL, "%s: line %zu: %s%s%s", name,
				   p.problem_mark.line + 1, what, p.context ? ", " : "",
				   p.context ? p.context : "");
		yaml_parser_delete(&p);
		free(y);
		return NULL;
	}
	yaml_parser_delete(&p);
	y->root = yaml_document_get_root_node(&y->doc) ? 1 : 0;

	struct walk w = { .y = y, .name = name, .budget = 4 * node_count(y) + 10000, .err = err };

	if (walk(&w, y->root, 0)) {
		tp_kyaml_free(y);
		return NULL;
	}
	if (tp_kyaml_is_null(y, y->root)) {
		y->root = 0; /* a file of comments only */
	} else if (!tp_kyaml_is_map(y, y->root)) {
		tp_err_set(err, TP_ERR_PROTOCOL, "%s: not a kubeconfig (no mapping at the top)",
			   name);
		tp_kyaml_free(y);
		return NULL;
	}
	return y;
}

int tp_kyaml_root(const struct tp_kyaml *y)
{
	return y->root;
}

int tp_kyaml_get(const struct tp_kyaml *y, int node, const char *key)
{
	const yaml_node_t *n = node_at(y, node);

	if (!n || n->type != YAML_MAPPING_NODE)
		return 0;
	for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top;
	     p++) {
		const yaml_node_t *k = node_at(y, p->key);

		if (k && k->type == YAML_SCALAR_NODE &&
		    strcmp((const char *)k->data.scalar.value, key) == 0)
			return p->value;
	}
	return 0;
}

bool tp_kyaml_is_map(const struct tp_kyaml *y, int node)
{
	const yaml_node_t *n = node_at(y, node);

	return n && n->type == YAML_MAPPING_NODE;
}

bool tp_kyaml_is_list(const struct tp_kyaml *y, int node)
{
	const yaml_node_t *n = node_at(y, node);

	return n && n->type == YAML_SEQUENCE_NODE;
}

static bool is_plain(const yaml_node_t *n)
{
	return n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       (!n->tag || strcmp((const char *)n->tag, YAML_STR_TAG) == 0);
}

bool tp_kyaml_is_null(const struct tp_kyaml *y, int node)
{
	const yaml_node_t *n = node_at(y, node);

	if (!n)
		return true;
	if (n->type != YAML_SCALAR_NODE || !is_plain(n))
		return false;

	const char *s = (const char *)n->data.scalar.value;

	return !*s || strcmp(s, "~") == 0 || strcmp(s, "null") == 0 || strcmp(s, "Null") == 0 ||
	       strcmp(s, "NULL") == 0;
}

unsigned tp_kyaml_len(const struct tp_kyaml *y, int node)
{
	const yaml_node_t *n = node_at(y, node);

	if (n && n->type == YAML_SEQUENCE_NODE)
		return (unsigned)(n->data.sequence.items.top - n->data.sequence.items.start);
	if (n && n->type == YAML_MAPPING_NODE)
		return (unsigned)(n->data.mapping.pairs.top - n->data.mapping.pairs.start);
	return 0;
}

int tp_kyaml_at(const struct tp_kyaml *y, int node, unsigned i)
{
	const yaml_node_t *n = node_at(y, node);

	if (i >= tp_kyaml_len(y, node))
		return 0;
	if (n->type == YAML_SEQUENCE_NODE)
		return n->data.sequence.items.start[i];
	return n->data.mapping.pairs.start[i].value;
}

const char *tp_kyaml_key(const struct tp_kyaml *y, int node, unsigned i)
{
	const yaml_node_t *n = node_at(y, node);

	if (!n || n->type != YAML_MAPPING_NODE || i >= tp_kyaml_len(y, node))
		return NULL;

	const yaml_node_t *k = node_at(y, n->data.mapping.pairs.start[i].key);

	return k && k->type == YAML_SCALAR_NODE ? (const char *)k->data.scalar.value : NULL;
}

const char *tp_kyaml_str(const struct tp_kyaml *y, int node)
{
	const yaml_node_t *n = node_at(y, node);

	if (!n || n->type != YAML_SCALAR_NODE || tp_kyaml_is_null(y, node))
		return NULL;
	return (const char *)n->data.scalar.value;
}

unsigned tp_kyaml_line(const struct tp_kyaml *y, int node)
{
	const yaml_node_t *n = node_at(y, node);

	return n ? (unsigned)n->start_mark.line + 1 : 0;
}

static void scalar_to_json(struct tp_jw *w, const char *key, const yaml_node_t *n)
{
	const char *s = (const char *)n->data.scalar.value;

	if (is_plain(n)) {
		if (!strcasecmp(s, "true")) {
			tp_jw_bool(w, key, true);
			return;
		}
		if (!strcasecmp(s, "false")) {
			tp_jw_bool(w, key, false);
			return;
		}

		/* A JSON number keeps its letters; YAML's other spellings stay strings. */
		TP_AUTO_JSON *v = tp_json_parse(s, n->data.scalar.length, NULL);
		enum tp_json_type t = tp_json_type(v);

		if (t == TP_JSON_INT || t == TP_JSON_REAL) {
			tp_jw_value(w, key, v);
			return;
		}
	}
	tp_jw_str(w, key, s);
}

static void to_json(struct tp_jw *w, const struct tp_kyaml *y, const char *key, int node)
{
	if (tp_kyaml_is_null(y, node)) {
		tp_jw_null(w, key);
	} else if (tp_kyaml_is_map(y, node)) {
		tp_jw_object(w, key);
		for (unsigned i = 0; i < tp_kyaml_len(y, node); i++)
			if (tp_kyaml_key(y, node, i))
				to_json(w, y, tp_kyaml_key(y, node, i), tp_kyaml_at(y, node, i));
		tp_jw_end(w);
	} else if (tp_kyaml_is_list(y, node)) {
		tp_jw_array(w, key);
		for (unsigned i = 0; i < tp_kyaml_len(y, node); i++)
			to_json(w, y, NULL, tp_kyaml_at(y, node, i));
		tp_jw_end(w);
	} else {
		scalar_to_json(w, key, node_at(y, node));
	}
}

char *tp_kyaml_to_json(const struct tp_kyaml *y, int node, struct tp_err *err)
{
	/* walk() has bounded depth and size when the document was loaded. */
	TP_AUTO_JW *w = tp_jw_new();

	to_json(w, y, NULL, node);
	return tp_jw_finish(w, NULL, err);
}
