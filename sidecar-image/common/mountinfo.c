/* SPDX-License-Identifier: Apache-2.0 */
#include "common/mountinfo.h"

#include <string.h>

/* Undoes \040 and the like, in place. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
		    s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	while (*list) {
		size_t len = strcspn(list, ",");

		if (len == n && !memcmp(list, word, n))
			return true;
		list += len + (list[len] == ',');
	}
	return false;
}

/* The next word, ended in place; NULL at the end. An empty one is a word, too:
 * two spaces in a row are an empty source. */
static char *word(char **at)
{
	char *start = *at, *end;

	if (!start)
		return NULL;
	end = strchr(start, ' ');
	if (end)
		*end++ = '\0';
	*at = end;
	return start;
}

/* "36 35 98:0 /root /mount/point options optional... - type source options" */
int tp_mountinfo_line(char *line, struct tp_mountinfo *m)
{
	char *at = line, *options, *w;

	memset(m, 0, sizeof(*m));
	if (!word(&at) || !word(&at) || !word(&at))
		return -1;
	m->root = word(&at);
	m->point = word(&at);
	options = word(&at);
	if (!options)
		return -1;
	while ((w = word(&at)) && strcmp(w, "-"))
		m->shared = m->shared || !strncmp(w, "shared:", 7);
	m->type = w ? word(&at) : NULL;
	m->source = m->type ? word(&at) : NULL;
	if (!m->source)
		return -1;
	unescape(m->root);
	unescape(m->point);
	unescape(m->source);
	m->ro = has_word(options, "ro");
	return m->point[0] == '/' ? 0 : -1;
}

bool tp_path_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	if (n == 1)
		return path[0] == '/';
	return !strncmp(path, dir, n) && (!path[n] || path[n] == '/');
}
