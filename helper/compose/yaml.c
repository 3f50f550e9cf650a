/* SPDX-License-Identifier: Apache-2.0 */
#include "compose/yaml.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#include "base/mem.h"
#include "base/text.h"

#define MAX_DEPTH 300 /* more than the JSON reader takes */
#define TEXT_MAX  (16u << 20)

struct tp_yw {
	yaml_emitter_t emitter;
	struct tp_buf text;
	char open[MAX_DEPTH]; /* '{' or '[' for each that is open */
	size_t depth;
	bool replace;	 /* the next container carries !override */
	const char *bad; /* the first thing that went wrong */
};

static int on_output(void *arg, unsigned char *p, size_t n)
{
	struct tp_yw *w = arg;

	return tp_buf_put(&w->text, p, n) == 0;
}

static void emit(struct tp_yw *w, yaml_event_t *e)
{
	if (w->bad)
		yaml_event_delete(e);
	else if (!yaml_emitter_emit(&w->emitter, e)) /* takes the event either way */
		w->bad = w->emitter.problem ? w->emitter.problem : "it is too long";
}

struct tp_yw *tp_yw_new(void)
{
	struct tp_yw *w = tp_calloc(1, sizeof(*w));
	yaml_event_t e;

	w->text = TP_BUF_INIT(TEXT_MAX);
	yaml_emitter_initialize(&w->emitter);
	yaml_emitter_set_output(&w->emitter, on_output, w);
	yaml_emitter_set_unicode(&w->emitter, 1);
	yaml_emitter_set_width(&w->emitter, -1);
	yaml_emitter_set_indent(&w->emitter, 2);
	yaml_stream_start_event_initialize(&e, YAML_UTF8_ENCODING);
	emit(w, &e);
	yaml_document_start_event_initialize(&e, NULL, NULL, NULL, 1);
	emit(w, &e);
	return w;
}

void tp_yw_free(struct tp_yw *w)
{
	if (!w)
		return;
	yaml_emitter_delete(&w->emitter);
	tp_buf_free(&w->text);
	free(w);
}

/* Plain only what no version of YAML, and nobody who reads it, takes for
 * something other than a string. */
static bool is_plain(const char *s)
{
	static const char *const words[] = { "y",    "n",     "yes",  "no",  "on", "off",
					     "true", "false", "null", "inf", "nan" };

	if (!isalpha((unsigned char)*s) && *s != '/')
		return false;
	for (size_t i = 0; i < TP_ARRAY_SIZE(words); i++)
		if (!strcasecmp(s, words[i]))
			return false;
	return s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-")] ==
	       '\0';
}

static void scalar(struct tp_yw *w, const char *s, const char *tag, yaml_scalar_style_t style)
{
	yaml_event_t e;
	size_t n = strlen(s);

	if (!tp_utf8_valid(s, n)) {
		w->bad = "a string is not valid UTF-8";
		return;
	}
	if (!yaml_scalar_event_initialize(&e, NULL, (const yaml_char_t *)tag,
					  (const yaml_char_t *)s, (int)n, !tag, !tag, style)) {
		w->bad = "out of memory";
		return;
	}
	emit(w, &e);
}

static void text(struct tp_yw *w, const char *s)
{
	scalar(w, s, NULL, is_plain(s) ? YAML_PLAIN_SCALAR_STYLE : YAML_DOUBLE_QUOTED_SCALAR_STYLE);
}

static void before_value(struct tp_yw *w, const char *key)
{
	char in = w->depth ? w->open[w->depth - 1] : '\0';

	if ((in == '{') != (key != NULL))
		w->bad = "a key where none belongs, or none where one does";
	else if (key)
		text(w, key);
}

static void push(struct tp_yw *w, char c)
{
	if (w->depth == MAX_DEPTH)
		w->bad = "nested too deep";
	else
		w->open[w->depth++] = c;
}

static const yaml_char_t *take_tag(struct tp_yw *w)
{
	bool replace = w->replace;

	w->replace = false;
	return (const yaml_char_t *)(replace ? "!override" : NULL);
}

void tp_yw_map(struct tp_yw *w, const char *key)
{
	const yaml_char_t *tag = take_tag(w);
	yaml_event_t e;

	before_value(w, key);
	yaml_mapping_start_event_initialize(&e, NULL, tag, !tag, YAML_BLOCK_MAPPING_STYLE);
	emit(w, &e);
	push(w, '{');
}

