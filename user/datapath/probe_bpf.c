/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be known of a kernel before the programs are loaded, which takes
 * long: most of that time goes into reading the kernel's types.
 */
#include <bpf/bpf.h>
#include <cap-ng.h>
#include <errno.h>
#include <linux/bpf.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "datapath/probe.h"

#define KERNEL_TYPES "/sys/kernel/btf/vmlinux"

/* The inode of the first user namespace: PROC_USER_INIT_INO, linux/proc_ns.h. */
#define USER_INIT_INO 0xEFFFFFFDU

static bool in_first_userns(void)
{
	struct stat st;

	return stat("/proc/self/ns/user", &st) < 0 || st.st_ino == USER_INIT_INO;
}

/* 0: ordinary users may load some programs; none of ours is among them. */
static int unprivileged_bpf_disabled(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/sys/kernel/unprivileged_bpf_disabled", "re");
	int value = 0;

	return f && fscanf(f, "%d", &value) == 1 ? value : 0;
}

static const char *advice_to_ordinary_user(void)
{
	return unprivileged_bpf_disabled() ?
		       "start it as root; kernel.unprivileged_bpf_disabled forbids bpf(2) to others" :
		       "start it as root";
}

/* capabilities(7): CAP_SYS_ADMIN stands for the two younger ones. */
static size_t find_missing(const char *ret[3])
{
	bool admin = capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_ADMIN);
	size_t n = 0;

	if (!admin && !capng_have_capability(CAPNG_EFFECTIVE, CAP_BPF))
		ret[n++] = "CAP_BPF";
	if (!capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN))
		ret[n++] = "CAP_NET_ADMIN";
	if (!admin && !capng_have_capability(CAPNG_EFFECTIVE, CAP_PERFMON))
		ret[n++] = "CAP_PERFMON";
	return n;
}

void probe_privileges(void *context, struct probe *ret)
{
	const char *missing[3];
	size_t n = find_missing(missing);

	if (!in_first_userns())
		probe_set(ret, PROBE_IMPOSSIBLE, "start it as root of the host",
			  "a user namespace gives no right to load BPF programs");
	else if (n)
		probe_set(ret, PROBE_IMPOSSIBLE, advice_to_ordinary_user(), "%s%s%s%s%s %s missing",
			  missing[0], n > 2 ? ", " : "", n > 2 ? missing[1] : "",
			  n > 1 ? " and " : "", n > 1 ? missing[n - 1] : "", n > 1 ? "are" : "is");
}

void probe_kernel_types(void *context, struct probe *ret)
{
	if (access(KERNEL_TYPES, R_OK) < 0)
		probe_set(ret, PROBE_IMPOSSIBLE,
			  "mount /sys, or boot a kernel with CONFIG_DEBUG_INFO_BTF",
			  "the kernel's types cannot be read: " KERNEL_TYPES ": %s",
			  errno_text(errno));
}

static void bpf_refused(struct probe *p, int r, const char *what)
{
	if (r == -EPERM)
		probe_set(p, PROBE_IMPOSSIBLE,
			  "allow bpf(2) in the container's seccomp profile or security module",
			  "bpf(2) is forbidden here, in spite of the capabilities");
	else
		probe_set(p, PROBE_IMPOSSIBLE,
			  "boot a kernel with CONFIG_BPF_SYSCALL and CONFIG_NET_SOCK_MSG",
			  "%s: %s", what, errno_text(r));
}

/* A socket as a sender is captured, but with a program that does nothing. */
static int capture(int fd, int *ret_map, int *ret_program, struct probe *p)
{
	static const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = SK_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	__u64 key = 1, value = (__u64)fd;

	*ret_map = bpf_map_create(BPF_MAP_TYPE_SOCKHASH, "shunt_probe", sizeof(key),
				  sizeof(value), 1, NULL);
	if (*ret_map < 0) {
		bpf_refused(p, -errno, "no sockhash can be made");
		return -1;
	}
	*ret_program = bpf_prog_load(BPF_PROG_TYPE_SK_MSG, "shunt_probe", "Dual BSD/GPL",
				     pass, sizeof(pass) / sizeof(*pass), NULL);
	if (*ret_program < 0 ||
	    bpf_prog_attach(*ret_program, *ret_map, BPF_SK_MSG_VERDICT, 0) < 0) {
		bpf_refused(p, -errno, "no sk_msg program can be loaded");
		return -1;
	}
	if (bpf_map_update_elem(*ret_map, &key, &value, BPF_NOEXIST) < 0) {
		probe_errno(p, errno, "a socket cannot be captured");
		return -1;
	}
	return 0;
}

/*
 * Linux 929e30f93125 (6.6.128, 6.12.75, 6.18.14, 6.19) made FIONREAD 0 on
 * captured sockets without a stream verdict, until 04af4efde58a.
 */
static void test_fionread(const struct probe_pair *pair, struct probe *p)
{
	_cleanup_close_ int map = -1, program = -1;
	struct utsname kernel;
	int waiting = -1, r;

	if (capture(pair->accepted, &map, &program, p) < 0 ||
	    probe_says(pair->connected, "12345", p) < 0)
		return;
	r = probe_wait(pair->accepted, POLLIN);
	if (r >= 0 && ioctl(pair->accepted, FIONREAD, &waiting) < 0)
		r = -errno;
	if (r < 0)
		probe_errno(p, r, "a captured socket does not tell what it received");
	if (r < 0 || waiting == 5)
		return;
	uname(&kernel);
	probe_set(p, PROBE_DIFFERS,
		  "auto avoids it; with --datapath=shunt, nginx (uploads), Java and .NET would notice: "
		  "Linux 04af4efde58a has the fix",
		  "on this kernel (%s) FIONREAD on a captured socket is wrong",
		  kernel.release);
}

void probe_fionread(void *context, struct probe *ret)
{
	struct probe_pair pair;

	if (probe_pair_open(&pair, 0, ret) >= 0)
		test_fionread(&pair, ret);
	probe_pair_close(&pair);
}
