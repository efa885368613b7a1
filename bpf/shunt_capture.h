/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How a sender gets into `senders`: a program that user space runs finds it by
 * its addresses, and takes it in, or leaves that to an iterator.
 */
#pragma once

#include "vmlinux/vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/shunt_maps.h"
#include "bpf/shunt_uids.h"
#include "shunt_abi.h"

#define AF_INET6 10

/* S's addresses are R's, seen from the other end. Returns the tuple's length. */
static __always_inline __u32 tuple_of_sender(struct tcp_sock *relay,
					     struct bpf_sock_tuple *tuple)
{
	struct sock *r = (struct sock *)relay;
	struct in6_addr far;

	BPF_CORE_READ_INTO(&far, r, __sk_common.skc_v6_daddr);
	if (BPF_CORE_READ(r, __sk_common.skc_family) == AF_INET6 &&
	    !(far.in6_u.u6_addr32[0] == 0 && far.in6_u.u6_addr32[1] == 0 &&
	      far.in6_u.u6_addr32[2] == bpf_htonl(0xffff))) {
		BPF_CORE_READ_INTO(&tuple->ipv6.saddr, r, __sk_common.skc_v6_rcv_saddr);
		__builtin_memcpy(&tuple->ipv6.daddr, &far, sizeof(far));
		tuple->ipv6.sport = bpf_htons(BPF_CORE_READ(r, __sk_common.skc_num));
		tuple->ipv6.dport = BPF_CORE_READ(r, __sk_common.skc_dport);
		return sizeof(tuple->ipv6);
	}
	tuple->ipv4.saddr = BPF_CORE_READ(r, __sk_common.skc_rcv_saddr);
	tuple->ipv4.daddr = BPF_CORE_READ(r, __sk_common.skc_daddr);
	tuple->ipv4.sport = bpf_htons(BPF_CORE_READ(r, __sk_common.skc_num));
	tuple->ipv4.dport = BPF_CORE_READ(r, __sk_common.skc_dport);
	return sizeof(tuple->ipv4);
}

/* Is the slot still that of this flow? A full barrier, after what was read of it or done. */
static __always_inline int is_still(struct shunt_flow *flow, __u64 id)
{
	return __sync_fetch_and_add(&flow->id, 0) == id;
}

/* Puts S into `senders`, which makes the verdict its own. */
static __always_inline int admit(void *s, __u64 id, struct shunt_flow *flow)
{
	if (!is_still(flow, id))
		return SHUNT_NO_FLOW;
	if (bpf_map_update_elem(&senders, &id, s, BPF_NOEXIST))
		return SHUNT_REFUSED;
	/* given up meanwhile: who did it may have looked into `senders` before */
	if (!is_still(flow, id)) {
		bpf_map_delete_elem(&senders, &id);
		return SHUNT_NO_FLOW;
	}
	flow->captured = (__u32)id;
	return SHUNT_CAPTURED;
}

#ifdef CAPTURE_BY_ITERATOR

/* What S carries until shunt_admit() visits it. */
struct arrival {
	__u64 id; /* of its flow, written last */
	__u64 slot;
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct arrival);
} arriving SEC(".maps");

static __always_inline int take_in(struct tcp_sock *s, __u64 id, __u32 slot,
				   struct shunt_flow *flow)
{
	struct arrival *arrival;

	arrival = bpf_sk_storage_get(&arriving, s, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!arrival)
		return SHUNT_REFUSED;
	arrival->slot = slot;
	barrier();
	arrival->id = id;
	return SHUNT_FOUND;
}

/*
 * Captures all sockets in `arriving`, of whichever network namespace, and
 * prints a struct shunt_admission for each. It visits no others, and waits for
 * no socket's lock: the cost does not depend on how many sockets there are.
 */
SEC("iter/bpf_sk_storage_map")
int shunt_admit(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct shunt_admission admission = {};
	struct arrival *arrival = ctx->value;
	struct sock *sk = ctx->sk;
	struct shunt_flow *flow;
	__u32 slot;

	if (!sk || !arrival)
		return 0;
	slot = (__u32)arrival->slot;
	admission.id = arrival->id;
	if (!admission.id)
		return 0;
	flow = bpf_map_lookup_elem(&flows, &slot);
	admission.result = SHUNT_NO_FLOW;
	if (flow)
		admission.result = sk->__sk_common.skc_state == TCP_ESTABLISHED ?
					   admit(sk, admission.id, flow) : SHUNT_ENDING;
	bpf_sk_storage_delete(&arriving, sk);
	if (admission.result != SHUNT_CAPTURED)
		bpf_sk_storage_delete(&sender_of, sk);
	bpf_seq_write(ctx->meta->seq, &admission, sizeof(admission));
	return 0;
}

#else

