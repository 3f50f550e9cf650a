/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The entry gate: a small static program that takes the place of a user
 * container's entrypoint, waits until the pod's volumes are there, and becomes
 * the entrypoint.
 *
 *     gate NAME[/TAG] PROGRAM [ARG...]
 *
 * NAME is an abstract unix socket (seqpacket) in the network namespace that
 * the container shares with the sidecar; TAG tells containers apart that share
 * one listener. "-" in their place stands for what TPDOCKER_GATE says. The
 * gate sends one message and gets one or two back:
 *
 *     gate      "tpdocker-gate 1 TAG", with a descriptor of its mount namespace
 *     listener  perhaps "env", with a descriptor of a file: the pod's environment, "NAME=VALUE" strings, each with
 *               a NUL behind it. They go into the program's, in the place of the image's own; not HOME, PATH and
 *               HOSTNAME, nor the names in TPDOCKER_OWN (with commas between), which are the user's
 *     listener  "go", or "fail TEXT": TEXT goes to the container's stderr and it ends with 125
 *
 * A NAME of "." (TP_GATE_NOBODY) asks nobody: there is nothing to wait for, only the program to be checked (inject.h).
 *
 * Processes that are started in the container later (docker exec) have only
 * what the container was made with; they can ask for the rest:
 *
 *     gate NAME[/TAG] --env PROGRAM [ARG...]	becomes PROGRAM with the pod's environment
 *     gate NAME[/TAG] --export			prints it for a shell to take in
 *
 *     gate      "tpdocker-env 1 TAG", and the descriptor; the answers are the same, and nothing is mounted
 *
 * Whoever holds the descriptor (and may) can mount into the container without
 * a way to its processes. Who listens: sidecar/gates.h.
 */
#ifndef TP_COMMON_GATE_H
#define TP_COMMON_GATE_H

/* Where the gate is, in the sidecar's image and in the user's container: a
 * volume that the engine fills from the image. */
#define TP_GATE_DIR	"/tpdocker/bin"
#define TP_GATE_PROGRAM TP_GATE_DIR "/gate"

#define TP_GATE_HELLO	"tpdocker-gate 1 "
#define TP_GATE_ASK	"tpdocker-env 1 "
#define TP_GATE_ENV	"env"
#define TP_GATE_GO	"go"
#define TP_GATE_FAIL	"fail "

#define TP_GATE_NOBODY	"."

#define TP_GATE_VAR	"TPDOCKER_GATE"
#define TP_GATE_VAR_OWN "TPDOCKER_OWN"

/* Where the gates of containers that others make ask, unless somebody chose another name. */
#define TP_GATE_NAME	 "tpdocker-gate"
#define TP_GATE_NAME_MAX 64	    /* bytes of a name, of a tag */
#define TP_GATE_TEXT_MAX 2048	    /* bytes of an answer */
#define TP_GATE_ENV_MAX	 (16 << 20) /* bytes of an environment */

#endif
