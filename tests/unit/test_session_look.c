/* SPDX-License-Identifier: Apache-2.0 */
/* Looks at an agent whose link is down, against an API server that says what it is told to. */
#include "tp_test.h"

#include "base/mem.h"
#include "fake_api.h"
#include "session/look.h"

#define LABELS(session) "\"labels\":{\"tpdocker.dev/session\":\"" session "\"}"
#define POD(uid, meta, status)                                                                                   \
	"{\"metadata\":{\"name\":\"p\",\"uid\":\"" uid "\",\"resourceVersion\":\"9\"," meta                      \
	"},\"spec\":{\"restartPolicy\":\"OnFailure\",\"containers\":[{\"name\":\"agent\"}]},\"status\":{" status \
	"}}"
#define RUNS(id)                                                                                 \
	"\"phase\":\"Running\",\"containerStatuses\":[{\"name\":\"agent\",\"containerID\":\"" id \
	"\",\"state\":{\"running\":{}}}]"
#define OLD    POD("u1", LABELS("s1"), RUNS("docker://1"))
#define NEWER  POD("u1", LABELS("s1"), RUNS("docker://2"))
#define REMADE POD("u2", LABELS("s1"), RUNS("docker://3"))
#define ENDING                                                                                  \
	POD("u1", LABELS("s1") ",\"deletionTimestamp\":\"x\",\"deletionGracePeriodSeconds\":1", \
	    RUNS("docker://1"))
#define EVICTED \
	POD("u1", LABELS("s1"), "\"phase\":\"Failed\",\"reason\":\"Evicted\",\"message\":\"disk\"")

#define READY(port, key)                                                                         \
	"starting\ntpdocker-agent ready 1 port=" port " user=tpdocker probe=10.0.0.1:5 token=t " \
	"hostkey=ssh-ed25519 " key "\n"
#define OLD_LOG READY("4000", "AAAA")
#define NEW_LOG READY("4001", "BBBB")

#define WORKLOAD(labels)                                                                      \
	"{\"metadata\":{\"name\":\"web\",\"resourceVersion\":\"7\",\"labels\":{" labels "}}," \
	"\"spec\":{\"selector\":{\"matchLabels\":{\"app\":\"web\"}}}}"
#define SWAPPED(session)                           \
	WORKLOAD(                                  \
		"\"tpdocker.dev/swap\":\"" session \
		"\",\"tpdocker.dev/swap-by\":\"eve_at_box\",\"tpdocker.dev/swap-replicas\":\"1\"")

#define OK(text)                                 \
	{                                        \
		.head = "200 OK", .data = (text) \
	}
#define NOT_FOUND                                                              \
	{                                                                      \
		.head = "404 Not Found", .data = "{\"message\":\"not found\"}" \
	}
#define REFUSED(msg)                                                         \
	{                                                                    \
		.head = "403 Forbidden", .data = "{\"message\":\"" msg "\"}" \
	}
/* until the agent's ready line, and the instance behind it */
#define LISTENS(pod, log) OK(pod), OK(pod), OK(log), OK(pod)

struct fixture {
	struct fake_api api;
	struct tp_session s;
	struct tp_session_opts opts;
	struct tp_look look;
	struct tp_err err;
	char gone[300];
	int n_gone;
};

static void on_gone(void *arg, const char *why)
{
	struct fixture *f = arg;

	snprintf(f->gone, sizeof(f->gone), "%s", why);
	f->n_gone++;
}

static void on_progress(void *arg, const char *text)
{
	(void)arg;
	(void)text;
}

static void set_up(struct fixture *f, enum tp_session_mode mode, const struct fake_reply *replies,
		   size_t n)
{
	struct tp_record *r = &f->s.record;

	memset(f, 0, sizeof(*f));
	fake_start(&f->api, replies, n);
	f->s.kube = f->api.k;
	f->s.opts = &f->opts;
	f->s.pod_json = (char *)"{\"metadata\":{\"name\":\"p\"}}";
	f->s.agent_instance = tp_strdup("u1/docker://1");
	assert_int_equal(tp_agent_ready_parse(strchr(OLD_LOG, '\n') + 1, &f->s.agent, &f->err), 1);
	*r = TP_RECORD_INIT;
	strcpy(r->id, "s1");
	r->mode = mode;
	r->by = (char *)"me@here";
	r->pod = (char *)"p";
	r->pod_container = (char *)"agent";
	assert_ok(tp_workload_parse(NULL, "web", &r->workload, NULL, &f->err), &f->err);
	f->look =
		(struct tp_look){ .s = &f->s, .gone = on_gone, .progress = on_progress, .arg = f };
}

