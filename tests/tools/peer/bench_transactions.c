/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions: rr (a request is answered, again and again on each flow), wwr
 * (the same with a request in several small writes, which stalls wherever
 * Nagle's algorithm meets a delayed ACK), and crr (a connection for each).
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "drive.h"
#include "modes.h"
#include "sock.h"
#include "util.h"

#define WRITES_MAX 64

/* The request of each mode: how much, in which pieces. */
struct shape {
	const struct options *o;
	struct bench_header header;
	bool is_crr;
	unsigned int writes;
	size_t sizes[WRITES_MAX];
};

enum state { STATE_OPEN, STATE_CONNECT, STATE_HEADER, STATE_WRITE, STATE_READ, STATE_EOF };

struct flow {
	struct task task;
	const struct shape *shape;
	enum state state;
	unsigned int index, write;
	size_t done; /* of the header, of a piece, or of the response */
	uint64_t began, start, until;
	uint64_t errors;
	int error;
	struct hist hist;
};

static int again(struct flow *f, uint32_t events)
{
	if (errno == EINTR)
		return 1;
	if (errno != EAGAIN)
		return -errno;
	f->task.events = events;
	return -EAGAIN;
}

static int go(struct flow *f, enum state state)
{
	f->state = state;
	f->done = 0;
	f->task.events = state >= STATE_READ ? EPOLLIN : EPOLLOUT;
	return 1;
}

/* With --rate, all flows together: those that are late do not wait. */
static void wait_for_turn(const struct flow *f)
{
	const struct options *o = f->shape->o;
	uint64_t at;
	struct timespec ts;

	if (!o->rate)
		return;
	at = f->start + 1000000000ull * f->index / o->rate;
	ts = (struct timespec){ (time_t)(at / 1000000000), (long)(at % 1000000000) };
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static int do_open(struct flow *f)
{
	const struct options *o = f->shape->o;
	int r;

	wait_for_turn(f);
	f->began = now_ns();
	if (f->began >= f->until)
		return 0;
	f->task.fd = sock_open(o, f->index, o->io, 1);
	f->index += o->flows;
	r = sock_connect(f->task.fd, o, f->index);
	go(f, r ? STATE_CONNECT : STATE_HEADER);
	drive_refd(&f->task);
	return r == -EINPROGRESS ? -EAGAIN : r < 0 ? r : 1;
}

static int do_connect(struct flow *f)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);
	int e;
	socklen_t e_len = sizeof(e);

	if (getsockopt(f->task.fd, SOL_SOCKET, SO_ERROR, &e, &e_len) < 0 || e)
		return e ? -e : -errno;
	if (getsockopt(f->task.fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return -errno;
	if (info.tcpi_state == TCP_SYN_SENT)
		return -EAGAIN; /* the first edge only says that it is new */
	return go(f, STATE_HEADER);
}

/* crr: the header and the request are one segment, as a real request is. */
static int do_header(struct flow *f)
{
	const struct shape *s = f->shape;
	struct iovec iov[2] = {
		{ (char *)&s->header + f->done, sizeof(s->header) - f->done },
		{ (void *)bench_noise(), s->is_crr ? s->sizes[0] : 0 },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n = sendmsg(f->task.fd, &msg, MSG_NOSIGNAL);

	if (n < 0)
		return again(f, EPOLLOUT);
	f->done += (size_t)n;
	if (f->done < sizeof(s->header))
		return 1;
	n = (ssize_t)(f->done - sizeof(s->header));
	f->write = 0;
	go(f, STATE_WRITE);
	f->done = (size_t)n;
	return 1;
}

static int do_write(struct flow *f)
{
	const struct shape *s = f->shape;
	ssize_t n;

	if (!s->is_crr && !f->write && !f->done) {
		f->began = now_ns();
		if (f->began >= f->until) {
			close(f->task.fd);
			return 0;
		}
	}
	if (f->done < s->sizes[f->write]) {
		n = send(f->task.fd, bench_noise(), s->sizes[f->write] - f->done, MSG_NOSIGNAL);
		if (n < 0)
			return again(f, EPOLLOUT);
		f->done += (size_t)n;
	}
	if (f->done < s->sizes[f->write])
		return 1;
	f->done = 0;
	if (++f->write < s->writes)
		return 1;
	f->write = 0;
	return go(f, STATE_READ);
}

static int do_read(struct flow *f)
{
	static __thread unsigned char *buf;
	size_t size = f->shape->header.response;
	ssize_t n;

	if (!buf)
		buf = xalloc(BENCH_NOISE_MAX, 1);
	n = recv(f->task.fd, buf, size - f->done, 0);
	if (n < 0)
		return again(f, EPOLLIN);
	if (n == 0)
		return -ECONNABORTED;
	f->done += (size_t)n;
	if (f->done < size)
		return 1;
	if (f->shape->is_crr)
		return go(f, STATE_EOF);
	hist_add(&f->hist, now_ns() - f->began);
	return go(f, STATE_WRITE);
}

static int do_eof(struct flow *f)
{
	char byte;

	if (!f->shape->o->client_closes) {
		ssize_t n = recv(f->task.fd, &byte, 1, 0);

		if (n < 0)
			return again(f, EPOLLIN);
		if (n > 0)
			return -EPROTO;
	}
	drive_close(&f->task);
	hist_add(&f->hist, now_ns() - f->began);
	return go(f, STATE_OPEN);
}

static int flow_step(struct task *task)
{
	static int (*const steps[])(struct flow *f) = {
		[STATE_OPEN] = do_open,     [STATE_CONNECT] = do_connect,
		[STATE_HEADER] = do_header, [STATE_WRITE] = do_write,
		[STATE_READ] = do_read,	    [STATE_EOF] = do_eof,
	};
	struct flow *f = (struct flow *)task;
	int r = steps[f->state](f);

	if (r >= 0 || r == -EAGAIN)
		return r;
	if (!f->shape->is_crr)
		die("%s: %s", f->shape->o->mode, errno_name(-r));
	f->errors++;
	f->error = -r;
	drive_close(&f->task);
	return go(f, STATE_OPEN);
}

static void shape_make(struct shape *s, const struct options *o)
{
	unsigned int i;

	*s = (struct shape){ .o = o, .writes = 1, .sizes = { o->request } };
	s->is_crr = strcmp(o->mode, "crr") == 0;
	bench_header_fill(&s->header, o, BENCH_RR);
	if (s->is_crr)
		s->header.kind = o->client_closes ? BENCH_RR : BENCH_CRR;
	if (strcmp(o->mode, "wwr") != 0)
		return;
	s->writes = o->writes;
	if (s->writes < 1 || s->writes > WRITES_MAX)
		die("--writes %u: 1 to %d are possible", o->writes, WRITES_MAX);
	s->header.request = 0;
	for (i = 0; i < s->writes; i++) { /* 5 to 49 bytes */
		s->sizes[i] = s->writes > 1 ? 5 + 44 * i / (s->writes - 1) : 5;
		s->header.request += (uint32_t)s->sizes[i];
	}
}

static void report(const struct shape *s, const struct flow *flows, double seconds, double cpu)
{
	const struct options *o = s->o;
	static struct hist all;
	uint64_t errors = 0;
	int error = 0;
	unsigned int i;

	for (i = 0; i < o->flows; i++) {
		hist_merge(&all, &flows[i].hist);
		errors += flows[i].errors;
		error = flows[i].errors ? flows[i].error : error;
	}
	say("%s flows=%u io=%s request=%u response=%u seconds=%.3f count=%llu %s=%.1f "
	    "p50_us=%.1f p99_us=%.1f errors=%llu%s%s cpu_s=%.2f",
	    o->mode, o->flows, o->io == IO_BLOCKING ? "blocking" : o->io == IO_POLL ? "poll" : "epoll",
	    s->header.request, s->header.response, seconds, (unsigned long long)all.count,
	    s->is_crr ? "conns_per_s" : "tps", (double)all.count / seconds,
	    hist_percentile(&all, 50), hist_percentile(&all, 99), (unsigned long long)errors,
	    errors ? " error=" : "", errors ? errno_name(error) : "", cpu);
}

int bench_transactions(const struct options *o)
{
	struct flow *flows = xalloc(o->flows, sizeof(*flows));
	struct driver driver;
	struct shape shape;
	uint64_t start;
	unsigned int i;
	double cpu;

	shape_make(&shape, o);
	bench_noise();
	drive_init(&driver, o->io);
	watchdog_expect("connect");
	for (i = 0; i < o->flows; i++) {
		flows[i].shape = &shape;
		flows[i].index = i;
		flows[i].task.step = flow_step;
		flows[i].task.fd = shape.is_crr ? -1 : sock_connected(o, i, o->io, 1);
		go(&flows[i], shape.is_crr ? STATE_OPEN : STATE_HEADER);
	}
	cpu = cpu_seconds();
	start = now_ns();
	for (i = 0; i < o->flows; i++) {
		flows[i].start = start;
		flows[i].until = start + (uint64_t)(o->seconds * 1e9);
		drive_add(&driver, &flows[i].task);
	}
	watchdog_expect("the transactions");
	drive_run(&driver);
	report(&shape, flows, (double)(now_ns() - start) / 1e9, cpu_seconds() - cpu);
	return 0;
}
