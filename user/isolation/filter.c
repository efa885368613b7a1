/* SPDX-License-Identifier: Apache-2.0 */
#include "isolation/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

#ifdef __SANITIZE_ADDRESS__
#define HAS_SANITIZER true
#else
#define HAS_SANITIZER false
#endif

#define F FILTER_FORWARDER
#define P FILTER_PROXY
#define W FILTER_WALKER
#define N FILTER_NETNS
#define S FILTER_SUPERVISOR
#define I FILTER_ICMP
#define ALL (F | P | W | N | S) /* the ICMP child has less than these have in common */

/* clang-format off */

/* With any arguments. */
static const struct {
	int call;
	unsigned int who;
} calls[] = {
	/* the loop */
	{ SCMP_SYS(epoll_wait), F | P | N | S }, { SCMP_SYS(epoll_pwait), F | P | N | S },
	{ SCMP_SYS(epoll_ctl), F | P | N | S }, { SCMP_SYS(timerfd_settime), F | P | N | S },
	{ SCMP_SYS(clock_gettime), ALL | I }, { SCMP_SYS(restart_syscall), ALL | I },

	/* connections */
	{ SCMP_SYS(poll), P | N | S }, { SCMP_SYS(ppoll), P | N | S },
	{ SCMP_SYS(setitimer), P | S }, /* around a write of a log line */
	{ SCMP_SYS(accept4), F | P | S }, { SCMP_SYS(connect), F | P | N | S },
	{ SCMP_SYS(shutdown), F | P | S }, { SCMP_SYS(splice), F | P }, { SCMP_SYS(pipe2), F | P },
	{ SCMP_SYS(recvmmsg), F | P }, { SCMP_SYS(sendmmsg), F | P },
	{ SCMP_SYS(getsockopt), F | P | N | S },
	{ SCMP_SYS(getsockname), ALL & ~W }, { SCMP_SYS(getpeername), F | P | S },

	/* messages, and bytes of what is open */
	{ SCMP_SYS(recvfrom), ALL | I }, { SCMP_SYS(recvmsg), ALL },
	{ SCMP_SYS(sendto), ALL }, { SCMP_SYS(sendmsg), ALL | I },
	{ SCMP_SYS(read), ALL }, { SCMP_SYS(write), ALL }, { SCMP_SYS(writev), ALL | I },
	{ SCMP_SYS(close), ALL },

	/* the heap, signals, the end */
	{ SCMP_SYS(brk), ALL | I }, { SCMP_SYS(munmap), ALL | I }, { SCMP_SYS(mremap), ALL },
	{ SCMP_SYS(madvise), ALL }, { SCMP_SYS(futex), ALL | I }, { SCMP_SYS(getrandom), ALL | I },
	{ SCMP_SYS(rt_sigprocmask), ALL | I }, { SCMP_SYS(rt_sigreturn), ALL | I },
	{ SCMP_SYS(getpid), ALL | I }, { SCMP_SYS(gettid), ALL | I }, { SCMP_SYS(getppid), ALL },
	/* to connect to fewer ports, once these are known: it only takes away */
	{ SCMP_SYS(landlock_create_ruleset), F | P }, { SCMP_SYS(landlock_add_rule), F | P },
	{ SCMP_SYS(landlock_restrict_self), F | P },
	{ SCMP_SYS(exit), ALL | I }, { SCMP_SYS(exit_group), ALL | I },

	/* its walker: the end of it, and all that it does first */
	{ SCMP_SYS(wait4), F | P | N | S }, { SCMP_SYS(waitid), N | S },
	{ SCMP_SYS(pidfd_open), N },
	{ SCMP_SYS(socketpair), N | S }, { SCMP_SYS(set_robust_list), N }, { SCMP_SYS(rseq), N },
	{ SCMP_SYS(setpgid), N }, { SCMP_SYS(close_range), N | S }, { SCMP_SYS(dup3), N | S },
	{ SCMP_SYS(dup2), N | S }, { SCMP_SYS(geteuid), N | S }, { SCMP_SYS(capset), N },
	{ SCMP_SYS(capget), N }, { SCMP_SYS(seccomp), N }, { SCMP_SYS(prlimit64), N | S },

	/* is an address one of this namespace's? which has it? */
	{ SCMP_SYS(bind), N | S },

	/* listeners and the control socket; its processes and their signals; files of its own */
	{ SCMP_SYS(listen), S }, { SCMP_SYS(timerfd_create), S }, { SCMP_SYS(signalfd4), S },
	{ SCMP_SYS(epoll_create1), S }, { SCMP_SYS(pipe2), S }, { SCMP_SYS(dup), S },
	{ SCMP_SYS(kill), S }, { SCMP_SYS(rt_sigtimedwait), S },
	{ SCMP_SYS(rt_sigpending), S }, { SCMP_SYS(getpgrp), S }, { SCMP_SYS(getpgid), S },
	{ SCMP_SYS(getuid), S }, { SCMP_SYS(getgid), S }, { SCMP_SYS(getegid), S },
	{ SCMP_SYS(open), S }, { SCMP_SYS(openat), S }, { SCMP_SYS(access), S },
	{ SCMP_SYS(faccessat), S }, { SCMP_SYS(faccessat2), S }, { SCMP_SYS(stat), S },
	{ SCMP_SYS(lstat), S }, { SCMP_SYS(fstat), S }, { SCMP_SYS(newfstatat), S },
	{ SCMP_SYS(statx), S }, { SCMP_SYS(fstatfs), S }, { SCMP_SYS(lseek), S },
	{ SCMP_SYS(readlink), S }, { SCMP_SYS(readlinkat), S }, { SCMP_SYS(getdents64), S },
	{ SCMP_SYS(unlink), S }, { SCMP_SYS(unlinkat), S }, { SCMP_SYS(fchmod), S },
	{ SCMP_SYS(rename), S }, { SCMP_SYS(renameat), S }, { SCMP_SYS(renameat2), S },
	{ SCMP_SYS(rmdir), S }, { SCMP_SYS(pread64), S },
	{ SCMP_SYS(umask), S }, { SCMP_SYS(sysinfo), S }, { SCMP_SYS(uname), S },
};

