/* SPDX-License-Identifier: Apache-2.0 */
#include "session/method.h"

#include <string.h>

#include "session/hostnet.h"
#include "session/inject.h"

bool tp_method_is_auto(const struct tp_session_opts *o)
{
	return o->method && strcmp(o->method, "auto") == 0;
}

const struct tp_method *tp_method_of(const struct tp_session_opts *o)
{
	return o->method && !tp_method_is_auto(o) ? tp_method_find(o->method) : tp_method_at(0);
}

const char *tp_method_engine(const struct tp_method *m, const struct tp_session_opts *o)
{
	if (tp_method_injects(m))
		return "none";
	return m->sshuttle && o->engine && strcmp(o->engine, "sshuttle") == 0 ? "sshuttle" :
										"native";
}

static int engine_check(const struct tp_method *m, const char *engine, struct tp_err *err)
{
	if (strcmp(engine, "sshuttle") && strcmp(engine, "native"))
		return tp_err_set(err, TP_ERR_USAGE,
				  "--engine %s: it is one of native and sshuttle", engine);
	if (!m->sshuttle && strcmp(engine, "sshuttle") == 0)
		return tp_err_set(err, TP_ERR_USAGE,
				  "--engine sshuttle: --method %s is for the native engine alone",
				  m->name);
	return 0;
}

int tp_method_suits(const struct tp_method *m, const struct tp_session_opts *o, struct tp_err *err)
{
	if (m->host_network && tp_hostnet_suits(o, err))
		return -1;
	if (tp_method_injects(m))
		return tp_inject_suits(o, err);
	return o->engine ? engine_check(m, o->engine, err) : 0;
}

int tp_method_check(const struct tp_session_opts *o, struct tp_err *err)
{
	const struct tp_method *m = tp_method_of(o);

	if (!m)
		return tp_err_set(
			err, TP_ERR_USAGE,
			"--method %s: it is one of container, vpn-tcp, teleproxy, inject-tcp and auto",
			o->method);
	return tp_method_suits(m, o, err);
}
