/* SPDX-License-Identifier: Apache-2.0 */
#include "end.h"

#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>

void say(struct end *e, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	int n = snprintf(text, sizeof(text), "%s: ", e->subject ? "subject" : "partner");

	va_start(ap, fmt);
	n += vsnprintf(text + n, sizeof(text) - (size_t)n - 1, fmt, ap);
	va_end(ap);
	text[n++] = '\n';
	/* one write(2): threads and forked processes say things as well */
	if (write(e->out, text, (size_t)n) != n)
		_exit(3);
}

const char *err(int e)
{
	const char *name = strerrorname_np(abs(e));

	return name ? name : "unknown";
}

const char *res(ssize_t r)
{
	static __thread char text[4][24];
	static __thread unsigned int next;

	if (r < 0)
		return err(r == -1 ? errno : (int)r);
	next = (next + 1) % 4;
	snprintf(text[next], sizeof(*text), "%zd", r);
	return text[next];
}

int must(struct end *e, const char *what, int r)
{
	if (r >= 0)
		return r;
	say(e, "%s failed: %s", what, err(errno));
	_exit(4);
}

void tell(struct end *e)
{
	send(e->steps, "", 1, MSG_NOSIGNAL);
}

void heed(struct end *e)
{
	char c;

	if (recv(e->steps, &c, 1, 0) == 1)
		return;
	say(e, "the other end is gone");
	_exit(5);
}

void meet(struct end *e)
{
	tell(e);
	heed(e);
}

int wait_for(int fd, int events)
{
	struct pollfd pfd = { fd, (short)events, 0 };
	struct tcp_info info;
	socklen_t len = sizeof(info);

	while (poll(&pfd, 1, -1) < 0)
		;
	/*
	 * A reset sets the error, the state and the shutdown one after the other
	 * (tcp_reset, tcp_done), on another CPU perhaps, and poll(2) takes no lock.
	 * Who asks for TCP_INFO does, and sees all of it.
	 */
	if (pfd.revents & (POLLERR | POLLHUP)) {
		getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
		poll(&pfd, 1, -1);
	}
	return pfd.revents;
}

void set_blocking(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	fcntl(fd, F_SETFL, on ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

void wait_room(struct end *e)
{
	if (e->wait)
		e->wait(e, POLLOUT);
	else
		wait_for(e->fd, POLLOUT);
}

void wait_data(struct end *e)
{
	if (e->wait)
		e->wait(e, POLLIN);
	else
		wait_for(e->fd, POLLIN);
}

void reset(struct end *e)
{
	struct linger now = { 1, 0 };

	setsockopt(e->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	say(e, "close: %s", res(close(e->fd)));
}

void option(struct end *e, int level, int name, int value)
{
	must(e, "setsockopt", setsockopt(e->fd, level, name, &value, sizeof(value)));
}

int get_option(struct end *e, int level, int name)
{
	socklen_t len = sizeof(int);
	int value = 0;

	return getsockopt(e->fd, level, name, &value, &len) < 0 ? -errno : value;
}

ssize_t put(struct end *e, const void *data, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = send(e->fd, (const char *)data + done, len - done, MSG_NOSIGNAL);
		if (n >= 0)
			done += (size_t)n;
		else if (errno == EAGAIN && e->mode == NONBLOCKING)
			wait_room(e);
		else
			return -errno;
	}
	return (ssize_t)done;
}

bool may_go_on(struct end *e)
{
	static bool said;

	if (errno != EAGAIN || (e->mode != NONBLOCKING && e->mode != TURNED))
		return false;
	if (e->mode == NONBLOCKING) {
		wait_data(e);
	} else if (!said) {
		said = true;
		say(e, "recv: EAGAIN, although it blocks");
	}
	return true;
}

ssize_t get(struct end *e, void *data, size_t len)
{
	ssize_t n;

	do {
		n = recv(e->fd, data, len, 0);
	} while (n < 0 && may_go_on(e));
	return n < 0 ? -errno : n;
}

ssize_t get_full(struct end *e, void *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = get(e, (char *)data + done, len - done);

		if (n < 0)
			return n;
		if (!n)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

void ended(struct end *e)
{
	static char data[65536];
	uint64_t bytes = 0;
	ssize_t n;

	while ((n = get(e, data, sizeof(data))) > 0)
		bytes += (uint64_t)n;
	say(e, "read %llu bytes to the end: %s", (unsigned long long)bytes, n ? err((int)n) : "EOF");
}
