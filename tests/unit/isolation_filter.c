// SPDX-License-Identifier: Apache-2.0
/* What each process may call, and what ends it: a child enters the filter and makes one call. */
#include "isolation/filter.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const int commands[] = { BPF_PROG_TEST_RUN, -1 };

static int sock, parent;

struct outcome {
	int status;
	char text[512];
};

static struct outcome outcome_of(enum filter_process process, void (*call)(void))
{
	struct outcome o = { 0 };
	int fds[2];
	pid_t pid;
	ssize_t n;

	assert_int_equal(pipe(fds), 0);
	parent = getpid();
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], STDERR_FILENO);
		close(fds[0]);
		close(fds[1]);
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (filter_enter(process, "the process", commands) < 0)
			_exit(2);
		call();
		_exit(0);
	}
	close(fds[1]);
	n = read(fds[0], o.text, sizeof(o.text) - 1);
	o.text[n > 0 ? n : 0] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(pid, &o.status, 0), pid);
	return o;
}

/* It ends, and one line has the name of the call. */
static void refused(enum filter_process process, const char *name, void (*call)(void))
{
	struct outcome o = outcome_of(process, call);
	char expected[128];

	snprintf(expected, sizeof(expected), "portshunt: the process: system call %s (", name);
	if (!WIFEXITED(o.status) || WEXITSTATUS(o.status) != 128 + SIGSYS ||
	    strncmp(o.text, expected, strlen(expected)) != 0 ||
	    strchr(o.text, '\n') != o.text + strlen(o.text) - 1)
		fail_msg("%s: status %#x, text \"%s\"", name, o.status, o.text);
}

static void allowed(enum filter_process process, void (*call)(void))
{
	struct outcome o = outcome_of(process, call);

	if (o.status || *o.text)
		fail_msg("status %#x, text \"%s\"", o.status, o.text);
}

static void set_option(int level, int name)
{
	int on = 1;

	setsockopt(sock, level, name, &on, sizeof(on));
}

