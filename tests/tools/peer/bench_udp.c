/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The udp load: as many datagrams as the sender can, or so many a second, and
 * how many of them arrive. Time is what was spent on sending.
 */
#include "bench_udp.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "modes.h"
#include "udp.h"
#include "util.h"

#define ASK_MS 200
#define ASK_TRIES 20

static bool wait_readable(int fd, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, ms) > 0;
}

/* What is on its way arrives before what is asked behind it. */
static struct bench_udp_tally ask(int fd, struct bench_udp_header *h)
{
	static uint64_t asked;
	struct bench_udp_tally tally;

	h->kind = BENCH_UDP_REPORT;
	h->seq = ++asked;
	for (int i = 0; i < ASK_TRIES; i++) {
		send(fd, h, sizeof(*h), 0);
		while (wait_readable(fd, ASK_MS))
			if (recv(fd, &tally, sizeof(tally), 0) == sizeof(tally) &&
			    tally.asked == asked)
				return tally;
	}
	die("the server does not answer");
}

/* Until the server says that it has sent all; returns how many those were. */
static uint64_t drain(int fd, struct bench_udp_header *h, struct bench_udp_tally *tally)
{
	static unsigned char buf[65536];
	struct bench_udp_header got = { .kind = BENCH_UDP_DATA };
	uint64_t last = 0;
	int tries = 0;
	ssize_t n;

	h->kind = BENCH_UDP_SOURCE;
	send(fd, h, sizeof(*h), 0);
	while (got.kind != BENCH_UDP_SENT) {
		if (!wait_readable(fd, ASK_MS)) {
			if (!tally->received && ++tries > ASK_TRIES)
				die("the server does not answer");
			send(fd, h, sizeof(*h), 0);
			continue;
		}
		n = recv(fd, buf, sizeof(buf), 0);
		if (n < (ssize_t)sizeof(got))
			continue;
		memcpy(&got, buf, sizeof(got));
		if (got.magic != BENCH_UDP_MAGIC || got.run != h->run)
			got.kind = BENCH_UDP_DATA; /* of a run before */
		else if (got.kind == BENCH_UDP_DATA)
			bench_udp_count(tally, &got, (size_t)n, &last);
	}
	return got.seq;
}

int bench_udp(const struct options *o)
{
	struct bench_udp_header h = {
		.magic = BENCH_UDP_MAGIC,
		.run = now_ns(),
		.size = (uint32_t)o->plan.write_size.max,
		.ms = (uint32_t)(o->seconds * 1000),
		.rate = o->rate,
	};
	struct bench_udp_tally tally = { 0 };
	int fd = udp_connected(o, 0);
	uint64_t sent, start;
	double cpu, seconds;

	if (h.size < sizeof(h) || h.size > UDP_SIZE_MAX)
		die("--write-size is %zu to %u", sizeof(h), UDP_SIZE_MAX);
	bench_noise();
	watchdog_expect("datagrams");
	ask(fd, &h);
	cpu = cpu_seconds();
	start = now_ns();
	sent = o->down ? drain(fd, &h, &tally) : bench_udp_flood(fd, &h, NULL, 0);
	seconds = o->down ? o->seconds : (double)(now_ns() - start) / 1e9;
	cpu = cpu_seconds() - cpu;
	if (!o->down)
		tally = ask(fd, &h);
	say("udp dir=%s size=%u seconds=%.3f sent=%llu count=%llu loss=%.5f sent_pps=%.0f pps=%.0f "
	    "disorder=%llu wrong=%llu cpu_s=%.2f", o->down ? "down" : "up", h.size, seconds,
	    (unsigned long long)sent, (unsigned long long)tally.received,
	    sent ? 1 - (double)tally.received / (double)sent : 0, (double)sent / seconds,
	    (double)tally.received / seconds, (unsigned long long)tally.disorder,
	    (unsigned long long)tally.wrong, cpu);
	return tally.wrong ? EXIT_WRONG : 0;
}
