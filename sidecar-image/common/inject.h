/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Method inject-tcp: torsocks' library is preloaded into the programs of the user's container,
 * and sends their connections and questions for names to a SOCKS 5 server on the container's loopback:
 *
 *     program + libtorsocks.so --SOCKS--> 127.0.0.1:TP_INJECT_PORT (ssh, a local forward) === tpdocker-agent socks
 *
 * Libraries and configuration come with the entry gate's volume (gate.h).
 */
#ifndef TP_COMMON_INJECT_H
#define TP_COMMON_INJECT_H

#include "common/gate.h"

#define TP_INJECT_PORT 61319
/* Ours keeps from torsocks what it does not expect (preload/inject.c). */
#define TP_INJECT_PRELOAD     TP_GATE_DIR "/libtpdocker-inject.so:" TP_GATE_DIR "/libtorsocks.so"
#define TP_INJECT_CONFIG      TP_GATE_DIR "/torsocks.conf"

#define TP_INJECT_VAR_PRELOAD "LD_PRELOAD"
#define TP_INJECT_VAR_CONFIG  "TORSOCKS_CONF_FILE"

/* What the library takes: the C library's newest interface that it was linked with (Debian 12's). */
#define TP_INJECT_GLIBC "GLIBC_2.34"

#endif
