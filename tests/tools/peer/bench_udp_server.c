/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_udp.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "udp.h"
#include "util.h"

void bench_udp_count(struct bench_udp_tally *t, const struct bench_udp_header *h, size_t len,
		     uint64_t *last)
{
	t->received++;
	t->bytes += len;
	t->wrong += len != h->size;
	t->disorder += *last && h->seq <= *last;
	*last = h->seq;
}

static void wait_until(uint64_t ns)
{
	struct timespec ts = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

uint64_t bench_udp_flood(int fd, struct bench_udp_header *h, const void *to, unsigned int to_len)
{
	static __thread unsigned char buf[UDP_SIZE_MAX];
	uint64_t start = now_ns(), end = start + h->ms * 1000000ull, sent = 0, now;

	memcpy(buf, bench_noise(), sizeof(buf));
	h->kind = BENCH_UDP_DATA;
	for (h->seq = 1;; h->seq++) {
		/* with a rate: a millisecond's worth at a time, as iperf3 */
		if (h->rate) {
			now = start + (h->seq - 1) * 1000000000 / h->rate;
			if (now > now_ns())
				wait_until(now + 1000000);
		}
		if (h->seq % 16 == 0 && now_ns() >= end)
			break;
		memcpy(buf, h, sizeof(*h));
		sent += sendto(fd, buf, h->size, 0, to, to_len) >= 0;
	}
	return sent;
}

struct source {
	int fd;
	struct bench_udp_header header;
	struct sockaddr_storage to;
	socklen_t to_len;
	atomic_bool done; /* header is what the client is told then */
};

struct server {
	int fd;
	uint64_t run, last;
	struct bench_udp_tally tally;
	struct source *source; /* stays: its thread may outlast the run */
};

static void tell_sent(const struct source *s)
{
	sendto(s->fd, &s->header, sizeof(s->header), 0, (const struct sockaddr *)&s->to,
	       s->to_len);
}

static void *source_thread(void *arg)
{
	struct source *s = arg;

	s->header.seq = bench_udp_flood(s->fd, &s->header, &s->to, s->to_len);
	s->header.kind = BENCH_UDP_SENT;
	atomic_store(&s->done, true);
	/* one may be lost behind so many others; when all are, the client asks */
	for (int i = 0; i < 5; i++) {
		wait_until(now_ns() + 20000000);
		tell_sent(s);
	}
	return NULL;
}

static void start_source(struct server *s, const struct bench_udp_header *h,
			 const struct sockaddr_storage *from, socklen_t len)
{
	struct source *source = xalloc(1, sizeof(*source));
	pthread_t thread;

	*source = (struct source){ .fd = s->fd, .header = *h, .to = *from, .to_len = len };
	s->source = source;
	if (pthread_create(&thread, NULL, source_thread, source))
		die("cannot start a thread for datagrams");
	pthread_detach(thread);
}

static void serve(struct server *s, const unsigned char *buf, size_t len,
		  const struct sockaddr_storage *from, socklen_t from_len)
{
	struct bench_udp_header h;

	if (len < sizeof(h))
		return;
	memcpy(&h, buf, sizeof(h));
	if (h.magic != BENCH_UDP_MAGIC)
		return;
	if (h.run != s->run && h.kind != BENCH_UDP_REPORT)
		*s = (struct server){ .fd = s->fd, .run = h.run };

	switch (h.kind) {
	case BENCH_UDP_DATA:
		bench_udp_count(&s->tally, &h, len, &s->last);
		break;
	case BENCH_UDP_REPORT:
		s->tally.asked = h.seq;
		sendto(s->fd, &s->tally, sizeof(s->tally), 0, (const struct sockaddr *)from,
		       from_len);
		break;
	case BENCH_UDP_SOURCE:
		if (!s->source && h.size <= UDP_SIZE_MAX && h.size >= sizeof(h))
			start_source(s, &h, from, from_len);
		else if (s->source && atomic_load(&s->source->done))
			tell_sent(s->source);
		break;
	}
}

static void *server_thread(void *arg)
{
	static unsigned char buf[65536];
	struct server s = { .fd = *(int *)arg };
	struct sockaddr_storage from;
	socklen_t len;
	ssize_t n;

	for (;;) {
		len = sizeof(from);
		n = recvfrom(s.fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);
		if (n >= 0)
			serve(&s, buf, (size_t)n, &from, len);
	}
	return NULL;
}

void bench_udp_serve(const struct options *o, uint16_t port)
{
	static int fd;
	pthread_t thread;

	fd = udp_bind(o, port);
	if (pthread_create(&thread, NULL, server_thread, &fd))
		die("cannot start a thread for datagrams");
	pthread_detach(thread);
}
