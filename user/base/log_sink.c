/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"

/* A write that waits although there was room, since somebody else took it, is interrupted. */
#define WRITE_US 500

/* How a line is written without waiting for a reader; until log_open() it waits. */
static enum { WAITS, NONBLOCKING, SOCKET, POLLED } way;
static int sink = STDERR_FILENO;
static bool is_gone;

/* Of a line that had room for its beginning. */
static char rest[LOG_LINE_MAX];
static size_t n_rest;

static void on_alarm(int signal)
{
}

/*
 * The descriptor that is there may not be changed: O_NONBLOCK belongs to the open file, which
 * others write to as well. A pipe or terminal of another user's cannot be opened again.
 */
static void open_again(void)
{
	struct sigaction action = { .sa_handler = on_alarm }; /* without SA_RESTART */
	int fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	way = fd < 0 ? POLLED : NONBLOCKING;
	sink = fd < 0 ? STDERR_FILENO : fd;
	if (fd < 0)
		sigaction(SIGALRM, &action, NULL);
}

void log_open(void)
{
	int flags = fcntl(STDERR_FILENO, F_GETFL);
	struct stat st;

	if (way != WAITS || flags < 0 || fstat(STDERR_FILENO, &st) < 0)
		return;
	if (S_ISSOCK(st.st_mode))
		way = SOCKET;
	else if (flags & O_NONBLOCK || S_ISREG(st.st_mode))
		way = NONBLOCKING;
	else
		open_again();
}

int log_fd(void)
{
	return sink;
}

/* A poll(2) that finds room promises it for one page of a pipe, and for a byte of a terminal. */
static ssize_t write_polled(const struct iovec *parts, size_t n)
{
	struct itimerval limit = { .it_value = { .tv_usec = WRITE_US },
				   .it_interval = { .tv_usec = WRITE_US } };
	struct pollfd room = { .fd = sink, .events = POLLOUT };
	ssize_t written;
	int error;

	if (poll(&room, 1, 0) == 0) {
		errno = EAGAIN;
		return -1;
	}
	setitimer(ITIMER_REAL, &limit, NULL);
	written = writev(sink, parts, (int)n);
	error = errno == EINTR ? EAGAIN : errno;
	limit = (struct itimerval){ 0 };
	setitimer(ITIMER_REAL, &limit, NULL);
	errno = error;
	return written;
}

static ssize_t write_parts(struct iovec *parts, size_t n)
{
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = n };

	if (way == SOCKET)
		return sendmsg(sink, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (way == POLLED)
		return write_polled(parts, n);
	return writev(sink, parts, (int)n);
}

/*
 * Returns how many bytes were taken. In the background of a terminal with `stty tostop` a write
 * stops the writer: a log line is not worth that. The terminal may well belong to COMMAND.
 */
static size_t put(struct iovec *parts, size_t n)
{
	sigset_t block, alarm, was;
	ssize_t written;

	sigemptyset(&block);
	sigaddset(&block, SIGTTOU);
	sigprocmask(SIG_BLOCK, &block, &was);
	if (way == POLLED) {
		sigemptyset(&alarm);
		sigaddset(&alarm, SIGALRM);
		sigprocmask(SIG_UNBLOCK, &alarm, NULL);
	}
	written = write_parts(parts, n);
	is_gone = written < 0 && (errno == EPIPE || errno == EBADF || errno == EIO);
	sigprocmask(SIG_SETMASK, &was, NULL);
	return written < 0 ? 0 : (size_t)written;
}

bool log_sink_has_rest(void)
{
	return n_rest > 0;
}

bool log_sink_flush(void)
{
	struct iovec part = { rest, n_rest };
	size_t written = n_rest ? put(&part, 1) : 0;

	n_rest -= written;
	memmove(rest, rest + written, n_rest);
	return n_rest == 0;
}

static void keep_rest(const struct iovec *parts, size_t n, size_t written)
{
	for (size_t i = 0; i < n; i++) {
		size_t skip = written < parts[i].iov_len ? written : parts[i].iov_len;
		size_t len = parts[i].iov_len - skip;

		written -= skip;
		if (len > sizeof(rest) - n_rest)
			len = sizeof(rest) - n_rest;
		memcpy(rest + n_rest, (const char *)parts[i].iov_base + skip, len);
		n_rest += len;
	}
}

bool log_sink_put(const char *prefix, const char *text, size_t len)
{
	/*
	 * One write a line: several processes of ours share this stderr. Not
	 * by stdio, which makes system calls that the forwarder gave up.
	 */
	struct iovec parts[] = {
		{ (void *)prefix, strlen(prefix) },
		{ (void *)text, len },
		{ (void *)"\n", 1 },
	};
	size_t written;

	if (!log_sink_flush())
		return false;
	written = put(parts, 3);
	if (written)
		keep_rest(parts, 3, written);
	return written > 0;
}

bool log_sink_is_gone(void)
{
	return is_gone;
}