/* All that was to be asked was asked. */
static void tear_down(struct fixture *f)
{
	assert_int_equal(f->api.seen, f->api.n);
	tp_look_reset(&f->look);
	free(f->look.ending_uid);
	tp_agent_ready_free(&f->s.agent);
	free(f->s.agent_instance);
	tp_workload_ref_free(&f->s.record.workload);
	fake_stop(&f->api);
}

static int look(struct fixture *f)
{
	memset(&f->err, 0, sizeof(f->err));
	return tp_look_task(&f->look, NULL, &f->err);
}

static void test_same(void **state)
{
	static const struct fake_reply replies[] = { OK(OLD) };
	struct fixture f;

	(void)state;
	set_up(&f, TP_MODE_SWAP, replies, TP_ARRAY_SIZE(replies));
	assert_ok(look(&f), &f.err);
	assert_int_equal(f.look.result, TP_LOOK_SAME);
	assert_int_equal(f.n_gone, 0);
	tear_down(&f);
}

/* The container was killed, and the kubelet has started it again. */
static void test_started_anew(void **state)
{
	static const struct fake_reply replies[] = { OK(NEWER), LISTENS(NEWER, NEW_LOG) };
	struct fixture f;

	(void)state;
	set_up(&f, TP_MODE_NEW, replies, TP_ARRAY_SIZE(replies));
	assert_ok(look(&f), &f.err);
	assert_int_equal(f.look.result, TP_LOOK_ANOTHER);
	assert_int_equal(f.look.ready.port, 4001);
	assert_string_equal(f.look.instance, "u1/docker://2");
	assert_string_equal(f.gone, "was started anew");
	tear_down(&f);
}

/* Which start of it the session met was not known. */
static void test_instance_unknown(void **state)
{
	static const struct fake_reply replies[] = { OK(OLD), LISTENS(OLD, OLD_LOG) };
	struct fixture f;

	(void)state;
	set_up(&f, TP_MODE_NEW, replies, TP_ARRAY_SIZE(replies));
	free(tp_steal(&f.s.agent_instance));
	assert_ok(look(&f), &f.err);
	assert_int_equal(f.look.result, TP_LOOK_SAME);
	assert_string_equal(f.look.instance, "u1/docker://1");
	assert_int_equal(f.n_gone, 0);
	tear_down(&f);
}

static void test_gone(void **state)
{
	static const struct fake_reply replies[] = { NOT_FOUND,
						     OK(SWAPPED("s1")), /* claim */
						     OK("{}"),
						     { .head = "201 Created", .data = REMADE },
						     OK(SWAPPED("s1")), /* still so */
						     LISTENS(REMADE, NEW_LOG) };
	struct fixture f;

	(void)state;
	set_up(&f, TP_MODE_SWAP, replies, TP_ARRAY_SIZE(replies));
	assert_ok(look(&f), &f.err);
	assert_int_equal(f.look.result, TP_LOOK_ANOTHER);
	assert_string_equal(f.gone, "was deleted");
	assert_contains(f.api.requests[2], "\"tpdocker.dev/swap-seen\":\"");
	assert_contains(f.api.requests[3], "POST /api/v1/namespaces/ns/pods ");
	assert_contains(f.api.requests[3], f.s.pod_json);
	tear_down(&f);
}

/* What has ended is removed at once, and only that very pod. */
static void test_evicted(void **state)
{
	static const struct fake_reply replies[] = { OK(EVICTED),
						     OK("{}"),
						     NOT_FOUND,
						     { .head = "201 Created", .data = REMADE },
						     LISTENS(REMADE, NEW_LOG) };
	struct fixture f;

	(void)state;
	set_up(&f, TP_MODE_NEW, replies, TP_ARRAY_SIZE(replies));
	assert_ok(look(&f), &f.err);
	assert_int_equal(f.look.result, TP_LOOK_ANOTHER);
	assert_string_equal(f.gone, "was evicted: disk");
	assert_contains(f.api.requests[1], "DELETE /api/v1/namespaces/ns/pods/p ");
	assert_contains(f.api.requests[1], "\"uid\":\"u1\"");
	assert_contains(f.api.requests[1], "\"gracePeriodSeconds\":0");
	tear_down(&f);
}