static __always_inline int take_in(struct tcp_sock *s, __u64 id, __u32 slot,
				   struct shunt_flow *flow)
{
	return admit(s, id, flow);
}

#endif

static __always_inline int is_of_user(struct tcp_sock *s, __u64 users)
{
	return !!(users & shunt_uid_bit(BPF_CORE_READ((struct sock *)s, sk_uid.val)));
}

/* S knows its flow before the verdict can run for it. */
static __always_inline int bind_sender(struct tcp_sock *s, struct shunt_flow *flow,
				       __u64 id, __u64 target_key, __u32 slot,
				       struct tcp_sock *relay, struct tcp_sock *target)
{
	struct sender *sender;
	__u64 *at = bpf_map_lookup_elem(&sender_at, &slot);
	int r;

	sender = bpf_sk_storage_get(&sender_of, s, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!sender || !at)
		return SHUNT_REFUSED;
	*at = (__u64)s;
	sender->id = id;
	sender->slot = slot;
	sender->target_key = target_key;
	sender->relay = relay;
	sender->target = target;
	r = take_in(s, id, slot, flow);
	if (r != SHUNT_CAPTURED && r != SHUNT_FOUND)
		bpf_sk_storage_delete(&sender_of, s);
	return r;
}

/*
 * User space runs this (BPF_PROG_RUN) in the network namespace of S, with the
 * slot in mark, and in cb the flow's id and the users whose sockets are not
 * captured. It finds S by its addresses, in the same time however many sockets
 * the namespace holds, and takes it in where a program of this type may: before
 * Linux 7.3 (bpf/shunt_iter.bpf.c).
 */
SEC("tc")
int shunt_capture(struct __sk_buff *skb)
{
	struct bpf_sock *relay_sk, *target_sk = 0, *sk = 0;
	struct bpf_sock_tuple tuple = {};
	struct tcp_sock *relay, *target, *s;
	struct shunt_flow *flow;
	int r = SHUNT_NO_FLOW;
	__u64 relay_key, target_key, id = skb->cb[0] | (__u64)skb->cb[1] << 32;
	__u64 users = skb->cb[2] | (__u64)skb->cb[3] << 32;
	__u32 slot = skb->mark, len;

	flow = bpf_map_lookup_elem(&flows, &slot);
	if (!flow || !id)
		return SHUNT_NO_FLOW;
	relay_key = flow->relay;
	target_key = flow->target;
	if (!is_still(flow, id))
		return SHUNT_NO_FLOW;
	relay_sk = bpf_map_lookup_elem(&targets, &relay_key);
	if (!relay_sk)
		return SHUNT_NO_FLOW;
	target_sk = bpf_map_lookup_elem(&targets, &target_key);
	if (!target_sk)
		goto out;
	relay = bpf_skc_to_tcp_sock(relay_sk);
	target = bpf_skc_to_tcp_sock(target_sk);
	if (!relay || !target)
		goto out;
	r = SHUNT_NO_SENDER;
	len = tuple_of_sender(relay, &tuple);
	if (len == sizeof(tuple.ipv6))
		sk = bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv6),
					BPF_F_CURRENT_NETNS, 0);
	else
		sk = bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4),
					BPF_F_CURRENT_NETNS, 0);
	/* a listener: its connections are none of those of another machine's client */
	if (!sk || sk->state == TCP_LISTEN)
		goto out;
	s = bpf_skc_to_tcp_sock(sk);
	if (sk->state != TCP_ESTABLISHED)
		r = SHUNT_ENDING;
	else if (!s || is_special(s))
		r = SHUNT_UNSUITABLE;
	else if (is_of_user(s, users))
		r = SHUNT_BY_RING;
	else if (is_blocking((struct sock *)s))
		r = SHUNT_BLOCKING;
	else if (is_corked(s))
		r = SHUNT_CORKED;
	else if (flow->only_drained && s->rcv_nxt != s->copied_seq)
		r = SHUNT_UNREAD;
	else
		r = bind_sender(s, flow, id, target_key, slot, relay, target);
out:
	if (sk)
		bpf_sk_release(sk);
	if (target_sk)
		bpf_sk_release(target_sk);
	bpf_sk_release(relay_sk);
	return r;
}

/*
 * User space runs this with the slot in mark, after S was taken out of
 * `senders`. A system call on S that had begun before keeps it captured to its
 * end: the psock, of which sk_user_data knows, goes with its last user
 * (sk_psock_drop()). Returns 1 when it is gone.
 */
SEC("tc")
int shunt_has_left(struct __sk_buff *skb)
{
	__u32 slot = skb->mark;
	__u64 *at = bpf_map_lookup_elem(&sender_at, &slot);

	return !at || !*at || !BPF_CORE_READ((struct sock *)*at, sk_user_data);
}
