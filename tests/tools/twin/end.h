/* SPDX-License-Identifier: Apache-2.0 */
/* What a case is written with. */
#pragma once

#include <pthread.h>
#include <sys/types.h>

#include "twin.h"

/* say - an observation: one line of the record. */
void say(struct end *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* res - the result of a call just made, for say(): "12", or "ECONNRESET" for -1. */
const char *res(ssize_t r);

/* err - the name of an error; it may be negative. */
const char *err(int e);

/* must - what only fails when the test itself cannot go on. */
int must(struct end *e, const char *what, int r);

/* meet - waits for the other end to come here as well. */
void meet(struct end *e);
/* tell, heed - one end goes on, the other waits for it. */
void tell(struct end *e);
void heed(struct end *e);

/*
 * wait_room, wait_data - how a non-blocking end waits after EAGAIN: by poll(2), unless the
 * case has set e->wait.
 */
void wait_room(struct end *e);
void wait_data(struct end *e);

/* wait_for - until poll(2) reports one of @events; returns what it reported. */
int wait_for(int fd, int events);

/* set_blocking - also what "turned" is made by. */
void set_blocking(int fd, bool on);

/*
 * put, get - send(2) of all, recv(2) of what there is. A non-blocking end asks
 * poll(2) and tries again at EAGAIN, another must never see it. Return bytes or -errno.
 */
ssize_t put(struct end *e, const void *data, size_t len);
ssize_t get(struct end *e, void *data, size_t len);
/*
 * may_go_on - after an error of a call that receives: is it to be tried again? A socket that
 * was captured and then turned may say EAGAIN as well, which is recorded, once.
 */
bool may_go_on(struct end *e);
/* get_full - get() until @len or the end. */
ssize_t get_full(struct end *e, void *data, size_t len);

/* ended - reads on to the end and says how that was, and how many bytes came. */
void ended(struct end *e);

/* A thread in a call; the result is -errno or what the call returned. */
struct waiter {
	struct end *e;
	ssize_t (*call)(struct end *e);
	pthread_t thread;
	pid_t tid;
	int done;
	ssize_t result;
};

/*
 * waiter_start - returns when @call waits, or is over already. await_waiter - the same, later.
 * waiter_end - returns its result.
 */
void waiter_start(struct waiter *w, struct end *e, ssize_t (*call)(struct end *e));
void await_waiter(struct waiter *w);
ssize_t waiter_end(struct waiter *w);

/* await_sleep - until thread @tid of @pid waits in a system call of I/O. */
void await_sleep(struct end *e, pid_t pid, pid_t tid);
/* await_state - until the process is in that state of proc_pid_stat(5). */
void await_state(struct end *e, pid_t pid, char state);

/* nap - for a millisecond, before looking again. */
void nap(void);

/* await_stuck - until it waits and goes on waiting: as much is on its way as can be. */
void await_stuck(struct end *e, pid_t pid, pid_t tid);

/* recv_1 - the usual call of a waiter: one byte. */
ssize_t recv_1(struct end *e);

/* end_connect, end_accept, end_warm_up - for cases that are UNCONNECTED. */
void end_connect(struct end *e);
void end_accept(struct end *e);
void end_warm_up(struct end *e);

/* end_connect_fast - by MSG_FASTOPEN, the data along; how much has gone, or -errno. */
ssize_t end_connect_fast(struct end *e, const void *data, size_t len);

/* reset - close(2) with a reset. */
void reset(struct end *e);
/* option - setsockopt(2) of a number that must succeed. get_option - getsockopt(2), or -errno. */
void option(struct end *e, int level, int name, int value);
int get_option(struct end *e, int level, int name);

/* sent_by_tcp - bytes that went out on this socket's own leg: redirected ones do not count. */
uint64_t sent_by_tcp(int fd);

/* ---- bytes that can be checked: a pattern ------------------------------------------- */

struct stream {
	uint64_t bytes, wrong, random;
};

void stream_init(struct stream *s);
/* stream_fill - what is to be sent at s->bytes. stream_take - what came there, checked. */
void stream_fill(struct stream *s, void *data, size_t len);
void stream_take(struct stream *s, const void *data, size_t len);
/* stream_say - how much came, whether it is right, and the -errno that ended it. */
void stream_say(struct end *e, const struct stream *s, ssize_t last);

/* One try to send: bytes, or -1 and errno. */
typedef ssize_t send_call(struct end *e, const char *data, size_t len);
send_call send_plainly;

/*
 * send_stream - @total bytes in pieces of 1 to @max, each by @call until it is gone.
 * recv_stream - so many, checked. Both say how it went.
 */
void send_stream(struct end *e, uint64_t total, size_t max, send_call *call);
void recv_stream(struct end *e, uint64_t total);

/* recv_stream_by - the same, by any call that receives. */
typedef ssize_t recv_call(struct end *e, char *data, size_t len);
void recv_stream_by(struct end *e, uint64_t total, size_t max, recv_call *call);
