/* SPDX-License-Identifier: Apache-2.0 */
#include "names/store.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define FIRST_BUCKETS 1024 /* a power of two */
#define KINDS	      3

/* An object: its line as it came. */
struct item {
	struct item *next; /* of all */
	struct item **back;
	uint32_t round; /* the listing that it came with */
	uint32_t n;
	char kind;
	char line[];
};

/* Where a key is looked up: several items may have the same. */
struct ref {
	struct ref *next;
	struct item *item;
	uint32_t hash;
};

struct table {
	struct ref **buckets;
	size_t size, n;
};

struct tp_namestore {
	struct item *items;
	size_t n, bytes;
	struct table by_id, by_service, by_address;
	struct {
		uint32_t round;
		bool listed;
		char *ns;     /* NULL: of all */
		char *coming; /* of the listing that has begun */
	} kinds[KINDS];
};

static size_t kind_index(char kind)
{
	return (size_t)(strchr(TP_NAME_KINDS, kind) - TP_NAME_KINDS);
}

/* --------------------------------------------------------------- tables */

/* FNV-1a. Who could choose keys that collide may fill the cluster with Services just as well. */
static uint32_t hash_more(uint32_t h, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)p[i]) * 16777619u;
	return h;
}

static uint32_t hash_two(char kind, struct tp_word a, struct tp_word b)
{
	uint32_t h = hash_more(2166136261u, &kind, 1);

	h = hash_more(h, a.p, a.n);
	h = hash_more(h, " ", 1);
	return hash_more(h, b.p, b.n);
}

static uint32_t hash_one(struct tp_word a)
{
	return hash_more(2166136261u, a.p, a.n);
}

static struct ref **bucket(const struct table *t, uint32_t hash)
{
	return t->size ? &t->buckets[hash & (t->size - 1)] : NULL;
}

static void grow(struct tp_namestore *s, struct table *t)
{
	struct table wider = { .size = t->size ? t->size * 2 : FIRST_BUCKETS, .n = t->n };

	wider.buckets = tp_calloc(wider.size, sizeof(*wider.buckets));
	for (size_t i = 0; i < t->size; i++) {
		struct ref *next;

		for (struct ref *r = t->buckets[i]; r; r = next) {
			struct ref **b = bucket(&wider, r->hash);

			next = r->next;
			r->next = *b;
			*b = r;
		}
	}
	s->bytes += (wider.size - t->size) * sizeof(*wider.buckets);
	free(t->buckets);
	*t = wider;
}

static void add_ref(struct tp_namestore *s, struct table *t, uint32_t hash, struct item *item)
{
	struct ref *r = tp_malloc(sizeof(*r)), **b;

	if (t->n >= t->size)
		grow(s, t);
	b = bucket(t, hash);
	*r = (struct ref){ *b, item, hash };
	*b = r;
	t->n++;
	s->bytes += sizeof(*r);
}

static void drop_ref(struct tp_namestore *s, struct table *t, uint32_t hash,
		     const struct item *item)
{
	struct ref **at = bucket(t, hash);

	while (at && *at) {
		struct ref *r = *at;

		if (r->item == item && r->hash == hash) {
			*at = r->next;
			free(r);
			t->n--;
			s->bytes -= sizeof(*r);
			return;
		}
		at = &r->next;
	}
}

/* ---------------------------------------------------------------- items */

static void parsed(const struct item *item, struct tp_nameline *l)
{
	tp_nameline_parse(item->line, item->n, l); /* it was one when it came */
}

/* An endpoint's address without its host name. */
static struct tp_word address_of(struct tp_word member)
{
	const char *slash = memchr(member.p, '/', member.n);

	if (slash)
		member.n = (size_t)(slash - member.p);
	return member;
}

static void change(struct tp_namestore *s, struct table *t, uint32_t hash, struct item *item,
		   bool add)
{
	if (add)
		add_ref(s, t, hash, item);
	else
		drop_ref(s, t, hash, item);
}

/* All places where the item is to be found: put there, or taken away. */
static void index_item(struct tp_namestore *s, struct item *item, bool add)
{
	struct tp_nameline l;
	struct tp_word rest, member;

	parsed(item, &l);
	change(s, &s->by_id, hash_two(l.kind, l.ns, l.name), item, add);
	if (l.kind == TP_NAME_SLICE)
		change(s, &s->by_service, hash_two('s', l.ns, l.service), item, add);
	rest = l.addresses;
	while (tp_word_next(&rest, &member))
		change(s, &s->by_address, hash_one(address_of(member)), item, add);
}

static void drop(struct tp_namestore *s, struct item *item)
{
	index_item(s, item, false);
	*item->back = item->next;
	if (item->next)
		item->next->back = item->back;
	s->n--;
	s->bytes -= sizeof(*item) + item->n;
	free(item);
}

static struct item *find(const struct tp_namestore *s, char kind, struct tp_word ns,
			 struct tp_word name)
{
	uint32_t hash = hash_two(kind, ns, name);
	struct ref **at = bucket(&s->by_id, hash);

	for (struct ref *r = at ? *at : NULL; r; r = r->next) {
		struct tp_nameline l;

		if (r->hash != hash || r->item->kind != kind)
			continue;
		parsed(r->item, &l);
		if (tp_word_is(l.ns, ns.p, ns.n) && tp_word_is(l.name, name.p, name.n))
			return r->item;
	}
	return NULL;
}

