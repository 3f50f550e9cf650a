/* SPDX-License-Identifier: Apache-2.0 */
/* The values of --expose and its like, and the plan that is made of them. */
#include "tp_test.h"

#include "base/mem.h"
#include "session/ports.h"

/* ------------------------------------------------------------------ values */

static void test_good_values(void **state)
{
	static const struct {
		enum tp_port_kind kind;
		const char *text;
		struct tp_port_side local, remote;
	} good[] = {
		{ TP_PORT_EXPOSE, "8080", { "", 8080, 8080 }, { "", 8080, 8080 } },
		{ TP_PORT_EXPOSE, "8080:80", { "", 8080, 8080 }, { "", 80, 80 } },
		{ TP_PORT_EXPOSE, "8080:80/tcp", { "", 8080, 8080 }, { "", 80, 80 } },
		{ TP_PORT_EXPOSE, "1:65535/TCP", { "", 1, 1 }, { "", 65535, 65535 } },
		{ TP_PORT_EXPOSE, "8000-8010", { "", 8000, 8010 }, { "", 8000, 8010 } },
		{ TP_PORT_EXPOSE, "8000-8010:9000-9010", { "", 8000, 8010 }, { "", 9000, 9010 } },
		{ TP_PORT_EXPOSE, "http", { "http", 0, 0 }, { "http", 0, 0 } },
		{ TP_PORT_EXPOSE, "3000:http", { "", 3000, 3000 }, { "http", 0, 0 } },
		{ TP_PORT_EXPOSE, "a-1:b2", { "a-1", 0, 0 }, { "b2", 0, 0 } },
		{ TP_PORT_FROM_POD, "9000", { "", 9000, 9000 }, { "", 9000, 9000 } },
		{ TP_PORT_TO_POD, "admin", { "admin", 0, 0 }, { "admin", 0, 0 } },
		{ TP_PORT_TO_HOST, "5005:5005", { "", 5005, 5005 }, { "", 5005, 5005 } },
		{ TP_PORT_TO_HOST, "1-3:11-13", { "", 1, 3 }, { "", 11, 13 } },
	};

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(good); i++) {
		struct tp_portspec s;
		struct tp_err err = { 0 };

		assert_ok(tp_portspec_parse(good[i].kind, good[i].text, &s, &err), &err);
		assert_int_equal(s.kind, good[i].kind);
		assert_memory_equal(&s.local, &good[i].local, sizeof(s.local));
		assert_memory_equal(&s.remote, &good[i].remote, sizeof(s.remote));
	}
}

