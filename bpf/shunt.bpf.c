// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The shunt: the application's own sendmsg() puts its bytes into the write
 * queue of the socket that leads to the receiver, and the relay is skipped.
 *
 * S, the sender, is connected to R, a socket of the forwarder, which relays
 * to T. Three facts make a redirection exact:
 *  - every byte that S ever sent on its own leg was read from R:
 *    write_seq(S) == copied_seq(R), both read under S's lock; nothing can be
 *    under way between two numbers that are equal;
 *  - every byte that was read from R is written to T: `pending` is 0. The
 *    forwarder sets it before it reads and clears it after it has written;
 *  - T has room, so that the push cannot fail and leave S without a wake-up.
 * Otherwise the bytes take S's own leg and ring the forwarder's doorbell.
 */
#include "vmlinux/vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/shunt_capture.h"
#include "bpf/shunt_maps.h"
#include "shunt_abi.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define SEND_SHUTDOWN 2
#define SOL_TCP 6
#define TCP_NOTSENT_LOWAT 25
#define SOCK_SNDBUF_LOCK 1
#define SOCK_NOSPACE 2

/*
 * A push works as long as the queue is below sndbuf and there is memory for
 * it. What has to fail is better left to S's own leg, where it hurts nobody.
 */
static __always_inline int has_room(struct sock *target, __u32 size)
{
	__u64 sndbuf = (__u32)BPF_CORE_READ(target, sk_sndbuf);
	__u64 queued = (__u32)BPF_CORE_READ(target, sk_wmem_queued);

	/* a push failed since there was room last: for want of memory */
	if (BPF_CORE_READ(target, sk_socket, flags) & (1UL << SOCK_NOSPACE))
		return 0;
	return queued + size + 128 < sndbuf - sndbuf / 4;
}

static __always_inline int is_open(struct sock *sk)
{
	return !(BPF_CORE_READ_BITFIELD_PROBED(sk, sk_shutdown) & SEND_SHUTDOWN) &&
	       !BPF_CORE_READ(sk, sk_err);
}

/* The kernel shows a write in pieces of half a megabyte. */
#define LONG_WRITE (256 << 10)

SEC("sk_msg")
int shunt_verdict(struct sk_msg_md *msg)
{
	struct bpf_sock *bpf_sk = msg->sk;
	struct shunt_flow *flow;
	struct sender *sender;
	struct tcp_sock *s, *relay;
	__u8 corked;
	__u32 slot;
	__u64 key;

	if (!bpf_sk)
		return SK_PASS;
	sender = bpf_sk_storage_get(&sender_of, bpf_sk, 0, 0);
	if (!sender)
		return SK_PASS;
	slot = sender->slot;
	flow = bpf_map_lookup_elem(&flows, &slot);
	if (!flow || flow->id != sender->id)
		return SK_PASS;
	s = bpf_skc_to_tcp_sock(bpf_sk);
	if (!s)
		return SK_PASS;
	/* since its capture */
	if (is_special(s) || is_blocking((struct sock *)s)) {
		flow->evict = 1; /* these bytes wake the forwarder, which sees it */
		return SK_PASS;
	}
	if (msg->size > LONG_WRITE && !flow->long_writes)
		flow->long_writes = 1;
	corked = is_corked(s);
	if (flow->corked != corked)
		flow->corked = corked;
	/* a FIN has a number, too: once it is read from R, S would be in step */
	if (!flow->watched ||
	    BPF_CORE_READ_BITFIELD((struct sock *)s, sk_shutdown) & SEND_SHUTDOWN)
		return SK_PASS;
	relay = sender->relay;
	if (s->write_seq != BPF_CORE_READ(relay, copied_seq))
		return SK_PASS;
	/*
	 * A full barrier: `pending` is looked at after copied_seq, and `watched` again
	 * after these bytes were counted. So whoever clears `watched` and then finds that
	 * T has as many bytes as were begun knows that there are no more to come.
	 */
	flow->begun += msg->size;
	if (__sync_fetch_and_add(&flow->pending, 0) || !flow->watched ||
	    !is_open((struct sock *)sender->target) ||
	    !has_room((struct sock *)sender->target, msg->size))
		goto own_leg;
	key = sender->target_key;
	/* a target that is gone leaves SK_PASS in force: no EACCES for the application */
	if (bpf_msg_redirect_hash(msg, &targets, &key, 0) != SK_PASS)
		goto own_leg;
	flow->redirected += msg->size;
	flow->messages++;
	return SK_PASS;

own_leg:
	flow->begun -= msg->size;
	return SK_PASS;
}

/*
 * What only an iterator may do, bpf_setsockopt() on a socket of somebody else.
 * It walks all sockets of the network namespace that it was made in: 1 ms.
 *
 * A push that failed all the same (memory pressure, writers that raced) gave
 * the application EAGAIN although its own socket is writable, so no edge would
 * ever come. TCP_NOTSENT_LOWAT, set to what it is, calls S's sk_write_space: a
 * real EPOLLOUT. (SO_SNDBUF does too, but would be cut to net.core.wmem_max.)
 * Where S's own cgroup has no memory for its bytes, the send fails before the
 * verdict is asked, nobody hears of it, and its empty leg never wakes it: it is
 * looked after when it has been quiet for a while.
 *
 * A queue of megabytes, which a socket on loopback gets from the start, is
 * never empty again under a sender that is faster than the relay, so it would
 * never be in step. TCP_NOTSENT_LOWAT keeps it short, and can be taken back,
 * which SO_SNDBUF cannot (net.core.wmem_max).
 *
 * It must be longer than two segments. sendfile(2), MSG_MORE and TCP_CORK hold
 * back up to one, 65483 bytes on loopback, and tcp_poll() reports room only
 * while twice the unsent bytes are below the limit: under a shorter one, the
 * sender waits for room, and the held-back bytes for what it would send next,
 * until the persist timer ends that after 200 ms.
 */
