/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop: who is called when, and that a callback may destroy what
 * it likes. Run with AddressSanitizer, freed sources that are touched show.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/loop.h"

/* A source on the heap with an eventfd of its own; it counts its calls. */
struct probe {
	struct loop_source source;
	unsigned int calls;
	uint32_t events; /* of the last call */
	struct probe *other;
	struct loop *loop;
};

static struct loop loop;

static int setup(void **state)
{
	return loop_init(&loop);
}

static int teardown(void **state)
{
	loop_done(&loop);
	return 0;
}

static void count(struct loop_source *source, uint32_t events)
{
	struct probe *p = (struct probe *)source; /* its first member */

	p->calls++;
	p->events = events;
}

static struct probe *probe_new(loop_fn *fn, bool ready)
{
	struct probe *p = calloc(1, sizeof(*p));
	int fd = eventfd(ready, EFD_CLOEXEC | EFD_NONBLOCK);

	assert_non_null(p);
	assert_true(fd >= 0);
	p->loop = &loop;
	assert_int_equal(loop_add(&loop, &p->source, fd, EPOLLIN, fn), 0);
	return p;
}

static struct probe *probe_free(struct probe *p)
{
	int fd = p->source.fd;

	loop_del(&p->source);
	close(fd);
	free(p);
	return NULL;
}

static void make_ready(struct probe *p)
{
	assert_int_equal(eventfd_write(p->source.fd, 1), 0);
}

static void make_unready(struct probe *p)
{
	eventfd_t value;

	assert_int_equal(eventfd_read(p->source.fd, &value), 0);
}

static void turn(void)
{
	assert_int_equal(loop_turn(&loop, 0), 0);
}

static void test_event(void **state)
{
	struct probe *p = probe_new(count, false);

	turn();
	assert_int_equal(p->calls, 0);
	make_ready(p);
	turn();
	assert_int_equal(p->calls, 1);
	assert_int_equal(p->events, EPOLLIN);
	turn(); /* level-triggered: still ready */
	assert_int_equal(p->calls, 2);
	make_unready(p);
	turn();
	assert_int_equal(p->calls, 2);
	probe_free(p);
}

static void test_edge(void **state)
{
	struct probe *p = probe_new(count, true);

	assert_int_equal(loop_mod(&p->source, EPOLLIN | EPOLLET), 0);
	turn();
	turn();
	assert_int_equal(p->calls, 1);
	/* an edge that is due is told again */
	assert_int_equal(loop_mod(&p->source, EPOLLIN | EPOLLET), 0);
	turn();
	assert_int_equal(p->calls, 2);
	assert_int_equal(loop_mod(&p->source, EPOLLIN | EPOLLOUT | EPOLLET), 0);
	turn();
	assert_int_equal(p->calls, 3);
	assert_int_equal(p->events, EPOLLIN | EPOLLOUT);
	probe_free(p);
}

static void destroy_other(struct loop_source *source, uint32_t events)
{
	struct probe *p = (struct probe *)source;

	count(source, events);
	probe_free(p->other);
	p->other = NULL;
}

/* Both are ready in one turn; the first ends the other, which is not called. */
static void test_destroys_another(void **state)
{
	for (int reversed = 0; reversed < 2; reversed++) {
		struct probe *a = probe_new(destroy_other, true);
		struct probe *b = probe_new(destroy_other, true);
		struct probe *first = reversed ? b : a, *second = reversed ? a : b;

		first->other = second;
		second->other = first;
		loop_ready(&first->source);
		loop_ready(&second->source);
		turn();
		assert_int_equal(first->calls, 1);
		assert_null(first->other);
		/* what is left works on */
		first->source.fn = count;
		turn();
		assert_int_equal(first->calls, 2);
		probe_free(first);
	}
}

static unsigned int ended;

static void destroy_itself(struct loop_source *source, uint32_t events)
{
	ended++;
	probe_free((struct probe *)source);
}

static void test_destroys_itself(void **state)
{
	struct probe *p[3];

	ended = 0;
	for (int i = 0; i < 3; i++)
		p[i] = probe_new(destroy_itself, true);
	loop_ready(&p[1]->source);
	turn();
	assert_int_equal(ended, 3);
	turn();
	assert_int_equal(ended, 3);
}

static void ready_then_destroy(struct loop_source *source, uint32_t events)
{
	loop_ready(source);
	destroy_itself(source, events);
}

/* The barrier of the turn is then behind a source that is gone. */
static void test_destroys_itself_while_on_the_list(void **state)
{
	ended = 0;
	probe_new(ready_then_destroy, true);
	turn();
	turn();
	assert_int_equal(ended, 1);
	assert_true(TAILQ_EMPTY(&loop.ready));
}