static void test_bad_values(void **state)
{
	static const struct {
		enum tp_port_kind kind;
		const char *text, *says;
	} bad[] = {
		{ TP_PORT_EXPOSE, "", "missing" },
		{ TP_PORT_EXPOSE, ":", "missing" },
		{ TP_PORT_EXPOSE, "80:", "missing" },
		{ TP_PORT_EXPOSE, ":80", "missing" },
		{ TP_PORT_EXPOSE, "0", "no port" },
		{ TP_PORT_EXPOSE, "080", "no port" },
		{ TP_PORT_EXPOSE, "65536", "no port" },
		{ TP_PORT_EXPOSE, "99999999999999999999", "no port" },
		{ TP_PORT_EXPOSE, "-1", "no port" },
		{ TP_PORT_EXPOSE, "+1", "no port" },
		{ TP_PORT_EXPOSE, " 80", "no port" },
		{ TP_PORT_EXPOSE, "80 ", "no port" },
		{ TP_PORT_EXPOSE, "80-", "no port" },
		{ TP_PORT_EXPOSE, "80-81-82", "no port" },
		{ TP_PORT_EXPOSE, "82-80", "before it begins" },
		{ TP_PORT_EXPOSE, "80-82:80-81", "same length" },
		{ TP_PORT_EXPOSE, "80-82:80", "same length" },
		{ TP_PORT_EXPOSE, "80:http-", "no port" },
		{ TP_PORT_EXPOSE, "http:8000-8001", "same length" },
		{ TP_PORT_EXPOSE, "HTTP", "no port" },
		{ TP_PORT_EXPOSE, "ht--tp", "no port" },
		{ TP_PORT_EXPOSE, "a-name-too-long-", "no port" },
		{ TP_PORT_EXPOSE, "abcdefghijklmnop", "no port" },
		{ TP_PORT_EXPOSE, "127.0.0.1:80:80", "no address" },
		{ TP_PORT_EXPOSE, "53/udp", "only TCP" },
		{ TP_PORT_EXPOSE, "53:53/SCTP", "only TCP" },
		{ TP_PORT_EXPOSE, "80/http", "can only be tcp" },
		{ TP_PORT_EXPOSE, "80/", "can only be tcp" },
		{ TP_PORT_EXPOSE, "80/tcp:80", "can only be tcp" },
		{ TP_PORT_FROM_POD, "80:81", "one port" },
		{ TP_PORT_TO_POD, "80:80", "one port" },
		{ TP_PORT_TO_POD, "x/udp", "only TCP" },
		{ TP_PORT_TO_HOST, "http", "names" },
		{ TP_PORT_TO_HOST, "80:web", "names" },
		{ TP_PORT_TO_HOST, "80:0", "no port" },
	};

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(bad); i++) {
		struct tp_portspec s;
		struct tp_err err = { 0 };

		if (!tp_portspec_parse(bad[i].kind, bad[i].text, &s, &err))
			fail_msg("taken: \"%s\"", bad[i].text);
		assert_int_equal(err.kind, TP_ERR_USAGE);
		assert_contains(err.msg, bad[i].says);
		assert_contains(err.msg, tp_port_option(bad[i].kind));
	}
}

/* -------------------------------------------------------------------- plans */

static const char pod_text[] =
	"{\"containers\":[{\"name\":\"app\",\"ports\":["
	"{\"name\":\"http\",\"containerPort\":8080},{\"name\":\"echo\",\"containerPort\":7007,\"protocol\":\"TCP\"},"
	"{\"name\":\"dns\",\"containerPort\":53,\"protocol\":\"UDP\"},{\"name\":\"http2\",\"containerPort\":8080}]},"
	"{\"name\":\"helper\",\"ports\":[{\"name\":\"admin\",\"containerPort\":8081},{\"containerPort\":5353,\"protocol\":\"UDP\"}]}],"
	"\"initContainers\":[{\"name\":\"once\",\"ports\":[{\"containerPort\":1234}]},"
	"{\"name\":\"mesh\",\"restartPolicy\":\"Always\",\"ports\":[{\"name\":\"proxy\",\"containerPort\":15001}]}]}";

/* "expose=8080:80 to-pod=8081", split. */
struct wants {
	struct tp_strv list[4];
	struct tp_port_wants w;
};

static void wants_set(struct wants *w, const char *text)
{
	static const char *const keys[] = { "expose", "from-pod", "to-pod", "to-host" };
	tp_autofree char *copy = tp_strdup(text);
	char *save = NULL;

	memset(w, 0, sizeof(*w));
	w->w = (struct tp_port_wants){ &w->list[0], &w->list[1], &w->list[2], &w->list[3] };
	for (char *f = strtok_r(copy, " ", &save); f; f = strtok_r(NULL, " ", &save)) {
		char *eq = strchr(f, '=');
		bool known = false;

		*eq = '\0';
		for (size_t i = 0; i < TP_ARRAY_SIZE(keys); i++) {
			if (strcmp(f, keys[i]))
				continue;
			tp_strv_add(&w->list[i], eq + 1);
			known = true;
		}
		assert_true(known);
	}
}

static void wants_free(struct wants *w)
{
	for (size_t i = 0; i < TP_ARRAY_SIZE(w->list); i++)
		tp_strv_free(&w->list[i]);
}

