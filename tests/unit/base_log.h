/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the log share: processes that log, and what came of it. */
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"

#define MUCH 20000

static char text[1 << 20];

/* The next process is started by root, and becomes this user; 0: none. */
static uid_t become;

/* @say with @fd as standard error, in a process of its own; it must end by itself. */
static inline void in_process(int fd, void (*say)(void))
{
	struct pollfd ended = { .events = POLLIN };
	int status, fds[2];
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		dup2(fd, STDERR_FILENO);
		if (become && setresuid(become, become, become) < 0)
			_exit(2);
		log_open();
		say();
		_exit(0);
	}
	close(fds[1]);
	ended.fd = fds[0];
	/* its end of the pipe closes with it */
	if (poll(&ended, 1, 20000) != 1) {
		kill(pid, SIGKILL);
		fail_msg("it waits for a reader");
	}
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static inline void read_text(int fd)
{
	size_t n = 0;
	ssize_t r;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while ((r = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)r;
	text[n] = '\0';
}

static inline int count(const char *line)
{
	int n = 0;

	for (const char *p = text; (p = strstr(p, line)); p++)
		n++;
	return n;
}
