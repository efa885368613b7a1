/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that can be checked, sent and received by whatever call a case wants. */
#include "end.h"

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
				wait_room(e);
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

void recv_stream_by(struct end *e, uint64_t total, size_t max, recv_call *call)
{
	char *data = malloc(max);
	struct stream s;
	ssize_t n = 0;

	stream_init(&s);
	while (s.bytes < total) {
		n = call(e, data, total - s.bytes < max ? total - s.bytes : max);
		if (n > 0) {
			stream_take(&s, data, (size_t)n);
		} else if (!n || !may_go_on(e)) {
			n = n < 0 ? -errno : 0;
			break;
		}
	}
	stream_say(e, &s, n);
	free(data);
}

static ssize_t do_recv(struct end *e, char *data, size_t len)
{
	return recv(e->fd, data, len, 0);
}

void recv_stream(struct end *e, uint64_t total)
{
	recv_stream_by(e, total, 262144, do_recv);
}
