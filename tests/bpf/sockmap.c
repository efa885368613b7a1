/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The maps and programs of sockmap, loaded and run with this program in the
 * place of the forwarder: what the kernel relays, what it leaves to us, and
 * that nothing overtakes or is lost.
 */
#include "bpf/relay.h"

static char big[8 << 20], got[8 << 20];

/* More than all buffers on the way grow to by themselves. */
#define MUCH (256UL << 20)

static unsigned long passed(struct bench *b)
{
	return __atomic_load_n(&up(b)->passed, __ATOMIC_SEQ_CST);
}

/* All that @fd takes now of `big` from @at on. */
static size_t stuff(int fd, size_t at)
{
	ssize_t n;

	while (at < sizeof(big) && (n = send(fd, big + at, sizeof(big) - at,
					     MSG_DONTWAIT | MSG_NOSIGNAL)) > 0)
		at += (size_t)n;
	return at;
}

/* Until nothing more is accepted for @ms. */
static size_t stuff_until_blocked(int fd, size_t at, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	do {
		at = stuff(fd, at);
	} while (at < sizeof(big) && MUST(poll(&p, 1, ms)));
	return at;
}

/* Reads what is there of `big`. */
static size_t take(int fd, size_t at)
{
	ssize_t n;

	while ((n = recv(fd, got + at, sizeof(got) - at, MSG_DONTWAIT)) > 0)
		at += (size_t)n;
	return at;
}

static void count_spill(void *context, uint32_t index)
{
	*(int *)context += (int)index + 1;
}

static int spills(struct bench *b)
{
	int sum = 0;

	sockmap_spills(b->map, count_spill, &sum);
	return sum;
}

static void test_relays(struct sockmap *map)
{
	struct bench b;

	begin(&b, map, 0);
	tap_ok(say(D(&b), "request") && waits_for(C(&b), "request"), "up");
	tap_ok(say(C(&b), "response") && waits_for(D(&b), "response"), "and down");
	tap_ok(!*arrived(A(&b)) && !*arrived(B(&b)), "nobody read or wrote in between");
	tap_is((long)up(&b)->redirected, 7, "it counts what it redirects");
	tap_is((long)up(&b)->passed + (long)down(&b)->passed, 0, "and passed nothing");
	tap_is(sockmap_backlog(map, SOCKMAP_UP(&b.pair)), 0, "nothing is under way");
	end(&b);
}

static void test_queued_before(struct sockmap *map)
{
	struct bench b;

	connect_all(&b, map, 0);
	tap_ok(say(D(&b), "early") && say(C(&b), "bird"), "sent before the kernel has it");
	wait_received(A(&b), 5);
	wait_received(B(&b), 4);
	MUST(sockmap_pair_open(map, &b.pair, A(&b), B(&b)) < 0 ? -1 : 0);
	tap_ok(waits_for(C(&b), "early") && waits_for(D(&b), "bird"),
	       "what was queued before goes on its way by itself");
	end(&b);
}

static void test_end_of_file(struct sockmap *map)
{
	struct bench b;
	char byte;

	begin(&b, map, 0);
	tap_ok(say(D(&b), "last") && waits_for(C(&b), "last"), "the last of the client");
	MUST(shutdown(D(&b), SHUT_WR));
	tap_ok(wait_for(A(&b), POLLRDHUP) & POLLRDHUP, "a FIN that comes alone is seen");
	tap_is(RC(recv(A(&b), &byte, 1, MSG_DONTWAIT)), 0, "recv() says end of file");
	tap_ok(!(poll_now(B(&b), 0) & POLLERR), "it is no error of the target");
	MUST(shutdown(B(&b), SHUT_WR));
	tap_ok(wait_for(C(&b), POLLRDHUP) & POLLRDHUP, "it can be passed on");
	tap_ok(say(C(&b), "answer") && waits_for(D(&b), "answer"),
	       "the other direction goes on");
	end(&b);
}

