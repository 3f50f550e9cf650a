/* SPDX-License-Identifier: Apache-2.0 */
#include "sidecar/ownrules.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"

#define LIBRARY "libnftables.so.1"
#define FDS	64 /* how many descriptors are looked at */

struct ownrules {
	void *lib, *ctx;
	int (*run)(void *ctx, const char *commands);
	const char *(*said)(void *ctx);
	void (*done)(void *ctx);
	int fd; /* the library's socket, which is the owner; -1: not found */
	uint32_t seq;
};

static bool is_netfilter(int fd)
{
	int domain = 0, protocol = -1;
	socklen_t len = sizeof(domain);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0)
		return false;
	len = sizeof(protocol);
	return domain == AF_NETLINK &&
	       getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) == 0 &&
	       protocol == NETLINK_NETFILTER;
}

/* The library does not tell which socket is its own: the one that was not there before. */
static int new_one(const bool before[FDS])
{
	for (int fd = 3; fd < FDS; fd++)
		if (!before[fd] && is_netfilter(fd))
			return fd;
	return -1;
}

struct ownrules *ownrules_open(struct tp_err *err)
{
	struct ownrules *o = tp_calloc(1, sizeof(*o));
	void *(*make)(uint32_t flags);
	int (*keep)(void *ctx);
	bool before[FDS];

	o->lib = dlopen(LIBRARY, RTLD_NOW);
	if (!o->lib)
		goto fail;
	*(void **)&make = dlsym(o->lib, "nft_ctx_new");
	*(void **)&keep = dlsym(o->lib, "nft_ctx_buffer_error");
	*(void **)&o->run = dlsym(o->lib, "nft_run_cmd_from_buffer");
	*(void **)&o->said = dlsym(o->lib, "nft_ctx_get_error_buffer");
	*(void **)&o->done = dlsym(o->lib, "nft_ctx_free");
	if (!make || !keep || !o->run || !o->said || !o->done)
		goto fail;
	for (int fd = 3; fd < FDS; fd++)
		before[fd] = is_netfilter(fd);
	o->ctx = make(0);
	if (!o->ctx || keep(o->ctx))
		goto fail;
	o->fd = new_one(before);
	return o;
fail:
	tp_err_set(err, TP_ERR_NOT_FOUND, "the packet filter's library " LIBRARY ": %s",
		   o->lib ? "it is not as it should be" : dlerror());
	ownrules_close(o);
	return NULL;
}

void ownrules_close(struct ownrules *o)
{
	if (!o)
		return;
	if (o->ctx)
		o->done(o->ctx);
	if (o->lib)
		dlclose(o->lib);
	free(o);
}

int ownrules_run(struct ownrules *o, const char *commands, struct tp_err *err)
{
	const char *said;

	if (o->run(o->ctx, commands) == 0)
		return 0;
	said = o->said(o->ctx);
	if (!said || !*said)
		said = "no reason was given";
	return tp_err_set(err, TP_ERR_FAILED, "the packet filter cannot be set: %.*s",
			  (int)strcspn(said, "\n"), said);
}

/* ------------------------------------------------- one rule by hand */

struct message {
	char data[1024] __attribute__((aligned(8)));
	size_t len, at; /* AT: the message that is being written */
};

static void begin(struct message *m, struct ownrules *o, uint16_t type, uint16_t flags,
		  uint16_t res)
{
	struct nlmsghdr nl = { .nlmsg_type = type,
			       .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
			       .nlmsg_seq = ++o->seq };
	struct nfgenmsg nf = { .nfgen_family = NFPROTO_IPV4, .res_id = htons(res) };

	m->at = m->len;
	memcpy(m->data + m->len, &nl, sizeof(nl));
	memcpy(m->data + m->len + sizeof(nl), &nf, sizeof(nf));
	m->len += sizeof(nl) + sizeof(nf);
}

static void end(struct message *m)
{
	uint32_t n = (uint32_t)(m->len - m->at);

	memcpy(m->data + m->at, &n, sizeof(n));
}

static void put(struct message *m, uint16_t type, const void *p, size_t n)
{
	struct nlattr a = { .nla_len = (uint16_t)(NLA_HDRLEN + n), .nla_type = type };

	memset(m->data + m->len, 0, NLA_HDRLEN + NLA_ALIGN(n));
	memcpy(m->data + m->len, &a, sizeof(a));
	memcpy(m->data + m->len + NLA_HDRLEN, p, n);
	m->len += NLA_HDRLEN + NLA_ALIGN(n);
}

