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
 * one listener. The gate sends one message and gets one back:
 *
 *     gate      "tpdocker-gate 1 TAG", with a descriptor of its mount namespace
 *     listener  "go", or "fail TEXT": TEXT goes to the container's stderr and it ends with 125
 *
 * Whoever holds the descriptor (and may) can mount into the container without
 * a way to its processes. Who listens: sidecar/gates.h.
 */
#ifndef TP_COMMON_GATE_H
#define TP_COMMON_GATE_H

/* Where the gate is, in the sidecar's image and in the user's container: a
 * volume that the engine fills from the image. */
#define TP_GATE_DIR	 "/tpdocker/bin"
#define TP_GATE_PROGRAM	 TP_GATE_DIR "/gate"

#define TP_GATE_HELLO	 "tpdocker-gate 1 "
#define TP_GATE_GO	 "go"
#define TP_GATE_FAIL	 "fail "

#define TP_GATE_NAME_MAX 64   /* bytes of a name, of a tag */
#define TP_GATE_TEXT_MAX 2048 /* bytes of an answer */

#endif