/* With room for some 100 KB only: what the verdict passes, and its return. */
static void test_spill(struct sockmap *map)
{
	size_t sent, taken = 0, moved = 0;
	struct sockmap_flow *f;
	struct bench b;
	ssize_t n;

	begin(&b, map, 32768);
	f = up(&b);
	spills(&b);
	sent = stuff_until_blocked(D(&b), 0, 100);
	tap_ok(sent < sizeof(big), "nobody reads: the sender is blocked in the end");
	tap_ok(f->passed > 0 && f->redirected > 0, "some was redirected, the rest passed");
	tap_is(spills(&b), SOCKMAP_UP(&b.pair) + 1, "that is told, once");
	tap_is(sockmap_backlog(map, SOCKMAP_UP(&b.pair)), 0,
	       "and all that was redirected found room");
	tap_diag("%zu sent, %llu redirected, %llu passed", sent, f->redirected, f->passed);
	while (taken < f->redirected)
		taken = take(C(&b), taken);
	tap_is((long)taken, (long)f->redirected, "the receiver gets what was redirected");
	tap_ok(!poll_now(C(&b), POLLIN), "and no more, although it has room again");
	while (moved < passed(&b)) {
		n = recv(A(&b), got + taken, 65536, MSG_DONTWAIT);
		if (n <= 0)
			continue;
		MUST(send(B(&b), got + taken, (size_t)n, 0));
		moved += (size_t)n;
		wait_received(C(&b), taken + (size_t)n);
		taken = take(C(&b), taken);
		__atomic_store_n(&f->moved, moved, __ATOMIC_SEQ_CST);
	}
	tap_ok(taken == sent && memcmp(got, big, sent) == 0, "moved by hand: it is exact");
	n = (ssize_t)f->redirected;
	tap_ok(say(D(&b), "again") && waits_for(C(&b), "again"), "then the kernel relays");
	tap_is((long)f->redirected, n + 5, "by itself");
	end(&b);
}

/* What was redirected and is not yet at the receiver; what moves meanwhile is not told twice. */
static unsigned long taken_up(struct bench *b)
{
	int queue;

	MUST(ioctl(B(b), SIOCOUTQ, &queue));
	return (unsigned long)queue + sockmap_backlog(b->map, SOCKMAP_UP(&b->pair));
}

/*
 * With buffers of the kernel's choice. What was passed stays with A, in its
 * receive buffer, and nothing is redirected before that is moved.
 */
static void test_memory(struct sockmap *map)
{
	unsigned long sent = 0, most = 0, now;
	struct bench b;
	ssize_t n;

	begin(&b, map, 0);
	while (!passed(&b) && sent < MUCH && wait_for(D(&b), POLLOUT)) {
		n = send(D(&b), big, sizeof(big), MSG_DONTWAIT);
		sent += n > 0 ? (unsigned long)n : 0;
		now = taken_up(&b);
		most = now > most ? now : most;
	}
	tap_ok(passed(&b) > 0, "a stopped reader: the kernel takes no more in the end");
	now = up(&b)->redirected - tcp_info(C(&b)).tcpi_bytes_received;
	most = now > most ? now : most;
	tap_ok(most > 0 && most <= 4 << 20, "it never holds more than 4 MiB");
	tap_diag("%lu of %lu bytes at most, %lu in the end", most, sent, now);
	end(&b);
}

/* Neither side reads, both send: each is held up by its own reader only. */
static void test_both_blocked(struct sockmap *map)
{
	size_t sent_up, sent_down;
	struct bench b;

	begin(&b, map, 32768);
	set_option(B(&b), SOL_SOCKET, SO_RCVBUF, 32768);
	set_option(C(&b), SOL_SOCKET, SO_SNDBUF, 32768);
	sent_down = stuff_until_blocked(C(&b), 0, 100);
	sent_up = stuff_until_blocked(D(&b), 0, 100);
	tap_ok(sent_up < sizeof(big) && sent_down < sizeof(big), "both are blocked");
	tap_diag("%zu up, %zu down", sent_up, sent_down);
	tap_ok(recv(A(&b), got, 1, MSG_DONTWAIT) == 1, "what was passed can be read,");
	tap_ok(recv(B(&b), got, 1, MSG_DONTWAIT) == 1, "though nobody empties the other way");
	end(&b);
}

