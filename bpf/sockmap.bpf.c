// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The relay in the kernel: what one of the forwarder's two sockets of a
 * connection receives goes to the write queue of the other, and no process
 * wakes up in between.
 *
 * The kernel queues redirected bytes without any limit and charges them to
 * nobody. So the verdict redirects only what the target's send buffer has
 * room for. Else it passes the bytes: they stay charged to the socket that
 * received them, its window closes as it would without us, and user space
 * moves them. It also lets nothing overtake those bytes.
 *
 * It is given each segment as it was queued, and that may begin with bytes
 * that came before: a retransmission that was joined with what followed it
 * (tcp_data_queue(), "partial packet"). recv(2) would skip them, by their
 * numbers; tcp_read_skb() does not. So they are cut off here.
 *
 * The queue before the target is also the one in which bytes wait that are
 * passed on the target itself, uncharged. That is why it has to be short: a
 * backlog that waits for a reader would make the other direction unbounded.
 */
#include "vmlinux/vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "sockmap_abi.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 2 * SOCKMAP_SLOTS);
	__type(key, __u32);
	__type(value, __u64);
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2 * SOCKMAP_SLOTS);
	__type(key, __u32);
	__type(value, struct sockmap_flow);
} flows SEC(".maps");

/* A socket's cookie to its index: a verdict is not told where it was found. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 2 * SOCKMAP_SLOTS);
	__type(key, __u64);
	__type(value, __u32);
} indexes SEC(".maps");

/* Indexes of flows that began to pass. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} spills SEC(".maps");

struct target {
	__u32 write_seq;
	__u32 queued, sndbuf;
	__u32 closed;
};

static __always_inline int look_at_target(__u32 index, struct target *ret)
{
	__u32 key = index ^ 1;
	struct bpf_sock *sk = bpf_map_lookup_elem(&sockets, &key);
	struct tcp_sock *tcp;
	int found = 0;

	if (!sk)
		return 0;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (tcp) {
		struct sock *s = (struct sock *)tcp;

		ret->write_seq = tcp->write_seq;
		ret->queued = (__u32)s->sk_wmem_queued;
		ret->sndbuf = (__u32)s->sk_sndbuf;
		ret->closed = s->__sk_common.skc_state == TCP_CLOSE;
		found = 1;
	}
	bpf_sk_release(sk);
	return found;
}

/* Bytes that were redirected, or moved, and are not yet in the target's queue. */
static __always_inline __u32 backlog(const struct sockmap_flow *flow, const struct target *t)
{
	return (__u32)(flow->redirected + flow->moved) - (t->write_seq - flow->target_seq);
}

static __always_inline int has_room(const struct sockmap_flow *flow, const struct target *t,
				    __u32 len)
{
	__u64 queued = (__u64)t->queued + backlog(flow, t), sndbuf = t->sndbuf;

	/* one segment may be as large as a send buffer that has not grown yet */
	return queued + len + 128 < sndbuf - sndbuf / 4 || queued < sndbuf / 4;
}

/* The number of the first byte that was not seen. */
static __always_inline __u32 next_seq(const struct sockmap_flow *flow)
{
	return flow->first_seq + (__u32)(flow->redirected + flow->passed);
}

/*
 * How many of this segment's bytes were seen before, or -1: some are missing.
 * cb[] is the kernel's own here (struct sk_skb_cb of linux/skmsg.h), and nobody
 * has written to it since TCP did: struct tcp_skb_cb begins with the numbers of
 * the first byte and of the one behind the last, or behind the FIN.
 */
static __always_inline int count_seen(const struct sockmap_flow *flow,
				      const struct __sk_buff *skb)
{
	__u32 begins = skb->cb[0], ends = skb->cb[1];
	int seen = (int)(next_seq(flow) - begins);

	if (ends - begins - skb->len > 1 || seen < 0)
		return -1;
	return seen < (int)skb->len ? seen : (int)skb->len;
}

/* The most that sk_skb_adjust_room() takes, and as often as six segments on lo need. */
#define CUT_MAX 4095
#define CUTS 96

/*
 * Cuts off the first @n bytes. Not to be left to user space: who reads too much
 * is, for the kernel, ahead of what came, and is not told of as much to come.
 * A function of its own, for the verifier to walk its loop once.
 */
