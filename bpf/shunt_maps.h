/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The shunt's maps, what lies in them, and which senders are none of its. */
#pragma once

#include "vmlinux/vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "shunt_abi.h"

#define O_NONBLOCK 04000

/* A and B, without a program: where to redirect to, and where to look. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, SHUNT_FLOWS_MAX);
	__type(key, __u64);
	__type(value, __u64);
} targets SEC(".maps");

/* S, with the verdict below. The key is the flow's id. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, SHUNT_FLOWS_MAX);
	__type(key, __u64);
	__type(value, __u64);
} senders SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SHUNT_FLOWS_MAX);
	__type(key, __u32);
	__type(value, struct shunt_flow);
} flows SEC(".maps");

/* What S carries; the addresses are for probe reads, which cannot fault. */
struct sender {
	__u64 id;
	__u64 target_key;
	__u32 slot;
	__u32 is_short; /* its TCP_NOTSENT_LOWAT is of our making */
	struct tcp_sock *relay;
	struct tcp_sock *target;
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct sender);
} sender_of SEC(".maps");

/* Where S of each slot is, as a number for probe reads: whether it still is what it was. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SHUNT_FLOWS_MAX);
	__type(key, __u32);
	__type(value, __u64);
} sender_at SEC(".maps");

/* What T carries, put there by user space: the flow that leads to it. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct shunt_target);
} target_of SEC(".maps");

static __always_inline int is_blocking(struct sock *sk)
{
	return !(sk->sk_socket->file->f_flags & O_NONBLOCK);
}

#define TCP_NAGLE_CORK 2 /* net/tcp.h */

static __always_inline int is_corked(struct tcp_sock *s)
{
	return !!(BPF_CORE_READ_BITFIELD(s, nonagle) & TCP_NAGLE_CORK);
}

/*
 * What is never redirected: who speaks TLS by the kernel (it would be plain
 * text), wants to be told when its pages or bytes are sent (MSG_ZEROCOPY,
 * SO_TIMESTAMPING), which a captured socket gets wrong, or has bounded its own
 * rate (SO_MAX_PACING_RATE), which the target knows nothing of.
 */
static __always_inline int is_special(struct tcp_sock *s)
{
	struct sock *sk = (struct sock *)s;

	return s->inet_conn.icsk_ulp_ops || sk->sk_tsflags ||
	       sk->sk_max_pacing_rate != ~0UL ||
	       (sk->__sk_common.skc_flags & (1UL << SOCK_ZEROCOPY));
}