static int plan(const char *text, const char *container, bool declared, struct tp_ports *out,
		struct tp_strv *notes, struct tp_err *err)
{
	TP_AUTO_JSON *spec = tp_json_parse(pod_text, sizeof(pod_text) - 1, err);
	struct tp_port_pod pod = { container ? spec : NULL, container ? container : "agent",
				   declared };
	struct wants w;
	int rc;

	assert_non_null(spec);
	wants_set(&w, text);
	rc = tp_ports_plan(&w.w, &pod, out, notes, err);
	wants_free(&w);
	return rc;
}

/* "E 80>8080" a port, in the letters of Expose, From, To, Host. */
static char *show(const struct tp_ports *p)
{
	TP_AUTO_BUF b = TP_BUF_INIT(1 << 20);

	for (size_t i = 0; i < p->n; i++)
		tp_buf_printf(&b, "%s%c%u>%u%s", i ? " " : "", "EFTH"[p->v[i].kind],
			      p -> v[i].remote, p->v[i].local, p->v[i].said ? "" : "*");
	return tp_buf_steal(&b);
}

static void test_plans(void **state)
{
	static const struct {
		const char *wants, *container;
		bool declared;
		const char *plan;
		size_t notes;
	} cases[] = {
		/* declared ports, each once, and no UDP */
		{ "", "app", true, "E8080>8080* E7007>7007*", 0 },
		{ "", "helper", true, "E8081>8081*", 0 },
		{ "", "app", false, "", 0 },
		{ "", NULL, true, "", 0 },
		/* an explicit one wins, by either of its sides */
		{ "expose=3000:8080", "app", true, "E8080>3000 E7007>7007*", 0 },
		{ "expose=8080:80", "app", true, "E80>8080 E7007>7007*", 1 },
		{ "expose=8080:80 expose=8080", "app", true, "E80>8080 E8080>8080 E7007>7007*", 0 },
		{ "expose=8080", "app", true, "E8080>8080 E7007>7007*", 0 },
		/* names */
		{ "expose=http", "app", false, "E8080>8080", 0 },
		{ "expose=3000:echo", "app", true, "E7007>3000 E8080>8080*", 0 },
		{ "expose=http:80", "app", true, "E80>8080 E7007>7007*", 1 },
		{ "to-pod=admin", "app", false, "T8081>8081", 0 },
		{ "to-pod=proxy", "app", false, "T15001>15001", 0 },
		{ "to-pod=http", "helper", false, "T8080>8080", 0 },
		{ "from-pod=echo", "app", false, "F7007>7007", 0 },
		/* what is exposed everywhere is on the loopback too */
		{ "from-pod=8080", "app", true, "E8080>8080 E7007>7007*", 0 },
		{ "from-pod=9999", "app", true, "F9999>9999 E8080>8080* E7007>7007*", 0 },
		/* ranges */
		{ "expose=1-3:11-13", NULL, false, "E11>1 E12>2 E13>3", 0 },
		{ "to-host=5005 to-host=5006:80", NULL, false, "H5005>5005 H80>5006", 0 },
		{ "to-host=5006:80 to-host=5007:80", NULL, false, "H80>5006 H80>5007", 0 },
		/* another's need of a declared port */
		{ "to-host=8080", "app", true, "H8080>8080 E7007>7007*", 1 },
		{ "to-pod=8080", "app", true, "T8080>8080 E7007>7007*", 1 },
		/* UDP of another container does not count, nor an init container that has ended */
		{ "expose=5353", "app", false, "E5353>5353", 0 },
		{ "expose=1234", "app", false, "E1234>1234", 0 },
		{ "expose=53", "app", false, "E53>53", 0 },
		/* both ways through one local port */
		{ "expose=8080:80 from-pod=8080", NULL, false, "E80>8080 F8080>8080", 0 },
	};

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(cases); i++) {
		struct tp_ports p;
		TP_AUTO_STRV notes = { 0 };
		struct tp_err err = { 0 };
		tp_autofree char *text = NULL;

		assert_ok(plan(cases[i].wants, cases[i].container, cases[i].declared, &p, &notes,
			       &err),
			  &err);
		text = show(&p);
		if (strcmp(text, cases[i].plan) || notes.n != cases[i].notes)
			fail_msg("%s: got \"%s\" and %zu notes", cases[i].wants, text, notes.n);
		tp_ports_free(&p);
	}
}

