/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much a target has in flight: few segments once the walk has been asked
 * for it and as much as its window was under way, and else what TCP says. That
 * TCP_BPF_SNDCWND_CLAMP bites only then is tcp_is_cwnd_limited() of the kernel.
 */
#include "base/tcp.h"
#include "bpf/line.h"

#define MESSAGE (256 * 1024)
#define FEW 3

static char data[MESSAGE];

static unsigned window(int fd)
{
	return tcp_info(fd).tcpi_snd_cwnd;
}

static size_t drain(int fd)
{
	size_t sum = 0;
	ssize_t n;

	while ((n = recv(fd, data, sizeof(data), MSG_DONTWAIT)) > 0)
		sum += (size_t)n;
	return sum;
}

/*
 * C writes to the brim, and only then D reads, until so much has come; what
 * takes the relay leg is relayed.
 */
static void stream(struct bench *b, size_t bytes)
{
	__u64 *pending = shunt_pending(b->shunt, &b->pair.down);
	ssize_t n;

	for (size_t got = 0; got < bytes; got += drain(D(b))) {
		while (send(C(b), data, sizeof(data), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
			;
		*pending = 1;
		while ((n = recv(B(b), data, sizeof(data), MSG_DONTWAIT)) > 0)
			for (ssize_t sent = 0, r; sent < n; sent += r > 0 ? r : 0) {
				r = send(A(b), data + sent, (size_t)(n - sent),
					 MSG_DONTWAIT | MSG_NOSIGNAL);
				got += drain(D(b));
			}
		*pending = 0;
	}
}

static void walk(struct shunt *shunt)
{
	struct shunt_tools tools = shunt_tools(shunt);

	MUST(shunt_walk(&tools) < 0 ? -1 : 0);
}

/* D's segments are at most @mss long; 0: as long as loopback has them. */
static void start(struct bench *b, struct shunt *shunt, int mss)
{
	struct sockaddr_in at;
	int listener;

	begin(b, shunt, 0);
	if (mss) {
		shunt_pair_close(shunt, &b->pair);
		close_pair(b->left);
		listener = tcp_bind(&at);
		set_option(listener, IPPROTO_TCP, TCP_MAXSEG, mss);
		MUST(listen(listener, 1));
		D(b) = (int)MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
		MUST(tcp_connect(D(b), &at));
		A(b) = (int)MUST(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
		close(listener);
		MUST(shunt_pair_open(shunt, &b->pair, A(b), B(b)) < 0 ? -1 : 0);
		shunt_watch(shunt, &b->pair.down, true);
	}
	/* as the forwarder has it; BBR would go by the limit at once */
	tcp_no_pacing(A(b));
	*shunt_pending(shunt, &b->pair.down) = 0;
	set_nonblock(C(b), true);
	MUST(capture_server(b) == SHUNT_CAPTURED ? 0 : -1);
}

static void test_few(struct shunt *shunt)
{
	struct bench b;

	start(&b, shunt, 0);
	tap_ok(shunt_ask(shunt, &b.pair.down, SHUNT_ASK_FEW_SEGMENTS), "asked for few segments");
	tap_ok(!shunt_ask(shunt, &b.pair.down, SHUNT_ASK_FEW_SEGMENTS), "asked for once");
	walk(shunt);
	tap_ok(say(C(&b), "one") && waits_for(D(&b), "one") && window(A(&b)) > FEW,
	       "a message that is answered changes no window");
	stream(&b, 64 << 20);
	tap_is((int)window(A(&b)), FEW, "bulk does: few segments in flight");
	tap_ok(window(B(&b)) > FEW, "the other target is as it was");
	tap_ok(shunt_redirected(shunt, &b.pair.down) > 1 << 20, "it was redirected");
	end(&b);
}

static void test_unasked(struct shunt *shunt)
{
	struct bench b;

	start(&b, shunt, 0);
	walk(shunt);
	stream(&b, 64 << 20);
	tap_ok(window(A(&b)) > FEW, "nobody asked: the window is TCP's");
	end(&b);
}

static void test_short_segments(struct shunt *shunt)
{
	struct bench b;

	start(&b, shunt, 1400);
	shunt_ask(shunt, &b.pair.down, SHUNT_ASK_FEW_SEGMENTS);
	walk(shunt);
	stream(&b, 16 << 20);
	tap_ok(window(A(&b)) > FEW, "segments of a network: the window is TCP's");
	end(&b);
}

static void test_after_close(struct shunt *shunt)
{
	struct bench b;
	int a, d;

	start(&b, shunt, 0);
	a = (int)MUST(dup(A(&b)));
	d = (int)MUST(dup(D(&b)));
	end(&b);
	/* the slot has a new owner, whose target is another */
	start(&b, shunt, 0);
	shunt_ask(shunt, &b.pair.down, SHUNT_ASK_FEW_SEGMENTS);
	walk(shunt);
	for (int i = 0; i < 256; i++) {
		if (send(a, data, sizeof(data), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			drain(d);
	}
	tap_ok(window(a) > FEW, "a target of the slot's former owner is left alone");
	close(a);
	close(d);
	end(&b);
}

int main(void)
{
	struct shunt *shunt;
	struct error err;

	if (shunt_open(&shunt, &err) < 0)
		tap_skip_all(err.text);
	test_few(shunt);
	test_unasked(shunt);
	test_short_segments(shunt);
	test_after_close(shunt);
	shunt_close(shunt);
	return tap_end();
}