static void type_into_terminal(void) { ioctl(2, TIOCSTI, "x"); }
static void own_signals_by_ioctl(void) { ioctl(sock, FIOSETOWN, &parent); }
static void ask_unsent(void) { int n; ioctl(sock, SIOCOUTQNSD, &n); }
static void set_owner(void) { fcntl(sock, F_SETOWN, parent); }
static void set_signal(void) { fcntl(sock, F_SETSIG, SIGKILL); }
static void set_async(void) { fcntl(sock, F_SETFL, O_ASYNC); }
static void set_nonblock(void) { fcntl(sock, F_SETFL, O_NONBLOCK); }
static void include_header(void) { set_option(IPPROTO_IP, IP_HDRINCL); }
static void include_header6(void) { set_option(IPPROTO_IPV6, 36 /* IPV6_HDRINCL */); }
static void attach_filter(void) { set_option(SOL_SOCKET, SO_ATTACH_FILTER); }
static void bind_device(void) { set_option(SOL_SOCKET, SO_BINDTODEVICE); }
static void repair(void) { set_option(IPPROTO_TCP, TCP_REPAIR); }
static void no_delay(void) { set_option(IPPROTO_TCP, TCP_NODELAY); }
/* both numbers are on the list, in other pairs */
static void other_pair(void) { set_option(SOL_SOCKET, UDP_GRO); }
static void signal_other(void) { syscall(SYS_tgkill, parent, parent, 0); }
static void signal_group(void) { kill(0, 0); }
static void signal_self(void) { syscall(SYS_tgkill, getpid(), gettid(), 0); }
static void make_algorithm(void) { socket(AF_ALG, SOCK_SEQPACKET, 0); }
static void make_packet(void) { socket(AF_PACKET, SOCK_RAW, 0); }
static void make_socket(void) { socket(AF_INET6, SOCK_STREAM, 0); }
static void make_datagram(void) { socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); }
static void make_raw(void) { socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP); }
static void make_raw6(void) { socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6); }
static void make_sctp(void) { socket(AF_INET, SOCK_SEQPACKET, 0); }
static void make_netlink(void) { socket(AF_NETLINK, SOCK_RAW, 0); }
static void bpf_load(void) { syscall(SYS_bpf, BPF_PROG_LOAD, NULL, 0); }
static void bpf_get(void) { syscall(SYS_bpf, BPF_MAP_GET_FD_BY_ID, NULL, 0); }
static void bpf_run(void) { syscall(SYS_bpf, BPF_PROG_TEST_RUN, NULL, 0); }
static void be_dumpable(void) { prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); }
static void not_dumpable(void) { prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }
static void open_file(void) { open("/", O_RDONLY); }
static void trace(void) { ptrace(PTRACE_ATTACH, parent, NULL, NULL); }
static void execute(void) { execl("/bin/true", "true", NULL); }
static void fork_one(void) { if (fork() == 0) _exit(0); }
/* not by fork(3): where that blocks signals (glibc of Debian 13) the kernel kills it */
static void clone_one(void) { if (syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) == 0) _exit(0); }
static void make_namespace(void) { syscall(SYS_clone, 0x10000000 /* CLONE_NEWUSER */ | SIGCHLD, 0, 0, 0, 0); }
static void map_code(void) { mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
static void map_data(void) { munmap(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 4096); }
static void turn_to_code(void) { mprotect(&sock, 1, PROT_READ | PROT_EXEC); }
static void catch_violations(void) { signal(SIGSYS, SIG_IGN); }
static void steal(void) { syscall(SYS_pidfd_getfd, 0, 0, 0); }
static void listen_more(void) { listen(sock, 1); }

static void test_forwarder(void **state)
{
	const enum filter_process f = FILTER_FORWARDER;

	refused(f, "ioctl", type_into_terminal);
	refused(f, "ioctl", own_signals_by_ioctl);
	refused(f, "fcntl", set_owner);
	refused(f, "fcntl", set_signal);
	refused(f, "fcntl", set_async);
	refused(f, "setsockopt", include_header);
	refused(f, "setsockopt", include_header6);
	refused(f, "setsockopt", attach_filter);
	refused(f, "setsockopt", bind_device);
	refused(f, "setsockopt", repair);
	refused(f, "setsockopt", other_pair);
	refused(f, "tgkill", signal_other);
	refused(f, "kill", signal_group);
	refused(f, "socket", make_algorithm);
	refused(f, "socket", make_socket);
	refused(f, "bpf", bpf_load);
	refused(f, "bpf", bpf_get);
	refused(f, "prctl", be_dumpable);
	refused(f, "openat", open_file);
	refused(f, "ptrace", trace);
	refused(f, "execve", execute);
	refused(f, "clone", make_namespace);
	refused(f, "clone", clone_one);
	refused(f, "mmap", map_code);
	refused(f, "mprotect", turn_to_code);
	refused(f, "rt_sigaction", catch_violations);
	refused(f, "pidfd_getfd", steal);
	refused(f, "listen", listen_more);
	allowed(f, ask_unsent);
	allowed(f, set_nonblock);
	allowed(f, no_delay);
	allowed(f, signal_self);
	allowed(f, bpf_run);
	allowed(f, map_data);
}

static void test_docker_proxy(void **state)
{
	allowed(FILTER_PROXY, make_socket);
	allowed(FILTER_PROXY, make_datagram);
	refused(FILTER_PROXY, "socket", make_raw);
	refused(FILTER_PROXY, "socket", make_raw6);
	refused(FILTER_PROXY, "socket", make_sctp);
	refused(FILTER_PROXY, "socket", make_algorithm);
	refused(FILTER_PROXY, "socket", make_netlink);
	refused(FILTER_PROXY, "openat", open_file);
	refused(FILTER_PROXY, "setsockopt", include_header);
}

static void test_walker(void **state)
{
	refused(FILTER_WALKER, "socket", make_socket);
	refused(FILTER_WALKER, "fcntl", set_owner);
	refused(FILTER_WALKER, "ioctl", ask_unsent);
	refused(FILTER_WALKER, "clone", clone_one);
	refused(FILTER_WALKER, "openat", open_file);
}

static void receive(void) { char c; recv(sock, &c, 1, MSG_DONTWAIT); }
static void send_one(void) { struct msghdr m = { 0 }; sendmsg(sock, &m, MSG_DONTWAIT | MSG_NOSIGNAL); }
static void receive_fds(void) { struct msghdr m = { 0 }; recvmsg(sock, &m, MSG_DONTWAIT); }
static void connect_one(void) { struct sockaddr_in to = { .sin_family = AF_INET }; connect(sock, (struct sockaddr *)&to, sizeof(to)); }
static void read_flags(void) { fcntl(sock, F_GETFL); }
static void close_one(void) { close(sock); }

static void test_icmp_child(void **state)
{
	const enum filter_process i = FILTER_ICMP;

	allowed(i, receive);
	allowed(i, send_one);
	allowed(i, signal_self);
	allowed(i, map_data);
	refused(i, "recvmsg", receive_fds);
	refused(i, "connect", connect_one);
	refused(i, "close", close_one);
	refused(i, "fcntl", read_flags);
	refused(i, "ioctl", ask_unsent);
	refused(i, "setsockopt", include_header);
	refused(i, "setsockopt", include_header6);
	refused(i, "setsockopt", attach_filter);
	refused(i, "setsockopt", bind_device);
	refused(i, "setsockopt", no_delay);
	refused(i, "socket", make_socket);
	refused(i, "tgkill", signal_other);
	refused(i, "openat", open_file);
	refused(i, "clone", clone_one);
	refused(i, "mmap", map_code);
	refused(i, "execve", execute);
}

static void test_netns_child(void **state)
{
	allowed(FILTER_NETNS, make_socket);
	allowed(FILTER_NETNS, make_netlink);
	allowed(FILTER_NETNS, fork_one);
	allowed(FILTER_NETNS, not_dumpable);
	refused(FILTER_NETNS, "prctl", be_dumpable);
	refused(FILTER_NETNS, "clone", make_namespace);
	refused(FILTER_NETNS, "socket", make_packet);
	refused(FILTER_NETNS, "socket", make_raw);
	refused(FILTER_NETNS, "openat", open_file);
	refused(FILTER_NETNS, "tgkill", signal_other);
	refused(FILTER_NETNS, "execve", execute);
	refused(FILTER_NETNS, "listen", listen_more);
}

static void enter_namespace(void) { setns(sock, 0); }
static void mount_one(void) { syscall(SYS_mount, NULL, "/", NULL, 0, NULL); }
static void list_files(void) { close(open("/", O_RDONLY)); }
static void check_other(void) { kill(parent, 0); }

static void test_supervisor(void **state)
{
	const enum filter_process s = FILTER_SUPERVISOR;

	allowed(s, list_files);
	allowed(s, check_other);
	allowed(s, make_socket);
	refused(s, "execve", execute);
	refused(s, "clone", clone_one);
	refused(s, "ptrace", trace);
	refused(s, "pidfd_getfd", steal);
	refused(s, "setns", enter_namespace);
	refused(s, "mount", mount_one);
	refused(s, "ioctl", type_into_terminal);
	refused(s, "bpf", bpf_load);
	refused(s, "socket", make_packet);
	refused(s, "socket", make_raw6);
	refused(s, "setsockopt", include_header);
	refused(s, "prctl", be_dumpable);
	refused(s, "mmap", map_code);
}

/* A process that blocks SIGSYS is killed by the kernel, and says nothing. */
static void blocked(void)
{
	sigset_t set;

	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	open_file();
}

static void test_blocked_signal(void **state)
{
	struct outcome o = outcome_of(FILTER_FORWARDER, blocked);

	assert_true(WIFSIGNALED(o.status));
	assert_int_equal(WTERMSIG(o.status), SIGSYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forwarder),
		cmocka_unit_test(test_docker_proxy),
		cmocka_unit_test(test_walker),
		cmocka_unit_test(test_icmp_child),
		cmocka_unit_test(test_netns_child),
		cmocka_unit_test(test_supervisor),
		cmocka_unit_test(test_blocked_signal),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
#ifdef __SANITIZE_ADDRESS__
	printf("1..1\nok 1 - isolation_filter # skip sanitized: no filter\n");
	return 0;
#endif
	sock = socket(AF_INET, SOCK_STREAM, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
