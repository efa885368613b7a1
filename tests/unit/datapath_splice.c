/* SPDX-License-Identifier: Apache-2.0 */
/* A flow whose target is full while this process has no memory left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "datapath/splice.h"

#define LEN 3000

/* Two ends of a TCP connection over loopback, both non-blocking. */
static void connection(int ret[2])
{
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_return_code(bind(listener, (struct sockaddr *)&at, len), errno);
	assert_return_code(listen(listener, 1), errno);
	assert_return_code(getsockname(listener, (struct sockaddr *)&at, &len), errno);
	ret[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(connect(ret[0], (struct sockaddr *)&at, len), errno);
	ret[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_return_code(ret[1], errno);
	fd_set_nonblock(ret[0]);
	fd_set_nonblock(ret[1]);
	close(listener);
}

/* Returns the bytes that it took. */
static size_t fill(int fd)
{
	static const char zeros[65536];
	size_t n = 0;
	ssize_t r;

	while ((r = send(fd, zeros, sizeof(zeros), MSG_NOSIGNAL)) > 0)
		n += (size_t)r;
	return n;
}

/* Takes all memory that can be had in pieces of a residue. */
static void **take_memory(struct rlimit *was)
{
	struct rlimit none = { .rlim_cur = 0 };
	void **list = NULL, **piece;

	getrlimit(RLIMIT_AS, was);
	none.rlim_max = was->rlim_max;
	assert_return_code(setrlimit(RLIMIT_AS, &none), errno);
	for (size_t size = LEN; size >= 512; size /= 2) {
		while ((piece = malloc(size))) {
			*piece = list;
			list = piece;
		}
	}
	return list;
}

static void give_memory(void **list, const struct rlimit *was)
{
	void **next;

	assert_return_code(setrlimit(RLIMIT_AS, was), errno);
	for (; list; list = next) {
		next = *list;
		free(list);
	}
}

static void no_byte_is_lost_without_memory(void **state)
{
	static char sent[LEN], buffer[65536];
	int from[2], to[2], r;
	struct splice s;
	struct rlimit was;
	struct flow f;
	size_t full, got = 0;
	void **memory;
	ssize_t n;

#ifdef __SANITIZE_ADDRESS__
	return; /* it has memory of its own */
#endif
	for (size_t i = 0; i < LEN; i++)
		sent[i] = (char)(i * 7 + 1);
	connection(from);
	connection(to);
	assert_return_code(splice_init(&s), 0);
	flow_init(&f, from[1], to[0]);
	full = fill(to[0]);
	assert_int_equal(send(from[0], sent, LEN, 0), LEN);
	f.readable = true;

	memory = take_memory(&was);
	r = flow_pump(&s, &f);
	give_memory(memory, &was);
	assert_int_equal(r, FLOW_WAITS);
	assert_false(flow_is_empty(&f));

	while (got < full + LEN) {
		n = recv(to[1], buffer, sizeof(buffer), 0);
		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			f.writable = true;
			assert_int_equal(flow_pump(&s, &f), FLOW_WAITS);
			continue;
		}
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(buffer[i], got + (size_t)i < full ? 0 :
					 sent[got + (size_t)i - full]);
		got += (size_t)n;
	}
	assert_true(flow_is_empty(&f));
	flow_done(&s, &f);
	splice_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_byte_is_lost_without_memory),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("datapath/splice", tests, NULL, NULL);
}