/* One that is about to go has its grace; one that hangs does not have it for ever. */
static void test_ending(void **state)
{
	static const struct fake_reply replies[] = {
		OK(ENDING), OK(ENDING), OK("{\"type\":\"DELETED\",\"object\":" ENDING "}\n"),
		REFUSED("exceeded quota: q"),
		/* the next look, long after */
		OK(ENDING), OK("{}"), NOT_FOUND, REFUSED("pods is forbidden: User cannot create")
	};
	struct fixture f;

	(void)state;
	set_up(&f, TP_MODE_NEW, replies, TP_ARRAY_SIZE(replies));
	assert_int_equal(look(&f), -1);
	assert_int_equal(f.err.kind, TP_ERR_FORBIDDEN);
	assert_contains(f.err.msg, "exceeded quota");
	assert_false(f.look.over);
	assert_string_equal(f.look.ending_uid, "u1");
	f.look.ending_ms -= 60000;
	assert_int_equal(look(&f), -1);
	assert_contains(f.api.requests[5], "DELETE /api/v1/namespaces/ns/pods/p ");
	assert_contains(f.api.requests[5], "\"gracePeriodSeconds\":0");
	assert_contains(f.err.msg, "you may not create pods");
	assert_false(f.look.over); /* how often is for the caller to judge */
	tear_down(&f);
}

static void ends_with(const struct fake_reply *replies, size_t n, const char *words)
{
	struct fixture f;

	set_up(&f, TP_MODE_SWAP, replies, n);
	assert_int_equal(look(&f), -1);
	assert_true(f.look.over);
	assert_contains(f.err.msg, words);
	tear_down(&f);
}

/* Nobody's work is undone, and nobody is fought with. */
static void test_taken(void **state)
{
	static const struct fake_reply restored[] = { NOT_FOUND, OK(WORKLOAD("")) };
	static const struct fake_reply swapped[] = { NOT_FOUND, OK(SWAPPED("s2")) };
	static const struct fake_reply deleted[] = { NOT_FOUND, NOT_FOUND };
	static const struct fake_reply late[] = { NOT_FOUND,
						  OK(SWAPPED("s1")),
						  OK("{}"),
						  { .head = "201 Created", .data = REMADE },
						  OK(WORKLOAD("")) };
	static const struct fake_reply foreign[] = { OK(
		POD("u9", LABELS("s2"), RUNS("docker://9"))) };

	(void)state;
	ends_with(restored, TP_ARRAY_SIZE(restored), "deployments/web was restored by somebody");
	ends_with(swapped, TP_ARRAY_SIZE(swapped), "was swapped by eve@box (session s2)");
	ends_with(deleted, TP_ARRAY_SIZE(deleted), "deployments/web was deleted");
	ends_with(late, TP_ARRAY_SIZE(late), "was restored by somebody");
	ends_with(foreign, TP_ARRAY_SIZE(foreign), "another pod has its name");
}

static void test_only_look(void **state)
{
	static const struct fake_reply replies[] = { OK(EVICTED), OK(NEWER), NOT_FOUND };
	struct fixture f;

	(void)state;
	set_up(&f, TP_MODE_SWAP, replies, TP_ARRAY_SIZE(replies));
	f.look.only_look = true;
	assert_ok(look(&f), &f.err);
	assert_int_equal(f.look.result, TP_LOOK_GONE);
	assert_string_equal(f.gone, "was evicted: disk");
	tp_look_reset(&f.look);
	assert_ok(look(&f), &f.err);
	assert_int_equal(f.look.result, TP_LOOK_SAME);
	tp_look_reset(&f.look);
	assert_ok(look(&f), &f.err);
	assert_int_equal(f.look.result, TP_LOOK_GONE);
	assert_int_equal(f.n_gone, 2);
	tear_down(&f);
}

static void test_standing(void **state)
{
	static const struct fake_reply replies[] = { /* none runs yet */
						     NOT_FOUND, OK(WORKLOAD("")),
						     OK("{\"items\":[]}"),
						     /* and then there is no deployment */
						     NOT_FOUND, NOT_FOUND, NOT_FOUND
	};
	struct fixture f;

	(void)state;
	set_up(&f, TP_MODE_EXISTING, replies, TP_ARRAY_SIZE(replies));
	assert_int_equal(look(&f), -1);
	assert_false(f.look.over);
	assert_contains(f.err.msg, "no pod of deployments/web runs");
	assert_contains(f.api.requests[2], "labelSelector=app%3Dweb");
	assert_int_equal(look(&f), -1);
	assert_true(f.look.over);
	assert_contains(f.err.msg, "its workload too");
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_started_anew),
		cmocka_unit_test(test_instance_unknown),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_evicted),
		cmocka_unit_test(test_ending),
		cmocka_unit_test(test_taken),
		cmocka_unit_test(test_only_look),
		cmocka_unit_test(test_standing),
	};

	return cmocka_run_group_tests_name("looks", tests, NULL, NULL);
}
