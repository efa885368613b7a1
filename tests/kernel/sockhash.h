/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sockhash with a verdict of our own, made with bpf(2) alone: these programs
 * are linked with no library, so that a build with BPF=0 has them, too.
 */
#pragma once

#include <linux/bpf.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "kernel/socket.h"

struct verdict {
	int sockets; /* whose bytes the verdict is about */
	int targets; /* without a program; where bytes are redirected to */
	int runs;    /* how often the verdict was run, at 0 */
};

/* Where a verdict that redirects has its target. */
#define TARGET_KEY 1

static inline int bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static inline int map_create(enum bpf_map_type type, uint32_t key_size)
{
	union bpf_attr attr = {
		.map_type = type,
		.key_size = key_size,
		.value_size = sizeof(uint64_t),
		.max_entries = 16,
	};

	return bpf(BPF_MAP_CREATE, &attr);
}

static inline int map_call(enum bpf_cmd cmd, int map, const void *key, void *value)
{
	union bpf_attr attr = {
		.map_fd = (uint32_t)map,
		.key = (uintptr_t)key,
		.value = (uintptr_t)value,
	};

	return bpf(cmd, &attr);
}

/* sockhash_add - Returns 0, or -1 with errno set. */
static inline int sockhash_add(int map, uint64_t key, int fd)
{
	uint64_t value = (uint64_t)fd;

	return map_call(BPF_MAP_UPDATE_ELEM, map, &key, &value);
}

static inline void sockhash_delete(int map, uint64_t key)
{
	MUST(map_call(BPF_MAP_DELETE_ELEM, map, &key, NULL));
}

#define INSN(c, dst, src, o, i)                                                          \
	((struct bpf_insn){ .code = (c), .dst_reg = (dst), .src_reg = (src), .off = (o), \
			    .imm = (i) })
#define INSN_SET(dst, i) INSN(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, i)
#define INSN_COPY(dst, src) INSN(BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0)
#define INSN_ADD(dst, i) INSN(BPF_ALU64 | BPF_ADD | BPF_K, dst, 0, 0, i)
#define INSN_LOAD(dst, src, o) INSN(BPF_LDX | BPF_MEM | BPF_DW, dst, src, o, 0)
#define INSN_STORE(dst, src, o) INSN(BPF_STX | BPF_MEM | BPF_DW, dst, src, o, 0)
#define INSN_STORE_NUMBER(dst, o, i) INSN(BPF_ST | BPF_MEM | BPF_DW, dst, 0, o, i)
#define INSN_SKIP_IF_0(src, n) INSN(BPF_JMP | BPF_JEQ | BPF_K, src, 0, n, 0)
#define INSN_COUNT(dst, src) INSN(BPF_STX | BPF_ATOMIC | BPF_DW, dst, src, 0, BPF_ADD)
#define INSN_CALL(helper) INSN(BPF_JMP | BPF_CALL, 0, 0, 0, helper)
#define INSN_EXIT INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
/* of two instructions' length */
#define INSN_MAP(dst, fd)                                                                \
	INSN(BPF_LD | BPF_IMM | BPF_DW, dst, BPF_PSEUDO_MAP_FD, 0, fd), INSN(0, 0, 0, 0, 0)

/* program_load - Returns a descriptor, or -1 with errno set and what the verifier said told. */
static inline int program_load(union bpf_attr *attr, const struct bpf_insn *insns, size_t n)
{
	static char log[65536];
	int fd;

	attr->insns = (uintptr_t)insns;
	attr->insn_cnt = (uint32_t)n;
	attr->license = (uintptr_t)"Dual BSD/GPL";
	attr->log_level = 1;
	attr->log_buf = (uintptr_t)log;
	attr->log_size = sizeof(log);
	/* a signal may disturb the verifier */
	do
		fd = bpf(BPF_PROG_LOAD, attr);
	while (fd < 0 && errno == EAGAIN);
	if (fd < 0)
		fprintf(stderr, "%s", log);
	return fd;
}

/* Counts its runs; passes, or has @helper redirect. */
static inline int verdict_load(const struct verdict *v, enum bpf_prog_type type, bool redirects)
{
	union bpf_attr attr = { .prog_type = type };
	int helper = type == BPF_PROG_TYPE_SK_MSG ? BPF_FUNC_msg_redirect_hash :
						    BPF_FUNC_sk_redirect_hash;
	const struct bpf_insn insns[] = {
		INSN_COPY(BPF_REG_6, BPF_REG_1),
		INSN_STORE_NUMBER(BPF_REG_10, -8, 0),
		INSN_MAP(BPF_REG_1, v->runs),
		INSN_COPY(BPF_REG_2, BPF_REG_10),
		INSN_ADD(BPF_REG_2, -8),
		INSN_CALL(BPF_FUNC_map_lookup_elem),
		INSN_SKIP_IF_0(BPF_REG_0, 2),
		INSN_SET(BPF_REG_1, 1),
		INSN_COUNT(BPF_REG_0, BPF_REG_1),
		INSN_SET(BPF_REG_0, SK_PASS),
		INSN_SET(BPF_REG_1, redirects),
		INSN_SKIP_IF_0(BPF_REG_1, 8),
		INSN_STORE_NUMBER(BPF_REG_10, -8, TARGET_KEY),
		INSN_COPY(BPF_REG_1, BPF_REG_6),
		INSN_MAP(BPF_REG_2, v->targets),
		INSN_COPY(BPF_REG_3, BPF_REG_10),
		INSN_ADD(BPF_REG_3, -8),
		INSN_SET(BPF_REG_4, 0),
		INSN_CALL(helper),
		INSN_EXIT,
	};

	return program_load(&attr, insns, sizeof(insns) / sizeof(*insns));
}

/*
 * verdict_open - of messages that are sent (BPF_PROG_TYPE_SK_MSG) or segments
 * that are received (BPF_PROG_TYPE_SK_SKB); skips the program where BPF is not
 * to be had.
 */
static inline void verdict_open(struct verdict *v, enum bpf_prog_type type, bool redirects)
{
	union bpf_attr attr = { 0 };
	int program;

	v->sockets = map_create(BPF_MAP_TYPE_SOCKHASH, sizeof(uint64_t));
	if (v->sockets < 0)
		tap_skip_all(errno == EPERM ? "needs CAP_BPF and CAP_NET_ADMIN" :
					      "this kernel has no sockhash");
	v->targets = (int)MUST(map_create(BPF_MAP_TYPE_SOCKHASH, sizeof(uint64_t)));
	v->runs = (int)MUST(map_create(BPF_MAP_TYPE_ARRAY, sizeof(uint32_t)));
	program = (int)MUST(verdict_load(v, type, redirects));
	attr.target_fd = (uint32_t)v->sockets;
	attr.attach_bpf_fd = (uint32_t)program;
	attr.attach_type = type == BPF_PROG_TYPE_SK_MSG ? BPF_SK_MSG_VERDICT :
							  BPF_SK_SKB_STREAM_VERDICT;
	MUST(bpf(BPF_PROG_ATTACH, &attr));
	close(program);
}

static inline void verdict_close(struct verdict *v)
{
	close(v->sockets);
	close(v->targets);
	close(v->runs);
}

static inline long verdict_runs(const struct verdict *v)
{
	uint32_t zero = 0;
	uint64_t runs;

	MUST(map_call(BPF_MAP_LOOKUP_ELEM, v->runs, &zero, &runs));
	return (long)runs;
}
