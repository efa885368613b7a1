/* SPDX-License-Identifier: Apache-2.0 */
#include "end.h"

#include <fcntl.h>
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

	while (poll(&pfd, 1, -1) < 0)
		;
	return pfd.revents;
}

void set_blocking(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	fcntl(fd, F_SETFL, on ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
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
			wait_for(e->fd, POLLOUT);
		else
			return -errno;
	}
	return (ssize_t)done;
}

ssize_t get(struct end *e, void *data, size_t len)
{
	for (;;) {
		ssize_t n = recv(e->fd, data, len, 0);

		if (n >= 0)
			return n;
		if (errno != EAGAIN || e->mode != NONBLOCKING)
			return -errno;
		wait_for(e->fd, POLLIN);
	}
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

void stream_init(struct stream *s)
{
	*s = (struct stream){ .wrong = UINT64_MAX };
}

static char pattern(uint64_t at)
{
	uint64_t x = (at + 1) * 0x9e3779b97f4a7c15ull;

	return (char)(x >> 56);
}

void stream_fill(struct stream *s, void *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((char *)data)[i] = pattern(s->bytes + i);
}

void stream_take(struct stream *s, const void *data, size_t len)
{
	for (size_t i = 0; i < len && s->wrong == UINT64_MAX; i++)
		if (((const char *)data)[i] != pattern(s->bytes + i))
			s->wrong = s->bytes + i;
	s->bytes += len;
}

/* As many small ones as large ones. */
static size_t some_size(struct stream *s, size_t max)
{
	uint64_t x = s->random ? s->random : 88172645463325252ull;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	s->random = x;
	while (max > 1 && x & 1) {
		x >>= 1;
		max /= 2;
	}
	return 1 + (x >> 1) % max;
}

ssize_t send_plainly(struct end *e, const char *data, size_t len)
{
	return send(e->fd, data, len, MSG_NOSIGNAL);
}

void send_stream(struct end *e, uint64_t total, size_t max, send_call *call)
{
	char *data = malloc(max);
	struct stream s;
	ssize_t n = 0;

	stream_init(&s);
	while (s.bytes < total) {
		size_t len = some_size(&s, max), done = 0;

		if (len > total - s.bytes)
			len = total - s.bytes;
		stream_fill(&s, data, len);
		while (done < len) {
			n = call(e, data + done, len - done);
			if (n >= 0) {
				done += (size_t)n;
			} else if (errno == EAGAIN && e->mode == NONBLOCKING) {
				wait_for(e->fd, POLLOUT);
			} else {
				n = -errno;
				break;
			}
		}
		s.bytes += done;
		if (done < len)
			break;
	}
	say(e, "sent %llu bytes%s%s", (unsigned long long)s.bytes, n < 0 ? ", then " : "",
	    n < 0 ? err((int)n) : "");
	free(data);
}

void stream_say(struct end *e, const struct stream *s, ssize_t last)
{
	if (s->wrong == UINT64_MAX)
		say(e, "received %llu bytes, all right%s%s", (unsigned long long)s->bytes,
		    last < 0 ? ", then " : "", last < 0 ? err((int)last) : "");
	else
		say(e, "received %llu bytes, wrong from byte %llu on",
		    (unsigned long long)s->bytes, (unsigned long long)s->wrong);
}

void recv_stream(struct end *e, uint64_t total)
{
	static __thread char data[262144];
	struct stream s;
	ssize_t n = 0;

	stream_init(&s);
	while (s.bytes < total) {
		n = get(e, data, total - s.bytes < sizeof(data) ? total - s.bytes : sizeof(data));
		if (n <= 0)
			break;
		stream_take(&s, data, (size_t)n);
	}
	stream_say(e, &s, n);
}
