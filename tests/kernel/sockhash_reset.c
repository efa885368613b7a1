/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message that is redirected to a target whose peer has reset takes the
 * target's error with it: who asks the target for it (SO_ERROR) hears of none.
 * Only its state tells then.
 */
#include "kernel/sockhash.h"

#define SENDER_KEY 1

static void reset_by_peer(int fds[2])
{
	struct linger at_once = { .l_onoff = 1 };

	MUST(setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)));
	close(fds[1]);
	fds[1] = -1;
	wait_reset(fds[0]);
}

int main(void)
{
	struct verdict verdict;
	int own[2], target[2];
	short events;

	verdict_open(&verdict, BPF_PROG_TYPE_SK_MSG, true);
	tcp_pair(own);
	tcp_pair(target);
	reset_by_peer(target);
	tap_is(get_option(target[0], SOL_SOCKET, SO_ERROR), ECONNRESET,
	       "a socket that was reset has an error");
	close_pair(target);

	tcp_pair(target);
	MUST(sockhash_add(verdict.targets, TARGET_KEY, target[0]));
	MUST(sockhash_add(verdict.sockets, SENDER_KEY, own[0]));
	reset_by_peer(target);
	tap_is(RC(send(own[0], "x", 1, MSG_NOSIGNAL)), -ECONNRESET,
	       "a sender that is redirected to it gets that");
	tap_is(get_option(target[0], SOL_SOCKET, SO_ERROR), 0, "it has none any more");
	events = poll_now(target[0], POLLIN | POLLRDHUP);
	tap_ok((events & (POLLERR | POLLHUP | POLLRDHUP)) == (POLLHUP | POLLRDHUP),
	       "poll() says that it ended, and of no error");
	tap_is(tcp_info(target[0]).tcpi_state, TCP_CLOSE, "its state says that it was no FIN");
	tap_is(tcp_info(own[0]).tcpi_state, TCP_ESTABLISHED, "the sender is as it was");
	tap_is(get_option(own[0], SOL_SOCKET, SO_ERROR), 0, "and has no error of its own");
	close_pair(target);
	close_pair(own);
	verdict_close(&verdict);
	return tap_end();
}
