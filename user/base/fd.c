/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

int fd_close(int fd)
{
	if (fd >= 0)
		close(fd);
	return -1;
}

int fd_set_cloexec(int fd, int on)
{
	return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0 ? -errno : 0;
}

int fd_set_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

union control {
	char buf[CMSG_SPACE(FD_PASS_MAX * sizeof(int))];
	struct cmsghdr align;
};

static ssize_t send_with(int sock, const void *data, size_t len, const int *fds, size_t n,
			 int flags)
{
	struct iovec iov = { .iov_base = (void *)data, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control;
	struct cmsghdr *cmsg;
	ssize_t r;

	if (n > FD_PASS_MAX)
		return -EINVAL;
	if (n) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
		memset(control.buf, 0, msg.msg_controllen);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, n * sizeof(int));
	}
	do {
		r = sendmsg(sock, &msg, MSG_NOSIGNAL | flags);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

int fd_send(int sock, const void *data, size_t len, const int *fds, size_t n)
{
	ssize_t r = send_with(sock, data, len, fds, n, 0);

	return r < 0 ? (int)r : 0;
}

ssize_t fd_send_some(int sock, const void *data, size_t len, const int *fds, size_t n)
{
	return send_with(sock, data, len, fds, n, MSG_DONTWAIT);
}

static ssize_t recv_with(int sock, void *data, size_t len, int *fds, size_t max,
			 size_t *ret_n, int flags)
{
	struct iovec iov = { .iov_base = data, .iov_len = len };
	union control control;
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	size_t n = 0;
	ssize_t r;

	do {
		r = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC | flags);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		size_t came;
		int fd;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		came = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < came; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (n < max && !(msg.msg_flags & MSG_TRUNC))
				fds[n++] = fd;
			else
				close(fd);
		}
	}
	*ret_n = n;
	return msg.msg_flags & MSG_TRUNC ? -EMSGSIZE : r;
}

ssize_t fd_recv(int sock, void *data, size_t len, int *fds, size_t max,
		size_t *ret_n)
{
	return recv_with(sock, data, len, fds, max, ret_n, 0);
}

ssize_t fd_recv_some(int sock, void *data, size_t len, int *fds, size_t max,
		     size_t *ret_n)
{
	return recv_with(sock, data, len, fds, max, ret_n, MSG_DONTWAIT);
}

int fd_netns_cookie(int sock, uint64_t *ret)
{
	socklen_t len = sizeof(*ret);

	return getsockopt(sock, SOL_SOCKET, SO_NETNS_COOKIE, ret, &len) < 0 ? -errno : 0;
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

void fd_close_all_but(int *keep, size_t n)
{
	unsigned int from = 0, standard = 0;

	qsort(keep, n, sizeof(*keep), compare);
	for (size_t i = 0; i < n; i++) {
		if (keep[i] < 0)
			continue;
		standard += keep[i] <= STDERR_FILENO;
		if ((unsigned int)keep[i] > from)
			close_range(from, (unsigned int)keep[i] - 1, 0);
		from = (unsigned int)keep[i] + 1;
	}
	close_range(from, ~0U, 0);
	/* a process that keeps all three may be unable to open a file */
	if (standard > STDERR_FILENO)
		return;
	/* whoever opens a file later must not get a standard stream */
	while ((from = (unsigned int)open("/dev/null", O_RDWR)) <= STDERR_FILENO)
		;
	close((int)from);
}

void fd_fill_standard(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	fd_close(fd);
}

int fd_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t r = write(fd, p, len);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		p += r;
		len -= (size_t)r;
	}
	return 0;
}

ssize_t fd_read_all(int fd, void *data, size_t len)
{
	size_t got = 0;

	while (got < len) {
		ssize_t r = read(fd, (char *)data + got, len - got);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		got += (size_t)r;
	}
	return (ssize_t)got;
}

int fd_write_file(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

unsigned long fd_raise_nofile(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		return 1024;
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
	getrlimit(RLIMIT_NOFILE, &r);
	return r.rlim_cur;
}
