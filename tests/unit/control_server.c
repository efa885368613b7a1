/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket's server, with a handler of the test's own: how bytes
 * become requests, whatever the pieces that they come in.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "control/server.h"

struct world {
	struct loop loop;
	struct control_server server;
	char path[64];
	unsigned int asked;
	size_t reply_size;
	bool give_fd;
};

static int on_request(void *context, const struct control_request *request,
		      struct json **ret, int *ret_fd, struct error *err)
{
	struct world *w = context;
	char *text;

	w->asked++;
	if (w->give_fd)
		*ret_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (request->execute != CONTROL_LIST)
		return error_set(err, -EPERM, "only list");
	text = malloc(w->reply_size + 1);
	memset(text, 'x', w->reply_size);
	text[w->reply_size] = '\0';
	*ret = json_new_string(text);
	free(text);
	return 0;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct error err;

	*state = w;
	snprintf(w->path, sizeof(w->path), "/tmp/pstest-control-%d", getpid());
	loop_init(&w->loop);
	control_server_init(&w->server);
	assert_int_equal(control_server_open(&w->server, w->path, &err), 0);
	assert_int_equal(control_server_start(&w->server, &w->loop, on_request, w), 0);
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	control_server_done(&w->server);
	assert_int_equal(access(w->path, F_OK), -1);
	loop_done(&w->loop);
	free(w);
	return 0;
}

/* Until nothing is left to do. */
static void settle(struct world *w)
{
	for (int i = 0; i < 50; i++)
		loop_turn(&w->loop, 0);
}

static int client(struct world *w)
{
	struct control_wait wait;
	int fd;

	control_wait_start(&wait, 60);
	fd = control_socket_connect(w->path, &wait, NULL);
	assert_true(fd >= 0);
	return fd;
}

static void say(struct world *w, int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	settle(w);
}

static void expect(int fd, const char *text)
{
	char got[4096];
	ssize_t n = recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT);

	got[n < 0 ? 0 : n] = '\0';
	assert_string_equal(got, text);
}

static void expect_end(int fd)
{
	char unused;

	assert_int_equal(recv(fd, &unused, 1, MSG_DONTWAIT), 0);
	close(fd);
}

static void test_pieces(void **state)
{
	static const char request[] = "{\"execute\":\"list\"}\n";
	struct world *w = *state;
	char one[2] = "";
	int fd = client(w);

	for (size_t i = 0; i < sizeof(request) - 1; i++) {
		expect(fd, "");
		one[0] = request[i];
		say(w, fd, one);
	}
	expect(fd, "{\"return\":\"\"}\n");
	/* several at once, with blank ones between them, and the beginning of one more */
	say(w, fd, "{\"execute\":\"list\"}\n\n \r\n{\"execute\":\"stats\"}\r\nx\n{\"exec");
	expect(fd, "{\"return\":\"\"}\n{\"error\":{\"desc\":\"only list\"}}\n{\"error\":{\"desc\":"
		   "\"bad request: invalid JSON at byte 0: unexpected character\"}}\n");
	say(w, fd, "ute\":\"list\"}");
	expect(fd, "");
	shutdown(fd, SHUT_WR);
	settle(w);
	expect(fd, "{\"return\":\"\"}\n");
	expect_end(fd);
	assert_int_equal(w->asked, 4);
	assert_int_equal(w->server.n_clients, 0);
}

static void test_longest(void **state)
{
	struct world *w = *state;
	char *text = malloc(CONTROL_REQUEST_MAX + 3);
	int fd = client(w);

	memset(text, ' ', CONTROL_REQUEST_MAX);
	memcpy(text, "{\"execute\":\"list\"}", 18);
	memcpy(text + CONTROL_REQUEST_MAX, "\n", 2);
	say(w, fd, text);
	expect(fd, "{\"return\":\"\"}\n");
	memcpy(text + CONTROL_REQUEST_MAX, " \n", 3);
	say(w, fd, text);
	expect(fd, "{\"error\":{\"desc\":\"bad request: it is longer than 65535 bytes\"}}\n");
	assert_int_equal(w->server.n_clients, 0);
	close(fd);
	free(text);
}