static void destroy_all(struct loop_source *source, uint32_t events)
{
	struct probe *p = (struct probe *)source;

	while (p) {
		struct probe *next = p->other;

		probe_free(p);
		ended++;
		p = next;
	}
}

static void test_destroys_everything(void **state)
{
	struct probe *chain = NULL, *p;

	ended = 0;
	for (int i = 0; i < 10; i++) {
		p = probe_new(count, true);
		p->other = chain;
		chain = p;
	}
	chain->source.fn = destroy_all;
	loop_ready(&chain->source); /* it is the first of the turn */
	turn();
	assert_int_equal(ended, 10);
	assert_true(TAILQ_EMPTY(&loop.ready));
}

static void add_one(struct loop_source *source, uint32_t events)
{
	struct probe *p = (struct probe *)source;

	count(source, events);
	if (!p->other)
		p->other = probe_new(count, true);
}

static void test_adds_a_source(void **state)
{
	struct probe *p = probe_new(add_one, true);

	turn();
	assert_non_null(p->other);
	assert_int_equal(p->other->calls, 0);
	turn();
	assert_int_equal(p->other->calls, 1);
	assert_int_equal(p->other->events, EPOLLIN);
	probe_free(p->other);
	probe_free(p);
}

static void add_again(struct loop_source *source, uint32_t events)
{
	struct probe *p = (struct probe *)source, *other = p->other;
	int fd = other->source.fd;

	count(source, events);
	if (p->calls > 1)
		return;
	/* what @other was ready for is gone with it */
	loop_del(&other->source);
	make_unready(other);
	assert_int_equal(loop_add(&loop, &other->source, fd, EPOLLIN, count), 0);
}

static void test_deletes_and_adds_again(void **state)
{
	struct probe *p = probe_new(add_again, true);

	p->other = probe_new(count, true);
	loop_ready(&p->source);
	turn();
	turn();
	assert_int_equal(p->other->calls, 0);
	make_ready(p->other);
	turn();
	assert_int_equal(p->other->calls, 1);
	assert_int_equal(p->other->events, EPOLLIN);
	probe_free(p->other);
	probe_free(p);
}

static void test_ready(void **state)
{
	struct probe *p = probe_new(count, false);

	p->events = 77;
	loop_ready(&p->source);
	loop_ready(&p->source);
	/* asked for, so nothing is waited for */
	assert_int_equal(loop_turn(&loop, -1), 0);
	assert_int_equal(p->calls, 1);
	assert_int_equal(p->events, 0);
	turn();
	assert_int_equal(p->calls, 1);

	/* asked for and an event: one call that tells of the event */
	loop_ready(&p->source);
	make_ready(p);
	turn();
	assert_int_equal(p->calls, 2);
	assert_int_equal(p->events, EPOLLIN);

	/* and an event is told of once */
	make_unready(p);
	loop_ready(&p->source);
	turn();
	assert_int_equal(p->calls, 3);
	assert_int_equal(p->events, 0);
	probe_free(p);
}

static void once_more(struct loop_source *source, uint32_t events)
{
	count(source, events);
	loop_ready(source);
}

/* Who always has more to do gets one call a turn, as everyone else does. */
static void test_ready_is_fair(void **state)
{
	struct probe *busy[2], *quiet;

	busy[0] = probe_new(once_more, false);
	busy[1] = probe_new(once_more, false);
	quiet = probe_new(count, false);
	loop_ready(&busy[0]->source);
	loop_ready(&busy[1]->source);
	for (unsigned int i = 1; i <= 10; i++) {
		if (i == 5)
			make_ready(quiet);
		assert_int_equal(loop_turn(&loop, -1), 0);
		assert_int_equal(busy[0]->calls, i);
		assert_int_equal(busy[1]->calls, i);
		assert_int_equal(quiet->calls, i < 5 ? 0 : i - 4);
	}
	probe_free(busy[0]);
	probe_free(busy[1]);
	probe_free(quiet);
}

static void ready_other(struct loop_source *source, uint32_t events)
{
	struct probe *p = (struct probe *)source;

	count(source, events);
	loop_ready(&p->other->source);
}

/* Two that wake each other do not keep a turn from ending. */
static void test_ready_another_waits(void **state)
{
	struct probe *a = probe_new(ready_other, false);
	struct probe *b = probe_new(ready_other, false);

	a->other = b;
	b->other = a;
	loop_ready(&a->source);
	turn();
	assert_int_equal(a->calls, 1);
	assert_int_equal(b->calls, 0);
	turn();
	assert_int_equal(a->calls, 1);
	assert_int_equal(b->calls, 1);
	probe_free(a);
	probe_free(b);
}

static void test_ready_in_no_loop(void **state)
{
	struct probe *p = probe_new(count, true);

	loop_ready(&p->source);
	loop_del(&p->source);
	loop_del(&p->source);
	loop_ready(&p->source);
	turn();
	assert_int_equal(p->calls, 0);
	probe_free(p);
}

