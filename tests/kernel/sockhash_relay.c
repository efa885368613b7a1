/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A relay by the kernel alone (sk_skb): what the datapath sockmap has to do by
 * itself. Redirected bytes wait in a queue before the target without any limit
 * and hold nobody up; shutdown(2) of the target discards that queue. And bytes
 * that the verdict passed are gone when the socket leaves its last map.
 */
#include "kernel/sockhash.h"

#define RECEIVER_KEY 1
#define BUFFER 65536
#define TOTAL (4 << 20)

static unsigned char data[TOTAL], got[TOTAL];

struct bench {
	struct verdict verdict;
	int left[2];  /* who sends, and the socket with the verdict */
	int right[2]; /* the target, and who reads */
};

static void begin(struct bench *b, bool redirects)
{
	verdict_open(&b->verdict, BPF_PROG_TYPE_SK_SKB, redirects);
	tcp_pair_sized(b->left, BUFFER);
	tcp_pair_sized(b->right, BUFFER);
	MUST(sockhash_add(b->verdict.targets, TARGET_KEY, b->right[0]));
	MUST(sockhash_add(b->verdict.sockets, RECEIVER_KEY, b->left[1]));
}

static void end(struct bench *b)
{
	close_pair(b->right);
	close_pair(b->left);
	verdict_close(&b->verdict);
}

/* Nobody reads, and the sender is not held up. */
static size_t send_all(struct bench *b)
{
	size_t at = 0;
	ssize_t n;

	while (at < TOTAL && wait_for(b->left[0], POLLOUT)) {
		n = send(b->left[0], data + at, TOTAL - at, MSG_DONTWAIT);
		at += n > 0 ? (size_t)n : 0;
	}
	wait_received(b->left[1], at);
	return at;
}

/* Reads to the end of file. */
static size_t read_all(int fd)
{
	size_t at = 0;
	ssize_t n;

	while (at < TOTAL && (n = recv(fd, got + at, TOTAL - at, 0)) > 0)
		at += (size_t)n;
	return at;
}

static void test_no_limit(void)
{
	struct bench b;

	begin(&b, true);
	tap_is((long)send_all(&b), TOTAL, "a sender is not held up, though nobody reads");
	tap_diag("with buffers of %d", BUFFER);
	tap_ok(tcp_info(b.right[1]).tcpi_bytes_received < TOTAL / 4 &&
	       tcp_info(b.left[1]).tcpi_bytes_received == TOTAL,
	       "it is neither at the reader nor on its way to us");
	tap_is((long)read_all(b.right[1]), TOTAL, "a reader that comes late gets it all");
	tap_ok(memcmp(got, data, TOTAL) == 0, "as it was");
	end(&b);
}

static void test_shutdown(void)
{
	struct bench b;
	size_t n;

	begin(&b, true);
	tap_is((long)send_all(&b), TOTAL, "the sender is rid of it");
	/* a worker writes into the target, in its own time */
	wait_for(b.right[1], POLLIN);
	MUST(shutdown(b.right[0], SHUT_WR));
	n = read_all(b.right[1]);
	tap_ok(n > 0 && n < TOTAL / 2, "shutdown() of the target: most of it is lost");
	tap_diag("%zu of %d bytes arrive", n, TOTAL);
	end(&b);
}

static void pass_six(struct bench *b)
{
	begin(b, false);
	MUST(send(b->left[0], "passed", 6, 0));
	WAIT_UNTIL(recv(b->left[1], got, sizeof(got), MSG_PEEK | MSG_DONTWAIT) == 6);
}

static void test_last_map(void)
{
	struct bench b;

	pass_six(&b);
	MUST(sockhash_add(b.verdict.targets, 2, b.left[1]));
	sockhash_delete(b.verdict.sockets, RECEIVER_KEY);
	tap_is(RC(recv(b.left[1], got, sizeof(got), MSG_DONTWAIT)), 6,
	       "what was passed can be read while another map has the socket");
	end(&b);
	pass_six(&b);
	sockhash_delete(b.verdict.sockets, RECEIVER_KEY);
	tap_is(RC(recv(b.left[1], got, sizeof(got), MSG_DONTWAIT)), -EAGAIN,
	       "when the last one lets it go, it is lost");
	tap_is((long)tcp_info(b.left[1]).tcpi_bytes_received, 6, "although it was acknowledged");
	end(&b);
}

int main(void)
{
	for (size_t i = 0; i < TOTAL; i++)
		data[i] = (unsigned char)(i * 7 + (i >> 8) * 3 + (i >> 16));
	test_no_limit();
	test_shutdown();
	test_last_map();
	return tap_end();
}
