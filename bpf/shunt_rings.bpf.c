// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Which users send over io_uring? A captured socket refuses IORING_OP_SEND_ZC:
 * sock_map_link() replaces the socket's protocol, which takes SOCK_SUPPORT_ZC
 * from it for good, and io_send_zc() asks for that. No socket tells that it is
 * written to through a ring, but the rings tell what was last submitted.
 *
 * Plain sends count as well: who sends little by IORING_OP_SEND sends much by
 * IORING_OP_SEND_ZC later. So does who accepts, connects or receives over a
 * ring. Who reads and writes files over a ring is not meant.
 *
 * Whatever else a ring sends is redirected as what send(2) sends. Nothing sets
 * SOCK_SUPPORT_ZC again, so who is seen too late cannot be helped. Not seen is a
 * ring that a kernel thread polls once the thread that made it has ended: no
 * task's list has it any more.
 *
 * These are the kernel's own types, and their fields move, so all reads are
 * relocated (CO-RE) and none can fault; a ring that is freed meanwhile yields
 * garbage, which costs a capture at worst. Where a field is missing, the
 * program does not load.
 */
#include "vmlinux/vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "bpf/shunt_uids.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* A kernel that was built without io_uring, on which we may be built, lacks these. */
struct io_ring_ctx___rings {
	unsigned int flags;
	void *sq_sqes;
	unsigned int sq_entries;
	unsigned int cached_sq_head;
} __attribute__((preserve_access_index));

struct io_tctx_node___rings {
	struct io_ring_ctx___rings *ctx;
} __attribute__((preserve_access_index));

struct io_uring_task___rings {
	struct xarray xa;
} __attribute__((preserve_access_index));

struct task_struct___rings {
	struct io_uring_task___rings *io_uring;
} __attribute__((preserve_access_index));

/* include/uapi/linux/io_uring.h */
#define SETUP_SQE128 (1U << 10)
#define SQE_SIZE 64
#define OP_SENDMSG 9
#define OP_RECVMSG 10
#define OP_ACCEPT 13
#define OP_CONNECT 16
#define OP_SEND 26
#define OP_RECV 27
#define OP_SEND_ZC 47
#define OP_SENDMSG_ZC 48

/* Of each ring, those that were submitted last. */
#define ENTRIES_MAX 256

/* Of a task's file descriptors, which takes 1.5 ms. */
#define FILES_MAX 4096

#define S_IFMT 0170000
#define S_IFSOCK 0140000

/* Of a task's rings, which takes some 700 for the first and half as many for another. */
#define STEPS_MAX (1 << 17)

struct ring {
	const __u8 *entries;
	__u32 size; /* of an entry */
	__u32 mask;
	__u32 head; /* behind the last one */
	__u32 sends;
};

static __always_inline int is_of_sockets(__u8 opcode)
{
	return opcode == OP_SEND || opcode == OP_SENDMSG || opcode == OP_SEND_ZC ||
	       opcode == OP_SENDMSG_ZC || opcode == OP_RECV || opcode == OP_RECVMSG ||
	       opcode == OP_ACCEPT || opcode == OP_CONNECT;
}

static long look_at_entry(__u32 i, struct ring *ring)
{
	__u32 at = (ring->head - 1 - i) & ring->mask;
	__u8 opcode = 0;

	bpf_probe_read_kernel(&opcode, sizeof(opcode), ring->entries + (__u64)at * ring->size);
	ring->sends = is_of_sockets(opcode);
	return ring->sends != 0;
}

/*
 * Entries stay as they are until the application writes the next one there.
 * Nothing says which of them were ever used: the others are zero, IORING_OP_NOP.
 */
static __always_inline int sends(struct io_ring_ctx___rings *ctx)
{
	__u32 n = BPF_CORE_READ(ctx, sq_entries);
	struct ring ring = {
		.entries = BPF_CORE_READ(ctx, sq_sqes),
		.size = BPF_CORE_READ(ctx, flags) & SETUP_SQE128 ? 2 * SQE_SIZE : SQE_SIZE,
		.mask = n - 1,
		.head = BPF_CORE_READ(ctx, cached_sq_head),
	};

	if (!ring.entries || !ring.head)
		return 0;
	bpf_loop(n < ENTRIES_MAX ? n : ENTRIES_MAX, look_at_entry, &ring, 0);
	return ring.sends;
}

