/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Throughput: the client writes (or, with --down, the server does) for some
 * seconds on one or more streams. The time runs until the last byte has
 * arrived, so what buffers hold does not count as moved.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "drive.h"
#include "modes.h"
#include "sock.h"
#include "util.h"

#define READ_SIZE (128 * 1024)
#define CLOCK_EVERY 32 /* writes */

struct flow {
	struct task task;
	struct bench_header header;
	size_t header_sent;
	size_t left; /* of one write */
	bool is_shut;
	uint64_t until;
	uint64_t bytes, messages, arrived;
	size_t have; /* of arrived */
};

static int again(struct task *task, uint32_t events)
{
	if (errno == EINTR)
		return 1;
	if (errno != EAGAIN)
		die("%s: %s", events == EPOLLIN ? "recv" : "send", errno_name(errno));
	task->events = events;
	return -EAGAIN;
}

static int send_header(struct flow *f)
{
	ssize_t n = send(f->task.fd, (char *)&f->header + f->header_sent,
			 sizeof(f->header) - f->header_sent, MSG_NOSIGNAL);

	if (n < 0)
		return again(&f->task, EPOLLOUT);
	f->header_sent += (size_t)n;
	f->task.events = f->header.kind == BENCH_UP ? EPOLLOUT : EPOLLIN;
	return 1;
}

/* The server says how much it has read. */
static int read_count(struct flow *f)
{
	ssize_t n = recv(f->task.fd, (char *)&f->arrived + f->have,
			 sizeof(f->arrived) - f->have, 0);

	if (n < 0)
		return again(&f->task, EPOLLIN);
	f->have += (size_t)n;
	if (n && f->have < sizeof(f->arrived))
		return 1;
	if (f->arrived != f->bytes)
		die("of %llu bytes %llu arrived", (unsigned long long)f->bytes,
		    (unsigned long long)f->arrived);
	close(f->task.fd);
	return 0;
}

static int up_step(struct task *task)
{
	struct flow *f = (struct flow *)task;
	ssize_t n;

	if (f->header_sent < sizeof(f->header))
		return send_header(f);
	if (f->is_shut)
		return read_count(f);
	if (!f->left) {
		if (f->messages % CLOCK_EVERY == 0 && now_ns() >= f->until) {
			f->is_shut = true;
			f->task.events = EPOLLIN;
			shutdown(task->fd, SHUT_WR);
			return 1;
		}
		f->left = f->header.write_size;
	}
	n = send(task->fd, bench_noise(), f->left, MSG_NOSIGNAL);
	if (n < 0)
		return again(task, EPOLLOUT);
	f->bytes += (uint64_t)n;
	f->left -= (size_t)n;
	f->messages += !f->left;
	return 1;
}

static int down_step(struct task *task)
{
	static __thread unsigned char *buf;
	struct flow *f = (struct flow *)task;
	ssize_t n;

	if (f->header_sent < sizeof(f->header))
		return send_header(f);
	if (!buf)
		buf = xalloc(READ_SIZE, 1);
	n = recv(task->fd, buf, READ_SIZE, 0);
	if (n < 0)
		return again(task, EPOLLIN);
	f->bytes += (uint64_t)n;
	if (n > 0)
		return 1;
	close(task->fd);
	return 0;
}

static void report(const struct options *o, const struct flow *flows, double seconds, double cpu)
{
	static const char *const ios[] = { "blocking", "poll", "epoll" };
	uint64_t bytes = 0;
	double gbit, messages;
	unsigned int i;

	for (i = 0; i < o->connections; i++)
		bytes += flows[i].bytes;
	gbit = (double)bytes * 8 / 1e9;
	messages = (double)bytes / (double)flows[0].header.write_size;
	say("throughput dir=%s streams=%u io=%s write=%u seconds=%.3f bytes=%llu gbps=%.3f "
	    "msgs_per_s=%.0f cpu_s=%.2f cpu_s_per_gbit=%.4f",
	    o->down ? "down" : "up", o->connections, ios[o->io], flows[0].header.write_size,
	    seconds, (unsigned long long)bytes, gbit / seconds, messages / seconds, cpu,
	    cpu / gbit);
}

int bench_throughput(const struct options *o)
{
	struct flow *flows = xalloc(o->connections, sizeof(*flows));
	struct driver driver;
	double cpu;
	uint64_t start;
	unsigned int i;

	bench_noise();
	drive_init(&driver, o->io);
	watchdog_expect("connect");
	for (i = 0; i < o->connections; i++) {
		flows[i].task.fd = sock_connected(o, i, o->io, 0);
		flows[i].task.events = EPOLLOUT;
		flows[i].task.step = o->down ? down_step : up_step;
		bench_header_fill(&flows[i].header, o, o->down ? BENCH_DOWN : BENCH_UP);
	}
	cpu = cpu_seconds();
	start = now_ns();
	for (i = 0; i < o->connections; i++) {
		flows[i].until = start + (uint64_t)(o->seconds * 1e9);
		drive_add(&driver, &flows[i].task);
	}
	watchdog_expect("the end of the streams");
	drive_run(&driver);
	report(o, flows, (double)(now_ns() - start) / 1e9, cpu_seconds() - cpu);
	return 0;
}