__noinline int sockmap_cut(struct __sk_buff *skb, __u32 n)
{
	for (int i = 0; i < CUTS && n; i++) {
		__u32 part = n < CUT_MAX ? n : CUT_MAX;

		/* it makes them linear: memory */
		if (bpf_skb_adjust_room(skb, -(__s32)part, 0, 0) < 0)
			break;
		n -= part;
	}
	return n ? -1 : 0;
}

/* Is the urgent byte among the @len bytes that come next? */
static __always_inline int meets_urgent(struct sockmap_flow *flow, struct tcp_sock *tcp,
					__u32 len)
{
	__u32 next = next_seq(flow);
	__u32 urgent = tcp->urg_seq;

	if (!tcp->urg_data || urgent == flow->urgent_seq || urgent - next >= len)
		return 0;
	flow->urgent_seq = urgent;
	flow->urgent_at = flow->passed + (urgent - next) + 1;
	return 1;
}

SEC("sk_skb/stream_verdict")
int sockmap_verdict(struct __sk_buff *skb)
{
	__u64 cookie = bpf_get_socket_cookie(skb);
	struct bpf_sock *sk = skb->sk;
	struct sockmap_flow *flow;
	struct tcp_sock *tcp;
	struct target t = {};
	__u32 *found, index, len = skb->len;
	__u64 passed;
	int seen;

	/* a FIN that comes alone: redirected it would be an error of the target */
	if (!len)
		return SK_DROP;
	found = bpf_map_lookup_elem(&indexes, &cookie);
	if (!found)
		return SK_PASS;
	index = *found;
	flow = bpf_map_lookup_elem(&flows, &index);
	if (!flow || !sk)
		return SK_PASS;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp)
		goto pass;
	if (!flow->has_first) {
		flow->has_first = 1;
		flow->first_seq = tcp->copied_seq;
		flow->urgent_seq = flow->first_seq - 1;
	}
	seen = count_seen(flow, skb);
	if (seen < 0 || (seen && sockmap_cut(skb, (__u32)seen) < 0))
		flow->broken = 1;
	len = skb->len;
	if (!len)
		return SK_DROP;
	if (meets_urgent(flow, tcp, len) || flow->broken || !flow->has_target ||
	    !look_at_target(index, &t))
		goto pass;
	if (flow->spilling && flow->moved != flow->passed)
		goto pass;
	if (!has_room(flow, &t, len))
		goto pass;
	flow->spilling = 0;
	flow->redirected += len;
	return bpf_sk_redirect_map(skb, &sockets, index ^ 1, 0);
pass:
	flow->spilling = 1;
	/*
	 * User space goes on by itself while there is something to move. A full
	 * barrier: either this sees its last `moved`, or it sees this `passed`.
	 */
	passed = __sync_fetch_and_add(&flow->passed, len);
	if (flow->moved == passed)
		bpf_ringbuf_output(&spills, &index, sizeof(index), 0);
	return SK_PASS;
}

static __always_inline void find_target(__u32 index)
{
	struct sockmap_flow *flow = bpf_map_lookup_elem(&flows, &index);
	struct target t = {};

	if (!flow || !look_at_target(index, &t))
		return;
	flow->target_seq = t.write_seq;
	/* the verdict, on another CPU, passes until it sees this */
	__sync_fetch_and_add(&flow->has_target, 1);
}

/*
 * Run by user space (BPF_PROG_RUN) with the slot in mark, once, when both
 * sockets are in the map and while it writes to neither.
 */
SEC("tc")
int sockmap_begin(struct __sk_buff *skb)
{
	find_target(2 * skb->mark);
	find_target(2 * skb->mark + 1);
	return 0;
}

/* The bytes that wait for the flow's target, with its index in mark. */
SEC("tc")
int sockmap_backlog(struct __sk_buff *skb)
{
	__u32 index = skb->mark;
	struct sockmap_flow *flow = bpf_map_lookup_elem(&flows, &index);
	struct target t = {};

	if (!flow || !flow->has_target || !look_at_target(index, &t) || t.closed)
		return 0;
	return (int)backlog(flow, &t);
}
