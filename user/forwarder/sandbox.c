/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/sandbox.h"

#include <cap-ng.h>
#include <errno.h>
#include <seccomp.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "datapath/shunt.h"

#ifdef __SANITIZE_ADDRESS__
#define HAS_SANITIZER true /* its own system calls are many */
#else
#define HAS_SANITIZER false
#endif

/* clang-format off */
static const int allowed[] = {
	/* the loop */
	SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_ctl),
	SCMP_SYS(timerfd_settime), SCMP_SYS(clock_gettime),
	/* connections */
	SCMP_SYS(accept4), SCMP_SYS(connect), SCMP_SYS(shutdown),
	SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(sendto),
	SCMP_SYS(sendmsg), SCMP_SYS(recvmmsg), SCMP_SYS(sendmmsg), SCMP_SYS(splice), SCMP_SYS(pipe2), SCMP_SYS(fcntl),
	SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(ioctl),
	SCMP_SYS(getsockname), SCMP_SYS(getpeername),
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(writev),
	SCMP_SYS(close),
	/* the C library: heap, abort(), exit() */
	SCMP_SYS(brk), SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mremap),
	SCMP_SYS(madvise), SCMP_SYS(futex), SCMP_SYS(getrandom),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(restart_syscall), SCMP_SYS(getpid), SCMP_SYS(gettid),
	SCMP_SYS(tgkill), SCMP_SYS(exit), SCMP_SYS(exit_group),
	/* its walker */
	SCMP_SYS(wait4),
};
/* clang-format on */

static void release(void *p)
{
	seccomp_release(*(scmp_filter_ctx *)p);
}

static int allow_bpf(scmp_filter_ctx ctx)
{
	int r = 0;

	for (const int *c = shunt_bpf_commands(); *c >= 0 && r >= 0; c++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(bpf), 1,
				     SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)*c, 0));
	return r;
}

static int allow_sockets(scmp_filter_ctx ctx)
{
	int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				 SCMP_A0(SCMP_CMP_EQ, AF_INET, 0));

	if (r >= 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				     SCMP_A0(SCMP_CMP_EQ, AF_INET6, 0));
	return r;
}

static int filter_system_calls(bool bpf, bool sockets)
{
	_cleanup_(release) scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r;

	if (!ctx)
		return -ENOMEM;
	/* a binary tree: the hot calls cost no walk through the list */
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (unsigned int i = 0; i < sizeof(allowed) / sizeof(*allowed); i++) {
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
		if (r < 0)
			return r;
	}
	r = bpf ? allow_bpf(ctx) : 0;
	if (r >= 0 && sockets)
		r = allow_sockets(ctx);
	return r < 0 ? r : seccomp_load(ctx);
}

int sandbox_enter(bool bpf, bool sockets)
{
	capng_clear(CAPNG_SELECT_BOTH);
	/* the bounding set needs CAP_SETPCAP; without it there is little to bound */
	if (capng_apply(CAPNG_SELECT_BOTH) < 0 && capng_apply(CAPNG_SELECT_CAPS) < 0)
		return -EPERM;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return HAS_SANITIZER ? 0 : filter_system_calls(bpf, sockets);
}
