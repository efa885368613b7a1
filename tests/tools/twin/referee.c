/* SPDX-License-Identifier: Apache-2.0 */
/* One job: makes the sockets, runs both ends in processes of their own, sees that they end. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "end.h"

static void enter(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0) {
		perror(path);
		exit(1);
	}
	close(fd);
}

static socklen_t address(const struct job *job, uint16_t port, bool any,
			 struct sockaddr_storage *ret)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;

	memset(ret, 0, sizeof(*ret));
	if (job->family == '4') {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	inet_pton(AF_INET6, any ? "::" : job->family == '6' ? "::1" : "::ffff:127.0.0.1",
		  &v6->sin6_addr);
	return sizeof(*v6);
}

static int open_listener(struct end *e)
{
	struct sockaddr_storage at;
	socklen_t len = address(e->job, e->port, true, &at);
	int fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	must(e, "bind", bind(fd, (struct sockaddr *)&at, len));
	must(e, "listen", listen(fd, 8));
	return fd;
}

/* Where the client goes. */
static socklen_t destination(const struct end *e, struct sockaddr_storage *ret)
{
	uint16_t first = e->setup->native ? e->setup->port : e->setup->host_port;

	return address(e->job, (uint16_t)(first + e->port - e->setup->port), false, ret);
}

ssize_t end_connect_fast(struct end *e, const void *data, size_t len)
{
	struct sockaddr_storage to;
	socklen_t to_len = destination(e, &to);
	ssize_t n;

	e->fd = must(e, "socket", socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
	set_blocking(e->fd, e->mode == BLOCKING);
	n = sendto(e->fd, data, len, MSG_FASTOPEN | MSG_NOSIGNAL, (struct sockaddr *)&to, to_len);
	return n < 0 ? -errno : n;
}

void end_connect(struct end *e)
{
	struct sockaddr_storage to;
	socklen_t len = destination(e, &to);
	int r;

	if (e->fd < 0)
		e->fd = must(e, "socket", socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
	r = connect(e->fd, (struct sockaddr *)&to, len);
	if (r < 0 && errno == EINPROGRESS) {
		wait_for(e->fd, POLLOUT);
		errno = get_option(e, SOL_SOCKET, SO_ERROR);
		r = errno ? -1 : 0;
	}
	must(e, "connect", r);
}

void end_accept(struct end *e)
{
	e->fd = must(e, "accept", accept4(e->listener, NULL, NULL, SOCK_CLOEXEC));
}

static void run_end(struct end *e)
{
	const struct kase *k = e->job->kase;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	e->shared->pid[e->subject ? 0 : 1] = getpid();
	meet(e);
	if (!(k->flags & UNCONNECTED)) {
		if (e->client)
			end_connect(e);
		else
			end_accept(e);
		if (e->subject && k->prepare)
			k->prepare(e);
		end_warm_up(e);
	}
	if (e->subject)
		k->subject(e);
	else
		k->partner(e);
	_exit(0);
}

static char *record_of(struct end *e)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", e->setup->out, job_name(e->job));
	return path;
}

/* How both ended is part of the record: a signal, or that somebody waits for ever. */
static void watch(struct end ends[2], pid_t pid[2])
{
	struct pollfd pfd[2];
	int left = 2 * ends[0].setup->patience_ms / 10, status;

	for (int i = 0; i < 2; i++)
		pfd[i] = (struct pollfd){ pidfd_open(pid[i], 0), POLLIN, 0 };
	for (int i = 0; i < 2; i++) {
		while (left > 0 && poll(&pfd[i], 1, 10) == 0)
			left--;
		if (left <= 0) {
			say(&ends[i], "HANGS");
			kill(pid[i], SIGKILL);
		}
		waitpid(pid[i], &status, 0);
		if (left > 0 && WIFSIGNALED(status))
			say(&ends[i], "ended by signal %d", WTERMSIG(status));
		else if (left > 0 && status)
			say(&ends[i], "ended with status %d", WEXITSTATUS(status));
		close(pfd[i].fd);
	}
}

/* The subject's lines, then the partner's. */
static void write_record(struct end ends[2])
{
	char text[4096];
	ssize_t n;
	int fd = open(record_of(&ends[0]), O_WRONLY | O_CREAT | O_TRUNC, 0666);

	for (int i = 0; i < 2; i++) {
		lseek(ends[i].out, 0, SEEK_SET);
		while ((n = read(ends[i].out, text, sizeof(text))) > 0)
			must(&ends[i], "write", (int)write(fd, text, (size_t)n));
	}
	close(fd);
}

void referee_run(const struct setup *setup, const struct job *job, unsigned int slot)
{
	int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), steps[2], listener;
	struct end ends[2];
	pid_t pid[2];

	/* it waits for both ends by itself; should it hang all the same, one case fails, not all */
	alarm((unsigned int)setup->patience_ms / 1000 * 4 + 60);
	socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, steps);
	for (int i = 0; i < 2; i++)
		ends[i] = (struct end){
			.setup = setup, .job = job, .mode = job->mode, .subject = !i,
			.client = job->client == !i, .fd = -1, .listener = -1,
			.steps = steps[i], .out = memfd_create("record", MFD_CLOEXEC),
			.port = (uint16_t)(setup->port + slot),
			.shared = i ? ends[0].shared :
				      mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
					   MAP_SHARED | MAP_ANONYMOUS, -1, 0),
		};
	enter(setup->netns);
	listener = open_listener(&ends[0]);
	if (!setup->native)
		setns(own, CLONE_NEWNET);
	for (int i = 0; i < 2; i++) {
		pid[i] = fork();
		if (pid[i])
			continue;
		close(steps[!i]);
		if (ends[i].client) {
			close(listener);
		} else {
			enter(setup->netns);
			ends[i].listener = listener;
		}
		run_end(&ends[i]);
	}
	close(listener);
	close(steps[0]);
	close(steps[1]);
	watch(ends, pid);
	write_record(ends);
}