static void test_urgent(struct sockmap *map)
{
	struct bench b;
	struct sockmap_flow *f;

	begin(&b, map, 0);
	f = up(&b);
	tap_ok(say(D(&b), "ab") && waits_for(C(&b), "ab"), "before");
	MUST(send(D(&b), "cdU", 3, MSG_OOB));
	tap_ok(waits_for(A(&b), "cdU"), "an urgent byte is passed, with what it came with");
	tap_is((long)f->urgent_at, 1 + 2, "its place is told");
	f->moved = f->passed;
	tap_ok(say(D(&b), "ef") && waits_for(C(&b), "ef"), "after it the kernel relays");
	MUST(send(D(&b), "V", 1, MSG_OOB));
	tap_ok(waits_for(A(&b), "V"), "another one is passed, too");
	tap_is((long)f->urgent_at, 1 + 3, "its place is counted in what was passed");
	end(&b);
}

/* What user space writes before anything is redirected has to be counted, too. */
static void test_urgent_first(struct sockmap *map)
{
	struct bench b;

	begin(&b, map, 0);
	MUST(send(D(&b), "U", 1, MSG_OOB));
	tap_ok(waits_for(A(&b), "U"), "the very first byte is urgent");
	MUST(send(B(&b), "U", 1, MSG_OOB));
	up(&b)->moved = 1;
	tap_ok(say(D(&b), "rest"), "and others follow");
	wait_received(C(&b), 5);
	tap_is((long)up(&b)->redirected, 4, "that the kernel relays");
	tap_is(sockmap_backlog(map, SOCKMAP_UP(&b.pair)), 0, "it keeps count");
	end(&b);
}

static void test_refused(struct sockmap *map)
{
	struct bench b;

	connect_all(&b, map, 0);
	MUST(shutdown(D(&b), SHUT_WR));
	tap_ok(wait_for(A(&b), POLLRDHUP) & POLLRDHUP, "a client that has ended");
	tap_is(sockmap_pair_open(map, &b.pair, A(&b), B(&b)), -EOPNOTSUPP, "stays off");
	tap_ok(say(C(&b), "plain") && waits_for(B(&b), "plain"), "nothing has changed");
	end(&b);

	connect_all(&b, map, 0);
	MUST(shutdown(C(&b), SHUT_WR));
	tap_ok(wait_for(B(&b), POLLRDHUP) & POLLRDHUP, "a container that has ended");
	tap_is(sockmap_pair_open(map, &b.pair, A(&b), B(&b)), 0, "is found out late");
	tap_ok(!b.pair.has_container, "and said so");
	tap_ok(say(D(&b), "passed") && waits_for(A(&b), "passed"),
	       "the verdict passes for want of a target");
	end(&b);
}

static void test_floor(void)
{
	static const char *const sound[] = { "6.1.142", "6.1.192-amd64", "6.6.94", "6.12.34",
					     "6.16.0", "6.18.44-x", "7.0.0-rc1" };
	static const char *const lossy[] = { "6.1.141", "6.2.0", "6.6.93", "6.11.99",
					     "6.12.33", "6.15.3", "5.15.200", "x" };

	for (size_t i = 0; i < sizeof(sound) / sizeof(*sound); i++)
		tap_ok(sockmap_kernel_is_sound(sound[i], "#1 SMP"), sound[i]);
	for (size_t i = 0; i < sizeof(lossy) / sizeof(*lossy); i++)
		tap_ok(!sockmap_kernel_is_sound(lossy[i], "#1 SMP"), lossy[i]);
	tap_ok(sockmap_kernel_is_sound("6.1.0-56-amd64", "#1 SMP Debian 6.1.192-2 (2026)"),
	       "Debian's 6.1.192 says 6.1.0");
	tap_ok(!sockmap_kernel_is_sound("6.1.0-9-amd64", "#1 SMP Debian 6.1.27-1 (2023)"),
	       "and so does its 6.1.27");
}

int main(void)
{
	struct sockmap *map;
	struct error err;

	test_floor();
	if (sockmap_open(&map, &err) < 0)
		tap_skip_all(err.text);
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7 + (i >> 12));
	test_relays(map);
	test_queued_before(map);
	test_end_of_file(map);
	test_spill(map);
	test_memory(map);
	test_both_blocked(map);
	test_urgent(map);
	test_urgent_first(map);
	test_refused(map);
	sockmap_close(map);
	return tap_end();
}
