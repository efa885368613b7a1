/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What cannot be captured: a socket that is not connected, or no longer, one
 * with a ULP, and one that another sockhash has given a program. A ULP can be
 * set later, though, which is why the verdict looks at it each time.
 */
#include "kernel/sockhash.h"

static long add(const struct verdict *v, int fd)
{
	return RC(sockhash_add(v->sockets, 1, fd));
}

static void test_states(const struct verdict *v)
{
	struct sockaddr_in at;
	int fds[2], fd;

	fd = tcp_bind(&at);
	tap_is(add(v, fd), -EOPNOTSUPP, "a socket that is not connected is refused");
	MUST(listen(fd, 1));
	tap_is(add(v, fd), 0, "one that listens is not");
	close(fd);
	tcp_pair(fds);
	MUST(shutdown(fds[1], SHUT_WR));
	wait_for(fds[0], POLLIN);
	tap_is(add(v, fds[0]), -EOPNOTSUPP, "one whose peer has shut down is refused");
	tap_is(add(v, fds[1]), -EOPNOTSUPP, "so is the peer");
	close_pair(fds);
	tcp_pair(fds);
	tap_is(add(v, fds[0]), 0, "an established one is not");
	close_pair(fds);
}

static void test_foreign(const struct verdict *ours, const struct verdict *theirs)
{
	int fds[2];
	char c;

	tcp_pair(fds);
	MUST(add(theirs, fds[0]));
	tap_is(add(ours, fds[0]), -EBUSY, "one that another map gave its program is refused");
	MUST(send(fds[0], "x", 1, 0));
	tap_is(verdict_runs(theirs), 1, "that program is still run");
	tap_ok(recv(fds[1], &c, 1, 0) == 1 && c == 'x', "and the byte is there");
	sockhash_delete(theirs->sockets, 1);
	tap_is(add(ours, fds[0]), 0, "once it is out of there, it is taken");
	close_pair(fds);
	tcp_pair(fds);
	MUST(add(theirs, fds[0]));
	tap_is(RC(sockhash_add(ours->targets, 1, fds[0])), 0, "a map without a program takes any");
	close_pair(fds);
}

static long set_tls(int fd)
{
	return RC(setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", 3));
}

static void test_ulp(const struct verdict *v)
{
	int fds[2];
	long r;

	tcp_pair(fds);
	r = set_tls(fds[0]);
	/* many kernels are built without TLS, Debian's are not */
	if (r == -ENOENT) {
		tap_is(r, -ENOENT, "this kernel has no TLS");
		close_pair(fds);
		return;
	}
	tap_is(r, 0, "a socket with TLS in the kernel");
	tap_is(add(v, fds[0]), -EINVAL, "is refused");
	close_pair(fds);
	tcp_pair(fds);
	MUST(add(v, fds[0]));
	tap_is(set_tls(fds[0]), 0, "one that is captured can have it later");
	close_pair(fds);
}

int main(void)
{
	struct verdict ours, theirs;

	verdict_open(&ours, BPF_PROG_TYPE_SK_MSG, false);
	verdict_open(&theirs, BPF_PROG_TYPE_SK_MSG, false);
	test_states(&ours);
	test_foreign(&ours, &theirs);
	test_ulp(&ours);
	verdict_close(&ours);
	verdict_close(&theirs);
	return tap_end();
}
