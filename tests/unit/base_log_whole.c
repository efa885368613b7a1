// SPDX-License-Identifier: Apache-2.0
/* Log lines come whole where there is room for half of one, and are never so many as to fill a disk. */
#include "unit/base_log.h"

#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define LONG_LINES 3000

/* Then there is room again; of some line there was room for a part before. */
static void say_long_lines(void)
{
	char line[1000];

	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	for (int i = 0; i < LONG_LINES; i++)
		log_tell("%s", line);
}

/* Each is whole. Returns how many there are; *lost is how many are said to be missing. */
static int count_long_lines(int *lost)
{
	int n = 0;

	*lost = 0;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		if (sscanf(line, "portshunt: warning: %d log line", lost) == 1)
			continue;
		assert_int_equal(strlen(line), 999);
		assert_int_equal(strspn(line, "x"), 999);
		n++;
	}
	return n;
}

static size_t read_on(int fd, size_t n)
{
	ssize_t r;

	while ((r = recv(fd, text + n, sizeof(text) - 1 - n, MSG_DONTWAIT)) > 0)
		n += (size_t)r;
	text[n] = '\0';
	return n;
}

static int tcp_reader, copy;

static void say_and_read_on(void)
{
	size_t len = 0, was;

	say_long_lines();
	do {
		was = len;
		len = read_on(tcp_reader, len);
		log_last();
	} while (len > was || log_late_ms() >= 0);
	if (pwrite(copy, text, len, 0) != (ssize_t)len)
		_exit(1);
}

/* A TCP socket takes a part of a line. */
static void test_half_a_line_in_a_socket(void **state)
{
	int listener = socket(AF_INET, SOCK_STREAM, 0), small = 4096, n, lost, fd;
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	char path[] = "/tmp/base_log.XXXXXX";
	socklen_t len = sizeof(at);

	copy = mkstemp(path);
	unlink(path);
	assert_int_equal(bind(listener, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	getsockname(listener, (struct sockaddr *)&at, &len);
	tcp_reader = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(tcp_reader, (struct sockaddr *)&at, len), 0);
	fd = accept(listener, NULL, NULL);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	in_process(fd, say_and_read_on);
	lseek(copy, 0, SEEK_SET);
	read_text(copy);
	n = count_long_lines(&lost);
	assert_true(n > 0 && lost > 0);
	assert_int_equal(n + lost, LONG_LINES);
	close(fd);
	close(tcp_reader);
	close(listener);
	close(copy);
}

static void say_to_a_full_file(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_FSIZE, &limit);
	signal(SIGXFSZ, SIG_IGN);
	limit.rlim_cur = 12345;
	setrlimit(RLIMIT_FSIZE, &limit);
	say_long_lines();
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_FSIZE, &limit);
	log_last();
}

/* A file that is full, and has room later. */
static void test_half_a_line_in_a_file(void **state)
{
	char path[] = "/tmp/base_log.XXXXXX";
	int fd = mkstemp(path), n, lost;

	unlink(path);
	in_process(fd, say_to_a_full_file);
	lseek(fd, 0, SEEK_SET);
	read_text(fd);
	n = count_long_lines(&lost);
	assert_int_equal(n, 13);
	assert_int_equal(n + lost, LONG_LINES);
	close(fd);
}

static void say_alike(void)
{
	for (int i = 0; i < MUCH; i++)
		log_warn("client %d", i);
	log_warn("another");
	log_last();
}

/* A client that causes a line each time does not fill a disk. */
static void test_lines_of_a_kind(void **state)
{
	int fds[2], more, said;
	const char *note;

	assert_int_equal(pipe(fds), 0);
	in_process(fds[1], say_alike);
	read_text(fds[0]);
	note = strstr(text, " more like this: client 19999\n");
	assert_non_null(note);
	while (note > text && note[-1] != ' ')
		note--;
	more = atoi(note);
	said = count("warning: client ");
	assert_int_equal(said + more, MUCH);
	assert_in_range(said, 100, 1000); /* ten seconds, of a slow machine */
	assert_int_equal(count("portshunt: warning: another\n"), 1);
	close(fds[0]);
	close(fds[1]);
}

/* As others do that write to it: it has no room for a byte. */
static void fill(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	struct pollfd room = { .fd = fd, .events = POLLOUT };

	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	/* the kernel carries it on in its own time */
	while (poll(&room, 1, 50) == 1)
		while (write(fd, "x", 1) == 1)
			;
	fcntl(fd, F_SETFL, flags);
}

/* Which may not be opened again, has room for less than a line, and has a reader that is stopped. */
static void test_terminal_of_another_user(void **state)
{
	struct pollfd room = { .events = POLLOUT };
	int master, zero = 0, tty;
	char data[64], name[32];
	unsigned int number;

	if (geteuid() != 0)
		skip();
	master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	ioctl(master, TIOCSPTLCK, &zero);
	ioctl(master, TIOCGPTN, &number);
	snprintf(name, sizeof(name), "/dev/pts/%u", number);
	tty = open(name, O_RDWR | O_NOCTTY);
	assert_true(tty >= 0);
	fill(tty);
	room.fd = tty;
	do {
		assert_true(read(master, data, sizeof(data)) > 0);
	} while (poll(&room, 1, 0) == 0);
	become = 65534;
	in_process(tty, say_long_lines);
	become = 0;
	assert_int_equal(fcntl(tty, F_GETFL) & O_NONBLOCK, 0);
	close(tty);
	close(master);
}

static int others[2];

#define RELAYED 4000000

static void relay_much(void)
{
	char lines[PIPE_BUF];
	size_t written = 0;

	memset(lines, '\n', sizeof(lines));
	for (size_t i = 0; i < sizeof(lines); i++)
		if (i % 64 != 63)
			lines[i] = 'y';
	log_relay_from(others[0]);
	while (written < RELAYED) {
		while (write(others[1], lines, sizeof(lines)) > 0)
			written += sizeof(lines);
		log_relay();
	}
	log_last();
}

/* Nor does a process of ours that somebody has taken over. */
static void test_relay_has_a_limit(void **state)
{
	char path[] = "/tmp/base_log.XXXXXX";
	int fd = mkstemp(path), lost = 0;
	const char *note;

	unlink(path);
	assert_int_equal(pipe2(others, O_NONBLOCK), 0);
	in_process(fd, relay_much);
	assert_in_range(lseek(fd, 0, SEEK_END), 500000, 1000000);
	lseek(fd, 0, SEEK_SET);
	read_text(fd);
	note = strstr(text, "portshunt: warning: ");
	assert_non_null(note);
	assert_int_equal(sscanf(note, "portshunt: warning: %d log lines were dropped: this portshunt's "
				"processes log more than 16 kB a second\n", &lost), 1);
	assert_in_range(count("y\n") + lost, RELAYED / 64, RELAYED / 64 + 1024);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_half_a_line_in_a_socket),
		cmocka_unit_test(test_half_a_line_in_a_file),
		cmocka_unit_test(test_terminal_of_another_user),
		cmocka_unit_test(test_lines_of_a_kind),
		cmocka_unit_test(test_relay_has_a_limit),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
