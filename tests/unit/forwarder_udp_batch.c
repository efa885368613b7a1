/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams through the shared buffers: read at once, sent as they were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/udp.h"
#include "forwarder/udp_batch.h"

static struct udp_batch batch;
static const struct udp_to connected;

struct ends {
	int client, listener; /* what is sent to one is read into the batch from the other */
	int session, server;  /* and sent from one to the other */
	struct sockaddr_in at;
};

static int bound(struct sockaddr_in *ret)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(*ret);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)ret, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)ret, &len), 0);
	return fd;
}

static int connected_to(const struct sockaddr_in *at)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)at, sizeof(*at)), 0);
	return fd;
}

static struct ends open_ends(void)
{
	struct sockaddr_in here = {
		.sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) },
	};
	struct ends e = { .at = here };

	e.listener = bound(&here);
	e.server = bound(&e.at);
	e.client = connected_to(&here);
	e.session = connected_to(&e.at);
	udp_take_bursts(e.listener);
	return e;
}

static void close_ends(struct ends *e)
{
	close(e->client);
	close(e->listener);
	close(e->session);
	close(e->server);
}

/* Reads @n messages, and chains them. */
static void fill(struct ends *e, int n)
{
	assert_int_equal(udp_batch_recv(&batch, e->listener, UDP_BATCH_MAX), n);
	for (int i = 0; i < n - 1; i++)
		batch.messages[i].next = i + 1;
}

static void expect(struct ends *e, size_t size, int byte)
{
	unsigned char got[70000];
	ssize_t n = recv(e->server, got, sizeof(got), 0);

	assert_int_equal(n, size);
	if (size)
		assert_int_equal(got[size - 1], byte);
}

static void send_text(struct ends *e, size_t size, int byte)
{
	static unsigned char text[65507];

	memset(text, byte, size);
	assert_int_equal(send(e->client, text, size, 0), size);
}

static void sizes_stay_what_they_are(void **state)
{
	static const size_t sizes[] = { 10, 10, 10, 4, 0, 0, 7, 9, 9, 1400, 1400, 1399, 1400, 1, 9000 };
	struct ends e = open_ends();
	uint16_t largest = UINT16_MAX;
	int n = sizeof(sizes) / sizeof(*sizes);

	for (int i = 0; i < n; i++)
		send_text(&e, sizes[i], 'a' + i);
	fill(&e, n);
	assert_int_equal(udp_batch_send(&batch, e.session, &connected, 0, &largest), 0);
	for (int i = 0; i < n; i++)
		expect(&e, sizes[i], 'a' + i);
	assert_int_equal(recv(e.server, NULL, 0, 0), -1);
	close_ends(&e);
}

/* Runs of 65 at most are more than one piece holds; and so are 48 times 1400 bytes. */
static void a_full_batch_is_split_as_needed(void **state)
{
	struct ends e = open_ends();
	uint16_t largest = UINT16_MAX;

	for (int i = 0; i < UDP_BATCH_MAX; i++)
		send_text(&e, 1400, i);
	fill(&e, UDP_BATCH_MAX);
	assert_int_equal(udp_batch_send(&batch, e.session, &connected, 0, &largest), 0);
	for (int i = 0; i < UDP_BATCH_MAX; i++)
		expect(&e, 1400, i);
	close_ends(&e);
}

static void what_was_pending_costs_no_datagram(void **state)
{
	struct ends e = open_ends();
	uint16_t largest = UINT16_MAX;
	struct pollfd pfd = { .fd = e.session };

	close(e.server);
	assert_int_equal(send(e.session, "x", 1, 0), 1);
	assert_int_equal(poll(&pfd, 1, 5000), 1);
	assert_true(pfd.revents & POLLERR);
	e.server = bound(&e.at);
	for (int i = 0; i < 3; i++)
		send_text(&e, (size_t)i + 1, 'a' + i);
	fill(&e, 3);
	/* the client is to hear of it, although nothing is lost now */
	assert_int_equal(udp_batch_send(&batch, e.session, &connected, 0, &largest), -ECONNREFUSED);
	for (int i = 0; i < 3; i++)
		expect(&e, (size_t)i + 1, 'a' + i);
	close_ends(&e);
}

static void nothing_to_read(void **state)
{
	struct ends e = open_ends();

	assert_int_equal(udp_batch_recv(&batch, e.listener, 5), -EAGAIN);
	for (int i = 0; i < 9; i++)
		send_text(&e, 3, i);
	assert_int_equal(udp_batch_recv(&batch, e.listener, 5), 5);
	assert_int_equal(udp_batch_recv(&batch, e.listener, 5), 4);
	close_ends(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_stay_what_they_are),
		cmocka_unit_test(a_full_batch_is_split_as_needed),
		cmocka_unit_test(what_was_pending_costs_no_datagram),
		cmocka_unit_test(nothing_to_read),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
