/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packet filter rules that go when this process does, however it ends: nftables tables with
 * an owner (Linux 5.12), which is a netlink socket that stays open. A program that is run
 * for a moment (nft) cannot own any, so the library behind it is used, and loaded only here.
 */
#ifndef TP_SIDECAR_OWNRULES_H
#define TP_SIDECAR_OWNRULES_H

#include <stdint.h>

#include "base/err.h"

struct ownrules;

/* NULL ERR: no such library, or not allowed. */
struct ownrules *ownrules_open(struct tp_err *err);
void ownrules_close(struct ownrules *o); /* all of its tables go */
/* nft's commands, all of them or none. */
int ownrules_run(struct ownrules *o, const char *commands, struct tp_err *err);
/* A rule at the end of CHAIN of the table TABLE of family ip: packets marked MARK go to the netfilter queue QUEUE, or on
 * where nobody serves it. nft's own word for it needs another kernel module, which not every kernel has. */
int ownrules_queue(struct ownrules *o, const char *table, const char *chain, uint32_t mark,
		   uint16_t queue, struct tp_err *err);

#endif