static void test_forget(void **state)
{
	struct probe *p = probe_new(count, true);

	loop_ready(&p->source);
	loop_forget(&p->source);
	close(p->source.fd);
	free(p); /* an event would now touch freed memory */
	turn();
	assert_true(TAILQ_EMPTY(&loop.ready));
}

static void test_add_fails(void **state)
{
	struct probe *p = probe_new(count, true);
	struct loop_source source = { .fd = 77 };
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_int_equal(loop_add(&loop, &source, -1, EPOLLIN, count), -EBADF);
	assert_int_equal(loop_add(&loop, &source, file, EPOLLIN, count), -EPERM);
	assert_int_equal(loop_add(&loop, &source, p->source.fd, EPOLLIN, count), -EEXIST);
	assert_int_equal(source.fd, 77);
	assert_null(source.loop);
	turn(); /* the one that was there is as it was */
	assert_int_equal(p->calls, 1);
	close(file);
	probe_free(p);
}

/* More than one epoll_wait(2) returns: nobody is forgotten. */
static void test_many(void **state)
{
	enum { MANY = 600 };
	struct probe *p[MANY];
	unsigned int called = 0;

	for (int i = 0; i < MANY; i++) {
		p[i] = probe_new(count, true);
		assert_int_equal(loop_mod(&p[i]->source, EPOLLIN | EPOLLET), 0);
	}
	for (int i = 0; i < MANY; i++)
		turn();
	for (int i = 0; i < MANY; i++) {
		called += p[i]->calls;
		assert_int_equal(p[i]->calls, 1);
		probe_free(p[i]);
	}
	assert_int_equal(called, MANY);
}

static void count_and_stop(struct loop_source *source, uint32_t events)
{
	count(source, events);
	loop_stop(((struct probe *)source)->loop);
}

/* The turn in which the loop is stopped is still finished. */
static void test_run_and_stop(void **state)
{
	struct probe *p = probe_new(count_and_stop, true);
	struct probe *q = probe_new(count, true);

	loop_ready(&p->source);
	assert_int_equal(loop_run(&loop), 0);
	assert_int_equal(p->calls, 1);
	assert_int_equal(q->calls, 1);
	probe_free(p);
	probe_free(q);
}

static void test_hang_up(void **state)
{
	struct probe p = { .loop = &loop };
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv), 0);
	assert_int_equal(loop_add(&loop, &p.source, sv[0], EPOLLIN | EPOLLRDHUP, count), 0);
	close(sv[1]);
	turn();
	assert_int_equal(p.events, EPOLLIN | EPOLLRDHUP | EPOLLHUP);
	loop_del(&p.source);
	close(sv[0]);
}

static volatile sig_atomic_t signals;

static void on_signal(int signo)
{
	signals++;
}

/* A signal ends the wait, and not the loop. */
static void test_signal(void **state)
{
	struct sigaction sa = { .sa_handler = on_signal }, old;
	struct itimerval often = { { 0, 10000 }, { 0, 10000 } }, off = { 0 };
	struct timespec before, after;

	signals = 0;
	assert_int_equal(sigaction(SIGALRM, &sa, &old), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	clock_gettime(CLOCK_MONOTONIC, &before);
	assert_int_equal(loop_turn(&loop, 60000), 0);
	clock_gettime(CLOCK_MONOTONIC, &after);
	setitimer(ITIMER_REAL, &off, NULL);
	sigaction(SIGALRM, &old, NULL);
	assert_int_not_equal(signals, 0);
	assert_true(after.tv_sec - before.tv_sec < 30);
}

static void test_done(void **state)
{
	struct loop l;

	assert_int_equal(loop_init(&l), 0);
	loop_done(&l);
	assert_int_equal(l.epoll_fd, -1);
	loop_done(&l); /* closes nobody else's descriptor */
	assert_int_equal(loop_turn(&l, 0), -EBADF);
}

#define loop_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		loop_test(test_event),
		loop_test(test_edge),
		loop_test(test_destroys_another),
		loop_test(test_destroys_itself),
		loop_test(test_destroys_itself_while_on_the_list),
		loop_test(test_destroys_everything),
		loop_test(test_adds_a_source),
		loop_test(test_deletes_and_adds_again),
		loop_test(test_ready),
		loop_test(test_ready_is_fair),
		loop_test(test_ready_another_waits),
		loop_test(test_ready_in_no_loop),
		loop_test(test_forget),
		loop_test(test_add_fails),
		loop_test(test_many),
		loop_test(test_run_and_stop),
		loop_test(test_hang_up),
		loop_test(test_signal),
		cmocka_unit_test(test_done),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("base/loop", tests, NULL, NULL);
}