/* A reply that the socket's queue does not hold: nobody else waits for it. */
static void test_large_reply(void **state)
{
	struct world *w = *state;
	int slow = client(w), other = client(w);
	size_t got = 0;
	char buf[65536];
	ssize_t n;

	w->reply_size = 4 << 20;
	say(w, slow, "{\"execute\":\"list\"}\n{\"execute\":\"list\"}\n");
	assert_int_equal(w->asked, 1);
	w->reply_size = 1;
	say(w, other, "{\"execute\":\"list\"}\n");
	expect(other, "{\"return\":\"x\"}\n");
	while ((n = recv(slow, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
		got += (size_t)n;
		settle(w);
	}
	assert_int_equal(got, (4 << 20) + strlen("{\"return\":\"\"}\n{\"return\":\"x\"}\n"));
	assert_int_equal(w->asked, 3);
	close(slow);
	close(other);
	settle(w);
	assert_int_equal(w->server.n_clients, 0);
}

/* Once, with the first byte; and not kept when nobody takes it. */
static void test_descriptor(void **state)
{
	struct world *w = *state;
	int lowest = open("/dev/null", O_RDONLY), fd, passed[2];
	size_t n = 0, came = 0;
	char got[65536];

	close(lowest);
	fd = client(w);
	w->give_fd = true;
	w->reply_size = 4 << 20;
	say(w, fd, "{\"execute\":\"list\"}\n");
	for (ssize_t len = 0, r; len < (4 << 20) + 14; len += r) {
		r = fd_recv(fd, got, sizeof(got), passed, 2, &n);
		assert_true(r > 0 && (n == 0 || len == 0));
		came += n;
		settle(w);
	}
	assert_int_equal(came, 1);
	close(passed[0]);
	say(w, fd, "{\"execute\":\"list\"}\n{\"execute\":\"list\"}\n");
	close(fd);
	settle(w);
	assert_int_equal(w->server.n_clients, 0);
	fd = open("/dev/null", O_RDONLY);
	assert_int_equal(fd, lowest);
	close(fd);
}

/* A client that is gone with a reply on its way is no more than that. */
static void test_gone(void **state)
{
	struct world *w = *state;
	int fd = client(w);

	w->reply_size = 4 << 20;
	say(w, fd, "{\"execute\":\"list\"}\n");
	close(fd);
	settle(w);
	assert_int_equal(w->server.n_clients, 0);
}

static void test_crowd(void **state)
{
	struct world *w = *state;
	int fds[CONTROL_CLIENTS_MAX + 1];

	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		fds[i] = client(w);
		settle(w);
	}
	/* they have not asked yet, and have time for that */
	fds[CONTROL_CLIENTS_MAX] = client(w);
	say(w, fds[CONTROL_CLIENTS_MAX], "{\"execute\":\"list\"}\n");
	expect(fds[CONTROL_CLIENTS_MAX], "");
	/* who has asked goes first, and then the others stay */
	for (int i = 3; i < 5; i++) {
		say(w, fds[i], "{\"execute\":\"list\"}\n");
		expect(fds[i], "{\"return\":\"\"}\n");
	}
	/* the next turn of the listening socket is when there is room */
	close(fds[9]);
	settle(w);
	expect(fds[CONTROL_CLIENTS_MAX], "{\"return\":\"\"}\n");
	close(client(w));
	settle(w);
	for (int i = 0; i <= CONTROL_CLIENTS_MAX; i++)
		if (i != 9)
			close(fds[i]);
	settle(w);
	assert_int_equal(w->server.n_clients, 0);
}

static void test_file(void **state)
{
	struct world *w = *state;
	struct control_socket second;
	struct error err = { "" };
	struct stat st;

	assert_int_equal(stat(w->path, &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0600);
	assert_int_equal(control_socket_open(&second, w->path, &err), -EADDRINUSE);
	assert_int_equal(second.fd, -1);
	/* it has left the one that is in use alone */
	control_socket_close(&second);
	assert_int_equal(access(w->path, F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(test_longest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_large_reply, setup, teardown),
		cmocka_unit_test_setup_teardown(test_descriptor, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_crowd, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