/* An argument whose bits in @mask have this value; a mask of 0: any. */
struct argument {
	unsigned int number;
	scmp_datum_t mask, value;
};

/* The kernel takes these as int or unsigned int, and ignores the upper half. */
#define IS(number, value) { (number), 0xffffffff, (value) }
#define HAS_NONE_OF(number, bits) { (number), (bits), 0 }
#define ANY { 0, 0, 0 }
#define OPTION(who, level, name) \
	{ SCMP_SYS(setsockopt), who, { IS(1, level), IS(2, name) } }
/* SOCK_TYPE_MASK of include/linux/net.h; the rest are flags */
#define MAKE(who, family, type) { SCMP_SYS(socket), who, { IS(0, family), { 1, 0xf, (type) } } }

#define FORK_FLAGS (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | 0xff /* CSIGNAL */)

static const struct {
	int call;
	unsigned int who;
	struct argument args[2];
} calls_with[] = {
	MAKE(P | N | S, AF_INET, SOCK_STREAM), MAKE(P | N | S, AF_INET, SOCK_DGRAM),
	MAKE(P | N | S, AF_INET6, SOCK_STREAM), MAKE(P | N | S, AF_INET6, SOCK_DGRAM),
	{ SCMP_SYS(socket), N | S, { IS(0, AF_NETLINK), ANY } }, /* addresses, and udp_gauge.h */
	{ SCMP_SYS(socket), S, { IS(0, AF_UNIX), ANY } },

	{ SCMP_SYS(ioctl), F | P, { IS(1, SIOCATMARK), ANY } },
	{ SCMP_SYS(ioctl), F | P, { IS(1, SIOCOUTQ), ANY } },
	{ SCMP_SYS(ioctl), F | P, { IS(1, SIOCOUTQNSD), ANY } },

	/* the zone of a link-local address: if_nametoindex(3), if_indextoname(3) */
	{ SCMP_SYS(ioctl), S, { IS(1, SIOCGIFINDEX), ANY } },
	{ SCMP_SYS(ioctl), S, { IS(1, SIOCGIFNAME), ANY } },

	/* is it a namespace? does the caller have its terminal? */
	{ SCMP_SYS(ioctl), S, { IS(1, NS_GET_NSTYPE), ANY } },
	{ SCMP_SYS(ioctl), S, { IS(1, NS_GET_USERNS), ANY } },
	{ SCMP_SYS(ioctl), S, { IS(1, TIOCGPGRP), ANY } },
	{ SCMP_SYS(ioctl), S, { IS(1, TIOCSPGRP), ANY } },
	{ SCMP_SYS(ioctl), S, { IS(1, TCGETS), ANY } },

	{ SCMP_SYS(fcntl), ALL, { IS(1, F_GETFL), ANY } },
	{ SCMP_SYS(fcntl), S, { IS(1, F_GETFD), ANY } },
	{ SCMP_SYS(fcntl), ALL, { IS(1, F_SETFD), ANY } },
	{ SCMP_SYS(fcntl), ALL, { IS(1, F_SETFL), HAS_NONE_OF(2, O_ASYNC) } },
	{ SCMP_SYS(fcntl), F | P, { IS(1, F_SETPIPE_SZ), ANY } },
	{ SCMP_SYS(fcntl), F | P, { IS(1, F_GETPIPE_SZ), ANY } },
	{ SCMP_SYS(fcntl), ALL, { IS(1, F_DUPFD_CLOEXEC), ANY } }, /* libbpf: not below 3 */

	OPTION(ALL & ~W, SOL_SOCKET, SO_KEEPALIVE), OPTION(ALL & ~W, SOL_SOCKET, SO_OOBINLINE),
	OPTION(ALL & ~W, SOL_SOCKET, SO_SNDBUF), OPTION(ALL & ~W, SOL_SOCKET, SO_RCVBUF),
	OPTION(P | N | S, SOL_SOCKET, SO_SNDBUFFORCE), OPTION(P | N | S, SOL_SOCKET, SO_RCVBUFFORCE),
	OPTION(F | P, SOL_SOCKET, SO_LINGER), OPTION(F | P, SOL_SOCKET, SO_RCVLOWAT),
	OPTION(F | P | S, SOL_SOCKET, SO_RCVTIMEO), OPTION(S, SOL_SOCKET, SO_SNDTIMEO),
	OPTION(S, SOL_SOCKET, SO_REUSEADDR), OPTION(S, IPPROTO_IPV6, IPV6_V6ONLY),
	OPTION(S, SOL_SOCKET, SO_BINDTODEVICE), OPTION(S, IPPROTO_IP, IP_FREEBIND),
	OPTION(S, IPPROTO_IPV6, IPV6_FREEBIND),
	OPTION(ALL & ~W, IPPROTO_TCP, TCP_NODELAY),
	OPTION(ALL & ~W, IPPROTO_TCP, TCP_KEEPIDLE),
	OPTION(ALL & ~W, IPPROTO_TCP, TCP_KEEPINTVL),
	OPTION(F | P | N, IPPROTO_TCP, TCP_CONGESTION),
	OPTION(F | P, IPPROTO_TCP, TCP_WINDOW_CLAMP), OPTION(F | P, IPPROTO_TCP, TCP_QUICKACK),
	OPTION(F | P, IPPROTO_TCP, TCP_NOTSENT_LOWAT), OPTION(F | P, IPPROTO_TCP, TCP_MAXSEG),
	OPTION(ALL & ~W, IPPROTO_UDP, UDP_GRO),
	OPTION(ALL & ~W, IPPROTO_IP, IP_PKTINFO),
	OPTION(ALL & ~W, IPPROTO_IPV6, IPV6_RECVPKTINFO),

	/* no code that was not there */
	{ SCMP_SYS(mmap), ALL | I, { HAS_NONE_OF(2, PROT_EXEC), ANY } },

	{ SCMP_SYS(clock_nanosleep), S, { IS(0, CLOCK_REALTIME), ANY } }, /* nanosleep(3) */

	/* abort(3) */
	{ SCMP_SYS(rt_sigaction), ALL | I, { IS(0, SIGABRT), ANY } },

	/* fork(3), without a namespace and with nothing shared; and what a walker begins with */
	{ SCMP_SYS(clone), N, { { 0, 0xffffffff & ~(scmp_datum_t)FORK_FLAGS, 0 }, ANY } },
	{ SCMP_SYS(rt_sigaction), N, { IS(0, SIGSYS), ANY } },
	{ SCMP_SYS(prctl), N, { IS(0, PR_SET_PDEATHSIG), ANY } },
	{ SCMP_SYS(prctl), N, { IS(0, PR_GET_PDEATHSIG), ANY } },
	{ SCMP_SYS(prctl), N, { IS(0, PR_SET_DUMPABLE), IS(1, 0) } },
	{ SCMP_SYS(prctl), N, { IS(0, PR_SET_NO_NEW_PRIVS), ANY } },
	{ SCMP_SYS(prctl), N, { IS(0, PR_CAPBSET_DROP), ANY } },
};
/* clang-format on */

