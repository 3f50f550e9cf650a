/* SPDX-License-Identifier: Apache-2.0 */
/* An override from a project on disk: asks docker compose, the engine and the kubeconfig. */
#ifndef TP_COMPOSE_MAKE_H
#define TP_COMPOSE_MAKE_H

#include "compose/model.h"
#include "session/options.h"

struct tp_compose_make {
	struct tp_session_opts *session; /* context, namespace, kubeconfig, image, ... */
	struct tp_compose_opts project;
	struct tp_strv services; /* --service */
	char *volumes;		 /* sshfs (NULL too) or off */
	bool get_images;	 /* have Compose build or pull those that are missing */
};

/* The text into OUT. 0, or -1 ERR. Nothing is made anywhere. */
int tp_compose_make(const struct tp_compose_make *m, struct tp_buf *out, struct tp_err *err);

#endif
