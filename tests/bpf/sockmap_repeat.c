/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A segment may begin with bytes that came before: the verdict is given them
 * again (tcp_read_skb() does not look at the numbers), and has to cut them off.
 */
#include "bpf/relay.h"

/* The most that TCP_MAXSEG takes. */
#define SEGMENT 32767

static unsigned int queue_seq(int fd, int queue)
{
	set_option(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, queue);
	return (unsigned int)get_option(fd, IPPROTO_TCP, TCP_QUEUE_SEQ);
}

static void set_queue_seq(int fd, int queue, unsigned int seq)
{
	set_option(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, queue);
	set_option(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, (int)seq);
}

/*
 * What D sends next goes @by bytes behind what it has sent, or before: as when
 * segments get lost, or when a retransmission and what follows it are joined in
 * the backlog of a socket that is in use (tcp_add_backlog()). In D's place
 * there is another socket after this, that knows no better.
 */
static void turn(struct bench *b, int by)
{
	struct sockaddr_in own, peer;
	socklen_t len = sizeof(own);
	struct tcp_repair_window window;
	socklen_t window_len = sizeof(window);
	unsigned int sent, received;

	MUST(getsockname(D(b), (struct sockaddr *)&own, &len));
	MUST(getpeername(D(b), (struct sockaddr *)&peer, &len));
	set_option(D(b), IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_ON);
	sent = queue_seq(D(b), TCP_SEND_QUEUE);
	received = queue_seq(D(b), TCP_RECV_QUEUE);
	MUST(getsockopt(D(b), IPPROTO_TCP, TCP_REPAIR_WINDOW, &window, &window_len));
	MUST(close(D(b)));

	D(b) = (int)MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	/* it also takes a port that somebody else has got meanwhile: SK_FORCE_REUSE */
	set_option(D(b), IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_ON);
	set_queue_seq(D(b), TCP_SEND_QUEUE, sent + (unsigned int)by);
	set_queue_seq(D(b), TCP_RECV_QUEUE, received);
	set_option(D(b), IPPROTO_TCP, TCP_MAXSEG, SEGMENT);
	MUST(bind(D(b), (struct sockaddr *)&own, len));
	MUST(tcp_connect(D(b), &peer));
	MUST(setsockopt(D(b), IPPROTO_TCP, TCP_REPAIR_WINDOW, &window, window_len));
	set_option(D(b), IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_OFF_NO_WP);
	set_option(D(b), IPPROTO_TCP, TCP_NODELAY, 1);
}

/* @text goes on its way with nobody in between. */
static bool relays(struct bench *b, const char *text, const char *want)
{
	return say(D(b), text) && waits_for(C(b), want) && !*arrived(A(b));
}

static void test_repeat(struct sockmap *map)
{
	struct bench b;

	begin(&b, map, 0);
	tap_ok(relays(&b, "0123456789", "0123456789"), "before");
	turn(&b, -4);
	tap_ok(relays(&b, "6789abcd", "abcd"), "what came before is cut off");
	tap_is((long)up(&b)->redirected, 14, "and not counted");
	/* who has read more than came is not told of as much */
	tap_ok(relays(&b, "e", "e"), "the least that comes next is seen");
	turn(&b, -6);
	tap_ok(relays(&b, "9abcdefghij", "fghij"), "and so is another repeat");
	tap_ok(!up(&b)->broken && !up(&b)->passed, "nothing is amiss");
	end(&b);
}

/* Two segments wait at once, each of which begins before the last one ended. */
static void test_out_of_order(struct sockmap *map)
{
	struct bench b;

	begin(&b, map, 0);
	tap_ok(relays(&b, "0123456789", "0123456789"), "before");
	turn(&b, 7);
	tap_ok(say(D(&b), "hijkl"), "a segment after a gap");
	turn(&b, -16);
	tap_ok(say(D(&b), "6789abcdefghi"), "and one that fills more than that, both ways");
	wait_received(C(&b), 22);
	tap_ok(waits_for(C(&b), "abcdefghijkl"), "are right together");
	tap_ok(say(D(&b), "jkl") && relays(&b, "m", "m"), "and so is what comes after it");
	tap_ok(!up(&b)->broken && !up(&b)->passed, "nothing is amiss");
	end(&b);
}

/* The FIN has a number of its own. */
static void test_with_fin(struct sockmap *map)
{
	struct bench b;

	begin(&b, map, 0);
	tap_ok(relays(&b, "0123456789", "0123456789"), "before");
	turn(&b, -4);
	set_option(D(&b), IPPROTO_TCP, TCP_CORK, 1);
	tap_ok(say(D(&b), "6789abcd"), "a last segment");
	MUST(shutdown(D(&b), SHUT_WR));
	tap_ok(waits_for(C(&b), "abcd"), "that begins with what came before");
	tap_ok(!up(&b)->broken && !up(&b)->passed, "nothing is amiss");
	end(&b);

	begin(&b, map, 0);
	set_option(D(&b), IPPROTO_TCP, TCP_CORK, 1);
	tap_ok(say(D(&b), "last"), "a last segment, with nothing amiss");
	MUST(shutdown(D(&b), SHUT_WR));
	tap_ok(waits_for(C(&b), "last"), "is relayed");
	end(&b);
}

/* More than can be cut off in one go. */
static void test_large(struct sockmap *map)
{
	static char all[21000], got[sizeof(all)];
	struct bench b;

	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (char)(i * 7 + (i >> 8));
	begin(&b, map, 0);
	tap_is(RC(send(D(&b), all, 20000, 0)), 20000, "before");
	tap_is(RC(recv(C(&b), got, 20000, MSG_WAITALL)), 20000, "it arrives");
	turn(&b, -20000);
	tap_is(RC(send(D(&b), all, 21000, 0)), 21000, "all of it again, and some");
	tap_is(RC(recv(C(&b), got + 20000, 1000, MSG_WAITALL)), 1000, "that is what arrives");
	tap_ok(memcmp(got, all, 21000) == 0, "and is right");
	tap_ok(!up(&b)->broken, "nothing is amiss");
	end(&b);
}

/* Never seen in a kernel: the verdict is given less than TCP has. */
static void test_missing(struct sockmap *map)
{
	struct bench b;

	begin(&b, map, 0);
	tap_ok(relays(&b, "0123456789", "0123456789"), "before");
	up(&b)->redirected--;
	tap_ok(say(D(&b), "abcd"), "a segment after one that was not seen");
	wait_for(A(&b), POLLIN);
	tap_ok(up(&b)->broken, "that is noticed");
	tap_is((long)up(&b)->redirected, 9, "and nothing is relayed any more");
	end(&b);
}

int main(void)
{
	struct sockmap *map;
	struct error err;

	if (sockmap_open(&map, &err) < 0)
		tap_skip_all(err.text);
	test_repeat(map);
	test_out_of_order(map);
	test_with_fin(map);
	test_large(map);
	test_missing(map);
	sockmap_close(map);
	return tap_end();
}