static const char *process_name;

static void release(void *p)
{
	seccomp_release(*(scmp_filter_ctx *)p);
}

/* The kernel has not made the call. */
static void on_violation(int signal, siginfo_t *info, void *context)
{
	char *name = seccomp_syscall_resolve_num_arch(info->si_arch, info->si_syscall);

	log_error("%s: system call %s (%d) is not allowed: the process ends; this is a bug of "
		  "portshunt, or an attack: please report it", process_name,
		  name ? name : "unknown", info->si_syscall);
	_exit(128 + SIGSYS);
}

static int catch_violations(const char *name)
{
	struct sigaction action = { .sa_sigaction = on_violation, .sa_flags = SA_SIGINFO };
	sigset_t set;

	process_name = name;
	sigemptyset(&set);
	sigaddset(&set, SIGSYS);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	return sigaction(SIGSYS, &action, NULL) < 0 ? -errno : 0;
}

static int add_calls(scmp_filter_ctx ctx, enum filter_process process)
{
	int r = 0;

	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls) && r >= 0; i++)
		if (calls[i].who & process)
			r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i].call, 0);
	for (size_t i = 0; i < sizeof(calls_with) / sizeof(*calls_with) && r >= 0; i++) {
		const struct argument *a = calls_with[i].args;
		const struct scmp_arg_cmp args[] = {
			SCMP_CMP(a[0].number, SCMP_CMP_MASKED_EQ, a[0].mask, a[0].value),
			SCMP_CMP(a[1].number, SCMP_CMP_MASKED_EQ, a[1].mask, a[1].value),
		};

		if (calls_with[i].who & process)
			r = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, calls_with[i].call,
						   a[1].mask ? 2 : 1, args);
	}
	return r;
}

