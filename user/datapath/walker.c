/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/walker.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "isolation/isolate.h"

static void work(int fd, const void *context)
{
	const struct shunt_tools *tools = context;
	struct walker_answer answer;
	uint8_t what;

	while (recv(fd, &what, sizeof(what), 0) == sizeof(what)) {
		answer = (struct walker_answer){ .what = what };
		answer.result = what == WALKER_RINGS ? shunt_rings(tools, &answer.users) :
						       shunt_walk(tools);
		if (send(fd, &answer, sizeof(answer), MSG_NOSIGNAL) < 0)
			break;
	}
}

int walker_start(struct child *w, const struct shunt_tools *tools)
{
	static const int commands[] = { BPF_ITER_CREATE, -1 };
	static const struct isolation isolation = {
		.process = FILTER_WALKER,
		.name = "walker",
		.bpf_commands = commands,
	};
	const struct child_spec spec = {
		.isolation = &isolation,
		.work = work,
		.context = tools,
		.keep = { tools->walk_fd, tools->rings_fd },
	};

	return child_start(w, &spec);
}

int walker_ask(int fd, enum walker_task what)
{
	uint8_t ask = (uint8_t)what;

	if (send(fd, &ask, sizeof(ask), MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(ask))
		return 0;
	return errno == EAGAIN ? -EAGAIN : -EPIPE;
}

int walker_answer_decode(const void *data, size_t len, struct walker_answer *ret)
{
	struct walker_answer answer;
	int32_t max;

	if (len != sizeof(answer))
		return -EBADMSG;
	memcpy(&answer, data, sizeof(answer));
	max = answer.what == WALKER_RINGS ? WALKER_US_MAX : WALKER_MS_MAX;
	if (answer.what > WALKER_RINGS || answer.result < -ERRNO_MAX || answer.result > max)
		return -EBADMSG;
	*ret = answer;
	return 0;
}

int walker_answer(int fd, struct walker_answer *ret)
{
	/* one byte more than an answer has, as a longer one is cut short in silence */
	char data[sizeof(*ret) + 1];
	ssize_t n = recv(fd, data, sizeof(data), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (n <= 0)
		return -EPIPE;
	return walker_answer_decode(data, (size_t)n, ret);
}