static void begin_list(struct tp_yw *w, const char *key, yaml_sequence_style_t style)
{
	const yaml_char_t *tag = take_tag(w);
	yaml_event_t e;

	before_value(w, key);
	yaml_sequence_start_event_initialize(&e, NULL, tag, !tag, style);
	emit(w, &e);
	push(w, '[');
}

void tp_yw_list(struct tp_yw *w, const char *key)
{
	begin_list(w, key, YAML_BLOCK_SEQUENCE_STYLE);
}

void tp_yw_line(struct tp_yw *w, const char *key)
{
	begin_list(w, key, YAML_FLOW_SEQUENCE_STYLE);
}

void tp_yw_end(struct tp_yw *w)
{
	yaml_event_t e;

	if (!w->depth) {
		w->bad = "nothing is open";
		return;
	}
	if (w->open[--w->depth] == '{')
		yaml_mapping_end_event_initialize(&e);
	else
		yaml_sequence_end_event_initialize(&e);
	emit(w, &e);
}

void tp_yw_str(struct tp_yw *w, const char *key, const char *s)
{
	before_value(w, key);
	if (s)
		text(w, s);
	else
		scalar(w, "null", NULL, YAML_PLAIN_SCALAR_STYLE);
}

void tp_yw_int(struct tp_yw *w, const char *key, int64_t v)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%" PRId64, v);
	before_value(w, key);
	scalar(w, digits, NULL, YAML_PLAIN_SCALAR_STYLE);
}

void tp_yw_bool(struct tp_yw *w, const char *key, bool v)
{
	before_value(w, key);
	scalar(w, v ? "true" : "false", NULL, YAML_PLAIN_SCALAR_STYLE);
}

/* A number keeps its letters, whatever size it has. */
static void number(struct tp_yw *w, const char *key, const struct tp_json *v)
{
	TP_AUTO_JW *j = tp_jw_new();
	tp_autofree char *letters = NULL;

	tp_jw_value(j, NULL, v);
	letters = tp_jw_finish(j, NULL, NULL);
	before_value(w, key);
	scalar(w, letters ? letters : "0", NULL, YAML_PLAIN_SCALAR_STYLE);
}

static bool is_short(const struct tp_json *list)
{
	size_t total = 0;

	for (size_t i = 0; i < tp_json_len(list); i++) {
		const char *s = tp_json_str(tp_json_at(list, i));

		if (!s)
			return false;
		total += strlen(s) + 4;
	}
	return total < 70;
}

void tp_yw_value(struct tp_yw *w, const char *key, const struct tp_json *v)
{
	enum tp_json_type type = tp_json_type(v);

	switch (type) {
	case TP_JSON_NULL:
		tp_yw_str(w, key, NULL);
		return;
	case TP_JSON_BOOL:
		tp_yw_bool(w, key, tp_json_bool_at(v, "", false));
		return;
	case TP_JSON_INT:
	case TP_JSON_REAL:
		number(w, key, v);
		return;
	case TP_JSON_STRING:
		tp_yw_str(w, key, tp_json_str(v));
		return;
	case TP_JSON_ARRAY:
		if (is_short(v))
			tp_yw_line(w, key);
		else
			tp_yw_list(w, key);
		break;
	case TP_JSON_OBJECT:
		tp_yw_map(w, key);
		break;
	}
	for (size_t i = 0; i < tp_json_len(v); i++)
		tp_yw_value(w, tp_json_key(v, i), tp_json_at(v, i));
	tp_yw_end(w);
}

void tp_yw_reset(struct tp_yw *w, const char *key)
{
	before_value(w, key);
	scalar(w, "null", "!reset", YAML_PLAIN_SCALAR_STYLE);
}

void tp_yw_override(struct tp_yw *w)
{
	w->replace = true;
}

int tp_yw_finish(struct tp_yw *w, struct tp_buf *out, struct tp_err *err)
{
	yaml_event_t e;

	if (w->depth)
		w->bad = "something is still open";
	yaml_document_end_event_initialize(&e, 1);
	emit(w, &e);
	yaml_stream_end_event_initialize(&e);
	emit(w, &e);
	if (!w->bad && !yaml_emitter_flush(&w->emitter))
		w->bad = "it is too long";
	if (!w->bad && tp_buf_put(out, w->text.data ? w->text.data : "", w->text.len))
		w->bad = "it is too long";
	if (w->bad)
		return tp_err_set(err, TP_ERR_FAILED, "the YAML cannot be written: %s", w->bad);
	return 0;
}
