/* SPDX-License-Identifier: Apache-2.0 */
#include "control/wait.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/timer.h"

/* Until a queue that is full is tried again: nothing tells when it is not. */
#define CONNECT_AGAIN_MS 20

void control_wait_start(struct control_wait *w, unsigned int seconds)
{
	*w = (struct control_wait){
		.end = timer_now() + seconds * UINT64_C(1000),
		.seconds = seconds,
		.fd = -1,
	};
}

int control_wait(const struct control_wait *w, int fd, short events)
{
	struct pollfd fds[] = { { .fd = fd, .events = events },
				{ .fd = w->fd, .events = POLLIN } };

	for (;;) {
		uint64_t now = timer_now(), left = w->end - now;
		int n, r;

		if (now >= w->end)
			return -ETIMEDOUT;
		n = poll(fds, 2, left < INT_MAX ? (int)left : INT_MAX);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n <= 0)
			continue;
		r = fds[1].revents ? w->woken(w->context) : 0;
		if (r < 0 || fds[0].revents)
			return r;
	}
}

int control_wait_connect(const struct control_wait *w, int fd, const struct sockaddr_un *sa)
{
	struct control_wait pause = *w;
	int r;

	while (connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0) {
		if (errno != EAGAIN)
			return -errno;
		pause.end = timer_now() + CONNECT_AGAIN_MS;
		r = control_wait(&pause, -1, 0);
		if (r != -ETIMEDOUT || timer_now() >= w->end)
			return r;
	}
	return 0;
}

int control_wait_send(const struct control_wait *w, int fd, const char *data, size_t len)
{
	while (len) {
		int r = control_wait(w, fd, POLLOUT);
		ssize_t n = r < 0 ? r : fd_send_some(fd, data, len, NULL, 0);

		if (n == -EAGAIN)
			continue;
		if (n < 0)
			return (int)n;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

ssize_t control_wait_recv(const struct control_wait *w, int fd, char *data, size_t len)
{
	ssize_t n;
	int r;

	do {
		r = control_wait(w, fd, POLLIN);
		if (r < 0)
			return r;
		n = recv(fd, data, len, MSG_DONTWAIT);
	} while (n < 0 && (errno == EAGAIN || errno == EINTR));
	return n < 0 ? -errno : n;
}