/* Where the search of a task's xarray is: lib/xarray.c. */
struct search {
	struct xa_node *node;
	__u32 slot;
	__u32 sends;
};

/*
 * 0, which the verifier must not know: that of Linux 6.1 sees the body of
 * bpf_loop() run once, and drops what this first run does not reach.
 */
static volatile __u32 first_slot;

#define SLOTS (bpf_core_field_size(((struct xa_node *)0)->slots) / sizeof(void *))

static __always_inline int is_node(__u64 entry)
{
	return (entry & 3) == 2 && entry > 4096;
}

static long take_step(__u32 i, struct search *search)
{
	struct xa_node *node = search->node;
	__u64 entry = 0;

	if (search->slot >= SLOTS) {
		search->slot = BPF_CORE_READ(node, offset) + 1;
		search->node = BPF_CORE_READ(node, parent);
		return search->node == 0;
	}
	bpf_probe_read_kernel(&entry, sizeof(entry), &node->slots[search->slot]);
	search->slot++;
	if (is_node(entry)) {
		search->node = (void *)(entry - 2);
		search->slot = 0;
	} else if (entry && !(entry & 3)) {
		search->sends =
			sends(BPF_CORE_READ((struct io_tctx_node___rings *)entry, ctx));
	}
	return search->sends != 0;
}

/*
 * The rings that a task has made or submitted to. `last` in the same struct is
 * only one of them, and none that a kernel thread polls (IORING_SETUP_SQPOLL).
 */
static __always_inline int is_sender(struct io_uring_task___rings *rings)
{
	__u64 head = (__u64)BPF_CORE_READ(rings, xa.xa_head);
	struct search search = { .node = (void *)(head - 2), .slot = first_slot };

	if (!is_node(head))
		return 0;
	bpf_loop(STEPS_MAX, take_step, &search, 0);
	return search.sends;
}

static __always_inline struct net *netns_of(struct task_struct *task)
{
	return BPF_CORE_READ(task, nsproxy, net_ns);
}

/*
 * A socket has the fsuid of who made or accepted it, and a task may have
 * changed its own since; what it keeps of it is in the others.
 */
static __always_inline __u64 users_of(struct task_struct *task)
{
	const struct cred *cred = BPF_CORE_READ(task, cred);

	return shunt_uid_bit(BPF_CORE_READ(cred, uid.val)) |
	       shunt_uid_bit(BPF_CORE_READ(cred, euid.val)) |
	       shunt_uid_bit(BPF_CORE_READ(cred, suid.val)) |
	       shunt_uid_bit(BPF_CORE_READ(cred, fsuid.val));
}

struct files {
	struct file **list;
	struct net *net;
	__u64 users;
};

static long look_at_file(__u32 i, struct files *files)
{
	struct file *file = 0;
	struct socket *socket;
	struct sock *sk;

	bpf_probe_read_kernel(&file, sizeof(file), &files->list[i]);
	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	sk = BPF_CORE_READ(socket, sk);
	if (sk && BPF_CORE_READ(sk, __sk_common.skc_net.net) == files->net)
		files->users |= shunt_uid_bit(BPF_CORE_READ(sk, sk_uid.val));
	return 0;
}

/*
 * The users of the sockets of @net that a task has open: who made them may have been another
 * user, or this one in another network namespace, or before it dropped its ids.
 */
static __always_inline __u64 users_of_files(struct task_struct *task, struct net *net)
{
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct files files = { .list = BPF_CORE_READ(table, fd), .net = net };
	__u32 n = BPF_CORE_READ(table, max_fds);

	if (files.list)
		bpf_loop(n < FILES_MAX ? n : FILES_MAX, look_at_file, &files, 0);
	return files.users;
}

/*
 * Prints, for each task that sends over a ring, the set of those users whose sockets in the
 * reader's network namespace it may send to.
 */
SEC("iter/task")
int shunt_rings(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct io_uring_task___rings *rings;
	struct net *net;
	__u64 users;

	if (!task)
		return 0;
	rings = BPF_CORE_READ((struct task_struct___rings *)task, io_uring);
	if (!rings || !is_sender(rings))
		return 0;
	net = netns_of((void *)bpf_get_current_task());
	users = users_of_files(task, net);
	/* of the sockets that its rings have and it has not open, this tells */
	if (netns_of(task) == net)
		users |= users_of(task);
	if (users)
		bpf_seq_write(ctx->meta->seq, &users, sizeof(users));
	return 0;
}