static void put_str(struct message *m, uint16_t type, const char *s)
{
	put(m, type, s, strlen(s) + 1);
}

static void put_u32(struct message *m, uint16_t type, uint32_t v)
{
	v = htonl(v);
	put(m, type, &v, sizeof(v));
}

static size_t open_nest(struct message *m, uint16_t type)
{
	size_t at = m->len;

	put(m, type | NLA_F_NESTED, "", 0);
	return at;
}

static void close_nest(struct message *m, size_t at)
{
	uint16_t n = (uint16_t)(m->len - at);

	memcpy(m->data + at, &n, sizeof(n));
}

/* An expression is a name and what belongs to it. */
static void open_expr(struct message *m, const char *name, size_t at[2])
{
	at[0] = open_nest(m, NFTA_LIST_ELEM);
	put_str(m, NFTA_EXPR_NAME, name);
	at[1] = open_nest(m, NFTA_EXPR_DATA);
}

static void close_expr(struct message *m, const size_t at[2])
{
	close_nest(m, at[1]);
	close_nest(m, at[0]);
}

static void put_rule(struct message *m, uint32_t mark, uint16_t queue)
{
	char info[NLA_ALIGN(sizeof(struct xt_NFQ_info_v3)) + 8] = { 0 };
	struct xt_NFQ_info_v3 q = { .queuenum = queue,
				    .queues_total = 1,
				    .flags = NFQ_FLAG_BYPASS };
	size_t list = open_nest(m, NFTA_RULE_EXPRESSIONS), at[2], value;

	open_expr(m, "meta", at);
	put_u32(m, NFTA_META_KEY, NFT_META_MARK);
	put_u32(m, NFTA_META_DREG, NFT_REG_1);
	close_expr(m, at);
	open_expr(m, "cmp", at);
	put_u32(m, NFTA_CMP_SREG, NFT_REG_1);
	put_u32(m, NFTA_CMP_OP, NFT_CMP_EQ);
	value = open_nest(m, NFTA_CMP_DATA);
	put(m, NFTA_DATA_VALUE, &mark, sizeof(mark));
	close_nest(m, value);
	close_expr(m, at);
	open_expr(m, "target", at);
	put_str(m, NFTA_TARGET_NAME, "NFQUEUE");
	put_u32(m, NFTA_TARGET_REV, 3);
	memcpy(info, &q, sizeof(q));
	put(m, NFTA_TARGET_INFO, info, (sizeof(q) + 7) & ~(size_t)7); /* as xtables aligns it */
	close_expr(m, at);
	close_nest(m, list);
}

/* The kernel has answered by the time that the message was sent. */
static int answered(const struct ownrules *o)
{
	char buf[4096] __attribute__((aligned(8)));
	bool told = false;

	for (;;) {
		ssize_t n = recv(o->fd, buf, sizeof(buf), MSG_DONTWAIT);
		const struct nlmsghdr *nl = (const void *)buf;
		struct nlmsgerr e;

		if (n < 0)
			return told ? 0 : -1;
		if ((size_t)n < NLMSG_LENGTH(sizeof(e)) || nl->nlmsg_type != NLMSG_ERROR)
			continue;
		memcpy(&e, buf + NLMSG_HDRLEN, sizeof(e));
		told = true;
		errno = -e.error;
		if (e.error)
			return -1;
	}
}

int ownrules_queue(struct ownrules *o, const char *table, const char *chain, uint32_t mark,
		   uint16_t queue, struct tp_err *err)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct message m = { .len = 0 };

	if (o->fd < 0)
		return tp_err_set(err, TP_ERR_FAILED, "the library's socket cannot be found");
	begin(&m, o, NFNL_MSG_BATCH_BEGIN, 0, NFNL_SUBSYS_NFTABLES);
	end(&m);
	begin(&m, o, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE,
	      NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK, 0);
	put_str(&m, NFTA_RULE_TABLE, table);
	put_str(&m, NFTA_RULE_CHAIN, chain);
	put_rule(&m, mark, queue);
	end(&m);
	begin(&m, o, NFNL_MSG_BATCH_END, 0, NFNL_SUBSYS_NFTABLES);
	end(&m);
	if (sendto(o->fd, m.data, m.len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0 ||
	    answered(o) < 0)
		return tp_err_errno(err, errno, "a netfilter queue");
	return 0;
}