static int put(struct tp_namestore *s, const struct tp_nameline *l, const char *p, size_t n)
{
	struct item *old = find(s, l->kind, l->ns, l->name), *item;

	if (!old && s->n >= TP_NAMES_MAX)
		return -1;
	item = tp_malloc(sizeof(*item) + n);
	item->kind = l->kind;
	item->round = s->kinds[kind_index(l->kind)].round;
	item->n = (uint32_t)n;
	memcpy(item->line, p, n);
	if (old)
		drop(s, old);
	item->next = s->items;
	item->back = &s->items;
	if (item->next)
		item->next->back = &item->next;
	s->items = item;
	s->n++;
	s->bytes += sizeof(*item) + n;
	index_item(s, item, true);
	return 0;
}

static void begin(struct tp_namestore *s, const struct tp_nameline *l)
{
	size_t k = kind_index(l->kind);

	s->kinds[k].round++;
	free(s->kinds[k].coming);
	s->kinds[k].coming = tp_word_is(l->ns, "*", 1) ? NULL : tp_strndup(l->ns.p, l->ns.n);
}

static void end(struct tp_namestore *s, char kind)
{
	size_t k = kind_index(kind);
	struct item *next;

	for (struct item *i = s->items; i; i = next) {
		next = i->next;
		if (i->kind == kind && i->round != s->kinds[k].round)
			drop(s, i);
	}
	free(s->kinds[k].ns);
	s->kinds[k].ns = s->kinds[k].coming;
	s->kinds[k].coming = NULL;
	s->kinds[k].listed = true;
}

/* --------------------------------------------------------------- public */

struct tp_namestore *tp_names_new(void)
{
	return tp_calloc(1, sizeof(struct tp_namestore));
}

void tp_names_free(struct tp_namestore *s)
{
	if (!s)
		return;
	while (s->items)
		drop(s, s->items);
	free(s->by_id.buckets);
	free(s->by_service.buckets);
	free(s->by_address.buckets);
	for (size_t k = 0; k < KINDS; k++) {
		free(s->kinds[k].ns);
		free(s->kinds[k].coming);
	}
	free(s);
}

int tp_names_line(struct tp_namestore *s, const char *p, size_t n)
{
	struct tp_nameline l;
	struct item *item;

	if (tp_nameline_parse(p, n, &l) < 0)
		return -1;
	switch (l.what) {
	case TP_NAMELINE_BEGIN:
		begin(s, &l);
		return 0;
	case TP_NAMELINE_END:
		end(s, l.kind);
		return 0;
	case TP_NAMELINE_GONE:
		item = find(s, l.kind, l.ns, l.name);
		if (item)
			drop(s, item);
		return 0;
	case TP_NAMELINE_PUT:
		break;
	}
	return put(s, &l, p, n);
}

size_t tp_names_lines(struct tp_namestore *s, const char *p, size_t n)
{
	size_t bad = 0;

	while (n) {
		const char *end_of_line = memchr(p, '\n', n);
		size_t len = end_of_line ? (size_t)(end_of_line - p) : n;

		if (len && tp_names_line(s, p, len) < 0)
			bad++;
		p += len + (end_of_line != NULL);
		n -= len + (end_of_line != NULL);
	}
	return bad;
}

bool tp_names_knows(const struct tp_namestore *s, const char *kinds, struct tp_word ns)
{
	for (; *kinds; kinds++) {
		size_t k = kind_index(*kinds);
		const char *only = s->kinds[k].ns;

		if (!s->kinds[k].listed || (only && !tp_word_is(ns, only, strlen(only))))
			return false;
	}
	return true;
}

size_t tp_names_count(const struct tp_namestore *s)
{
	return s->n;
}

size_t tp_names_bytes(const struct tp_namestore *s)
{
	return s->bytes;
}

bool tp_names_service(const struct tp_namestore *s, struct tp_word ns, struct tp_word name,
		      struct tp_nameline *out)
{
	const struct item *item = find(s, TP_NAME_SERVICE, ns, name);

	if (item)
		parsed(item, out);
	return item != NULL;
}

void tp_names_slices(const struct tp_namestore *s, struct tp_word ns, struct tp_word service,
		     tp_names_fn *fn, void *arg)
{
	uint32_t hash = hash_two('s', ns, service);
	struct ref **at = bucket(&s->by_service, hash);

	for (struct ref *r = at ? *at : NULL; r; r = r->next) {
		struct tp_nameline l;

		if (r->hash != hash)
			continue;
		parsed(r->item, &l);
		if (tp_word_is(l.ns, ns.p, ns.n) && tp_word_is(l.service, service.p, service.n) &&
		    fn(arg, &l))
			return;
	}
}

static bool has_address(const struct tp_nameline *l, const char *address, size_t n)
{
	struct tp_word rest = l->addresses, member;

	while (tp_word_next(&rest, &member))
		if (tp_word_is(address_of(member), address, n))
			return true;
	return false;
}

void tp_names_at(const struct tp_namestore *s, const char *address, tp_names_fn *fn, void *arg)
{
	struct tp_word w = { address, strlen(address) };
	uint32_t hash = hash_one(w);
	struct ref **at = bucket(&s->by_address, hash);

	for (struct ref *r = at ? *at : NULL; r; r = r->next) {
		struct tp_nameline l;

		if (r->hash != hash)
			continue;
		parsed(r->item, &l);
		if (has_address(&l, w.p, w.n) && fn(arg, &l))
			return;
	}
}