#define SHORT_QUEUE 147456

/* net.ipv4.tcp_notsent_lowat */
static __always_inline __u32 default_lowat(struct sock *sk)
{
	return BPF_CORE_READ(sk, __sk_common.skc_net.net, ipv4.sysctl_tcp_notsent_lowat);
}

static __always_inline void serve_sender(struct tcp_sock *s, struct sender *sender, __u32 ask)
{
	struct sock *sk = (struct sock *)s;
	int lowat = s->notsent_lowat;

	if (ask == SHUNT_ASK_LOOK &&
	    !(BPF_CORE_READ(sk, sk_socket, flags) & (1UL << SOCK_NOSPACE)))
		return;
	if (ask & SHUNT_ASK_GROW) {
		if (sender->is_short && lowat == SHORT_QUEUE)
			lowat = 0;
		sender->is_short = 0;
	} else if (ask & SHUNT_ASK_SHRINK && !lowat && default_lowat(sk) > SHORT_QUEUE &&
		   !(BPF_CORE_READ_BITFIELD(sk, sk_userlocks) & SOCK_SNDBUF_LOCK)) {
		lowat = SHORT_QUEUE;
		sender->is_short = 1;
	}
	bpf_setsockopt(s, SOL_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof(lowat));
}

/*
 * T sends in S's system call whatever its window allows, up to the receiver's
 * wake-up, so S's CPU does all the work of TCP next to its copy while the
 * receiver's has its copy alone. With few segments in flight T waits for the
 * receiver to read and acknowledge, and sends the next on the receiver's CPU:
 * both carry about the same, and what is copied out is in the cache yet. The
 * limit bites once as much as the window is in flight (tcp_is_cwnd_limited),
 * so not where messages are answered one by one. Only loopback has segments
 * this long; two would do, three leave the sender some slack.
 */
#define LONG_SEGMENT 32768
#define FEW_SEGMENTS 3
#define MANY_SEGMENTS 0x7fffffff /* the kernel's default: TCP_INFINITE_SSTHRESH */

static __always_inline void serve_target(struct tcp_sock *t, __u32 ask)
{
	int segments = ask & SHUNT_ASK_MANY_SEGMENTS ? MANY_SEGMENTS : FEW_SEGMENTS;

	if (t->mss_cache >= LONG_SEGMENT)
		bpf_setsockopt(t, SOL_TCP, TCP_BPF_SNDCWND_CLAMP, &segments,
			       sizeof(segments));
}

/* The flow with this id if somebody asked for any of @what; it is no longer asked for. */
static __always_inline __u32 take_ask(__u32 slot, __u64 id, __u32 what)
{
	struct shunt_flow *flow = bpf_map_lookup_elem(&flows, &slot);

	if (!flow || flow->id != id || !(flow->ask & what))
		return 0;
	return __sync_fetch_and_and(&flow->ask, ~what) & what;
}

/*
 * A sender that has nothing to send may have become what is not redirected:
 * one that blocks now and only reads would notice, and no verdict sees it.
 */
static __always_inline int let_go(struct tcp_sock *s, struct sender *sender)
{
	__u32 slot = sender->slot;
	__u64 id = sender->id;
	struct shunt_flow *flow;

	if (!is_special(s) && !is_blocking((struct sock *)s))
		return 0;
	flow = bpf_map_lookup_elem(&flows, &slot);
	if (flow && flow->id == id)
		flow->captured = 0;
	bpf_map_delete_elem(&senders, &id);
	return 1;
}

SEC("iter/tcp")
int shunt_walk(struct bpf_iter__tcp *ctx)
{
	struct sock_common *skc = ctx->sk_common;
	struct sender *sender;
	struct shunt_target *target;
	struct tcp_sock *tp;
	__u32 ask;

	if (!skc)
		return 0;
	tp = bpf_skc_to_tcp_sock(skc);
	if (!tp)
		return 0;
	sender = bpf_sk_storage_get(&sender_of, tp, 0, 0);
	if (sender) {
		ask = take_ask(sender->slot, sender->id,
			       SHUNT_ASK_EDGE | SHUNT_ASK_SHRINK | SHUNT_ASK_GROW |
				       SHUNT_ASK_LOOK);
		if (ask & SHUNT_ASK_LOOK && let_go(tp, sender))
			ask |= SHUNT_ASK_GROW;
		if (ask)
			serve_sender(tp, sender, ask);
		return 0;
	}
	target = bpf_sk_storage_get(&target_of, tp, 0, 0);
	if (!target)
		return 0;
	ask = take_ask(target->slot, target->id,
		       SHUNT_ASK_FEW_SEGMENTS | SHUNT_ASK_MANY_SEGMENTS);
	if (ask)
		serve_target(tp, ask);
	return 0;
}