static void test_clashes(void **state)
{
	static const struct {
		const char *wants, *container;
		const char *says[3];
		bool before; /* refused without knowing the pod */
	} cases[] = {
		{ "expose=8080 expose=8080", "app", { "--expose 8080 is given twice" }, true },
		{ "expose=9090:80 expose=80",
		  "app",
		  { "--expose 80: port 80 of the pod is taken by --expose 9090:80" },
		  true },
		{ "expose=8000-8010 expose=9:8005",
		  "app",
		  { "port 8005 of the pod", "--expose 8000-8010" },
		  true },
		{ "expose=1-3:2-4 expose=9:4", NULL, { "port 4 of the pod" }, true },
		{ "expose=8080 from-pod=8080",
		  "app",
		  { "--from-pod 8080: port 8080 of the pod", "leave the --from-pod out" },
		  true },
		{ "expose=8081 to-pod=8081",
		  NULL,
		  { "--to-pod 8081: port 8081 of the pod", "--expose 8081" },
		  true },
		{ "expose=8081:80 to-pod=8081",
		  NULL,
		  { "port 8081 of the container", "--expose 8081:80" },
		  true },
		{ "from-pod=8081 to-pod=8081", NULL, { "port 8081", "--from-pod 8081" }, true },
		{ "to-pod=8081 to-host=8081:1",
		  NULL,
		  { "--container-to-host 8081:1: port 8081 of the container", "--to-pod 8081" },
		  true },
		{ "expose=5000:1 to-host=5000:2",
		  NULL,
		  { "port 5000 of the container", "--expose 5000:1" },
		  true },
		{ "to-host=1:2 to-host=1:3",
		  NULL,
		  { "port 1 of the container is taken by --container-to-host 1:2" },
		  true },
		{ "to-pod=1 to-pod=1", NULL, { "--to-pod 1 is given twice" }, true },
		/* the pod's own */
		{ "expose=8081",
		  "app",
		  { "--expose 8081: port 8081 of the pod", "container \"helper\"", ":helper" },
		  false },
		{ "expose=3000:15001", "app", { "port 15001", "container \"mesh\"" }, false },
		{ "from-pod=8081",
		  "app",
		  { "--from-pod 8081: port 8081", "\"helper\"", "--to-pod 8081" },
		  false },
		{ "expose=8080 expose=http",
		  "app",
		  { "--expose http: port 8080 of the pod is taken by --expose 8080" },
		  false },
		{ "expose=http to-pod=8080", "app", { "--to-pod 8080: port 8080" }, false },
		/* names that are not there */
		{ "expose=web",
		  "app",
		  { "container \"app\" has no port \"web\"", "http (8080), echo (7007)" },
		  false },
		{ "expose=admin",
		  "app",
		  { "no port \"admin\"", "another container, \"helper\"" },
		  false },
		{ "expose=dns", "app", { "\"dns\" is not TCP" }, false },
		{ "to-pod=http",
		  "app",
		  { "no other container of the pod has a port \"http\"",
		    "swapped container \"app\"", "admin (8081)" },
		  false },
		{ "expose=http", NULL, { "a new agent has no ports with names" }, false },
		{ "expose=80:http", NULL, { "--expose 80:http: a new agent" }, false },
	};

	(void)state;
	for (size_t i = 0; i < TP_ARRAY_SIZE(cases); i++) {
		struct tp_ports p;
		TP_AUTO_STRV notes = { 0 };
		struct tp_err err = { 0 };
		struct wants w;

		if (!plan(cases[i].wants, cases[i].container, true, &p, &notes, &err))
			fail_msg("taken: %s", cases[i].wants);
		assert_int_equal(err.kind, TP_ERR_USAGE);
		for (size_t j = 0; j < 3 && cases[i].says[j]; j++)
			assert_contains(err.msg, cases[i].says[j]);
		assert_int_equal(p.n, 0);
		wants_set(&w, cases[i].wants);
		assert_int_equal(tp_ports_check(&w.w, &err), cases[i].before ? -1 : 0);
		wants_free(&w);
	}
}

