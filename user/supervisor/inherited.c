/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/inherited.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static bool is_in(int fd, const int *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == fd)
			return true;
	return false;
}

static int remember(struct inherited *in, int fd)
{
	int *fds = realloc(in->fds, (in->n + 1) * sizeof(*fds));

	if (!fds)
		return -ENOMEM;
	in->fds = fds;
	in->fds[in->n++] = fd;
	return 0;
}

static int open_terminal(void)
{
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

	/* from the background there is nothing to give back */
	if (fd >= 0 && tcgetpgrp(fd) != getpgrp())
		fd = fd_close(fd);
	return fd;
}

int inherited_init(struct inherited *in, const int *keep, size_t n_keep)
{
	_cleanup_(close_dir) DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	int fd, r = 0;

	*in = (struct inherited){ .tty_fd = -1 };
	while (dir && r >= 0 && (entry = readdir(dir))) {
		fd = atoi(entry->d_name);
		if (entry->d_name[0] != '.' && fd != dirfd(dir) &&
		    fd != STDERR_FILENO && !is_in(fd, keep, n_keep))
			r = remember(in, fd);
	}
	if (r >= 0)
		in->tty_fd = open_terminal();
	return r;
}

void inherited_close(struct inherited *in)
{
	for (size_t i = 0; i < in->n; i++)
		fd_close(in->fds[i]);
	free(in->fds);
	in->fds = NULL;
	in->n = 0;
	fd_fill_standard();
}

void inherited_done(struct inherited *in)
{
	pid_t foreground = in->tty_fd >= 0 ? tcgetpgrp(in->tty_fd) : 0;
	sigset_t set;

	inherited_close(in);
	if (foreground > 0 && kill(-foreground, 0) < 0 && errno == ESRCH) {
		/* from the background this would stop us, and quite rightly */
		sigemptyset(&set);
		sigaddset(&set, SIGTTOU);
		sigprocmask(SIG_BLOCK, &set, NULL);
		tcsetpgrp(in->tty_fd, getpgrp());
	}
	in->tty_fd = fd_close(in->tty_fd);
}
