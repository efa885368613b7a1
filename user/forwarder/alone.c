/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/alone.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "forwarder/forwarder.h"

static struct forwarder forwarder;
static struct loop_source signals;

static void on_signal(struct loop_source *source, uint32_t events)
{
	struct signalfd_siginfo info;

	if (read(source->fd, &info, sizeof(info)) == sizeof(info))
		forwarder_finish(&forwarder);
}

/* Also those that whoever started us had blocked or ignored. */
static int watch_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* splice(2) to a socket that is gone raises it, and has no flag */
	signal(SIGPIPE, SIG_IGN);
	/* a log that may not grow any more is no reason to end */
	signal(SIGXFSZ, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	return loop_add(&forwarder.loop, &signals, fd, EPOLLIN, on_signal);
}

static int obey(struct forwarder_request *request, int *fds, size_t n, struct error *err)
{
	struct forwarder_reply reply = { 0 };
	int r = forwarder_obey(&forwarder, request, &reply, fds, n, err);

	if (r < 0 && !*err->text)
		error_errno(err, r, "the forwarder does not start");
	return r;
}

static int start(const struct alone *alone, struct error *err)
{
	struct forwarder_request setup = { .type = FORWARDER_SETUP };
	struct forwarder_request listen = { .type = FORWARDER_LISTEN };
	struct forwarder_request start = { .type = FORWARDER_START };
	int fd = alone->listen_fd, r;

	setup.setup.datapath = (uint8_t)alone->datapath;
	setup.setup.log_level = (uint8_t)log_level_get();
	setup.setup.log_json = log_is_json();
	setup.setup.may_have_udp = alone->udp;
	setup.setup.udp = alone->udp_limits;
	setup.setup.all = alone->all_limits;
	setup.setup.each = alone->rule_limits;
	start.start.is_final = true;
	listen.listen.rule = 1;
	listen.listen.count = 1;
	listen.listen.container_port = alone->target_port;
	listen.listen.udp = alone->udp;
	if (alone->target.family == AF_INET6)
		start.start.target6 = alone->target;
	else
		start.start.target4 = alone->target;
	r = obey(&setup, NULL, 0, err);
	if (r >= 0)
		r = obey(&listen, &fd, 1, err);
	if (r >= 0)
		r = obey(&start, NULL, 0, err);
	return r;
}

int alone_open(const struct alone *alone, struct error *err)
{
	int r;

	forwarder.connector.make = alone->make;
	r = forwarder_init(&forwarder, -1);
	if (r >= 0)
		r = watch_signals();
	if (r < 0)
		return error_errno(err, r, "the forwarder does not start");
	return start(alone, err);
}

int alone_run(void)
{
	int r = loop_run(&forwarder.loop);

	forwarder_done(&forwarder);
	return r;
}