static void test_notes(void **state)
{
	struct tp_ports p;
	TP_AUTO_STRV notes = { 0 };
	struct tp_err err = { 0 };

	(void)state;
	assert_ok(plan("expose=8080:80", "app", true, &p, &notes, &err), &err);
	assert_contains(notes.v[0], "port 8080 of the pod");
	assert_contains(notes.v[0], "--expose 8080:80");
	tp_ports_free(&p);
}

static void test_too_many(void **state)
{
	struct tp_ports p;
	TP_AUTO_STRV notes = { 0 };
	struct tp_err err = { 0 };

	(void)state;
	assert_ok(plan("expose=1-1024", NULL, false, &p, &notes, &err), &err);
	assert_int_equal(p.n, 1024);
	assert_true(tp_ports_privileged(&p));
	tp_ports_free(&p);
	assert_int_equal(plan("expose=1-1025", NULL, false, &p, &notes, &err), -1);
	assert_contains(err.msg, "1024");
}

static void test_what_it_says(void **state)
{
	struct tp_ports p;
	TP_AUTO_STRV notes = { 0 };
	struct tp_err err = { 0 };
	tp_autofree char *text = NULL;

	(void)state;
	assert_ok(
		plan("expose=8080:1080 expose=9000-9010 expose=1-2:2001-2002 to-host=5 from-pod=6",
		     NULL, false, &p, &notes, &err),
		&err);
	text = tp_ports_describe(&p);
	assert_string_equal(text, "1080 -> 8080, 9000-9010, 2001-2002 -> 1-2");
	assert_int_equal(tp_ports_count(&p, TP_PORT_EXPOSE), 14);
	assert_false(tp_ports_privileged(&p) && p.v[p.n - 1].kind == TP_PORT_EXPOSE);
	tp_ports_free(&p);
}

/* A pod's spec is what the API server says: other types, holes, huge numbers. */
static void test_odd_pods(void **state)
{
	static const char *const specs[] = {
		"{}",
		"{\"containers\":7}",
		"{\"containers\":[null,{\"name\":\"app\",\"ports\":{\"a\":1}}]}",
		"{\"containers\":[{\"name\":\"app\",\"ports\":[7,{\"containerPort\":\"x\"},{\"containerPort\":70000},"
		"{\"containerPort\":-1},{\"name\":5,\"containerPort\":80},{}]}]}",
	};
	struct wants w;

	(void)state;
	wants_set(&w, "expose=9");
	for (size_t i = 0; i < TP_ARRAY_SIZE(specs); i++) {
		struct tp_err err = { 0 };
		TP_AUTO_JSON *spec = tp_json_parse(specs[i], strlen(specs[i]), &err);
		struct tp_port_pod pod = { spec, "app", true };
		TP_AUTO_STRV notes = { 0 };
		struct tp_ports p;

		assert_non_null(spec);
		assert_ok(tp_ports_plan(&w.w, &pod, &p, &notes, &err), &err);
		assert_int_equal(p.n, i == 3 ? 2 : 1);
		tp_ports_free(&p);
	}
	wants_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_values),  cmocka_unit_test(test_bad_values),
		cmocka_unit_test(test_plans),	     cmocka_unit_test(test_clashes),
		cmocka_unit_test(test_notes),	     cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_what_it_says), cmocka_unit_test(test_odd_pods),
	};

	return cmocka_run_group_tests_name("session ports", tests, NULL, NULL);
}
