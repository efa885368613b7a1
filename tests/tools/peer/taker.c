/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes over from a portshunt by hand, step by step. The first line of stdin is
 * a request to the control socket --socket; those after it go to the socket that came
 * with the reply. Prints each reply, with " fds: N" where descriptors came.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "modes.h"
#include "util.h"

#define FDS_MAX 64

static int open_control(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (!path || strlen(path) >= sizeof(sa.sun_path))
		die("--socket: no path, or it is too long");
	memcpy(sa.sun_path, path, strlen(path));
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		die_errno("%s", path);
	return fd;
}

/* Returns the first descriptor that came, or -1. */
static int read_reply(int fd)
{
	static char text[65536];
	int fds[FDS_MAX], first = -1;
	size_t n = 0;
	ssize_t len = fd_recv(fd, text, sizeof(text) - 1, fds, FDS_MAX, &n);

	if (len <= 0) {
		say("%s", len ? errno_name((int)-len) : "EOF");
		return -1;
	}
	text[len] = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (n)
		say("%s fds: %zu", text, n);
	else
		say("%s", text);
	if (n)
		first = fds[0];
	while (n > 1)
		close(fds[--n]);
	return first;
}

int taker(const struct options *o)
{
	int control = open_control(o->socket), channel = -1, fd;
	char line[4096 + 1];

	if (o->ready_fd >= 0)
		dprintf(o->ready_fd, "0\n");
	watchdog_expect("a reply");
	while (read_line(line, sizeof(line) - 1)) {
		if (channel < 0) {
			size_t len = strlen(line);

			line[len] = '\n';
			fd_send(control, line, len + 1, NULL, 0);
			channel = read_reply(control);
			continue;
		}
		/* "" only reads */
		if (*line)
			fd_send(channel, line, strlen(line), NULL, 0);
		fd = read_reply(channel);
		fd_close(fd);
	}
	return 0;
}