static struct scmp_arg_cmp first_is(scmp_datum_t value)
{
	return (struct scmp_arg_cmp){ .op = SCMP_CMP_EQ, .datum_a = value };
}

/* A signal to itself: raise(3), abort(3). */
static int add_own_signals(scmp_filter_ctx ctx, enum filter_process process)
{
	/* a fork of it has another number, and a filter of its own */
	if (process == FILTER_NETNS)
		return 0;
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
				first_is((scmp_datum_t)getpid()));
}

static int add_bpf(scmp_filter_ctx ctx, const int *command)
{
	int r = 0;

	for (; command && *command >= 0 && r >= 0; command++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(bpf), 1,
				     first_is((scmp_datum_t)*command));
	return r;
}

int filter_enter(enum filter_process process, const char *name, const int *bpf_commands)
{
	_cleanup_(release) scmp_filter_ctx ctx = NULL;
	int r;

	if (HAS_SANITIZER)
		return 0;
	ctx = seccomp_init(SCMP_ACT_TRAP);
	if (!ctx)
		return -ENOMEM;
	/* a binary tree: the hot calls cost no walk through the list */
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	r = add_calls(ctx, process);
	if (r >= 0)
		r = add_own_signals(ctx, process);
	if (r >= 0)
		r = add_bpf(ctx, bpf_commands);
	if (r >= 0)
		r = catch_violations(name);
	return r < 0 ? r : seccomp_load(ctx);
}
