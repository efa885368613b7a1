/* SPDX-License-Identifier: Apache-2.0 */
/* The supervisor's life after the start: who ends, who says what. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/timer.h"
#include "supervisor/supervisor.h"

/* After a failure COMMAND may end by itself for so long. */
#define KILL_AFTER_MS 5000

/* --exit-fd wants everything gone within a second. */
#define EXIT_FD_KILL_AFTER_MS 500

#define OF(source, member)                                                     \
	((struct supervisor *)((char *)(source) -                              \
			       offsetof(struct supervisor, member)))

static void signal_command(struct supervisor *s, int number)
{
	struct netns_request request = { .type = NETNS_SIGNAL, .signal = number };

	netns_send(&s->netns, &request);
}

static void end_now(struct supervisor *s, int status)
{
	s->status = status;
	loop_stop(&s->loop);
}

/* End with @status; COMMAND, if there is one, gets @ms to end by itself. */
static void end_after_command(struct supervisor *s, int status, long ms)
{
	if (s->failing)
		return;
	s->failing = true;
	s->status = status;
	if (!s->config->command || s->netns.process.pid == 0) {
		loop_stop(&s->loop);
		return;
	}
	signal_command(s, SIGTERM);
	signal_command(s, SIGCONT);
	timer_set(&s->timer, ms);
}

static void on_timer(struct loop_source *source, uint32_t events)
{
	if (timer_expired(source))
		loop_stop(&OF(source, timer)->loop);
}

static void on_forwarder_end(struct loop_source *source, uint32_t events)
{
	struct supervisor *s = OF(source, forwarder_end);
	char text[64];
	int status;

	loop_del(source);
	process_wait(&s->forwarder.process, -1, &status);
	log_error("the forwarder %s: ports are no longer published",
		  process_status_text(status, text, sizeof(text)));
	end_after_command(s, EXIT_PORTSHUNT, KILL_AFTER_MS);
}

static void on_slirp_end(struct loop_source *source, uint32_t events)
{
	struct supervisor *s = OF(source, slirp_end);
	struct error err = { "" };

	loop_del(source);
	slirp4netns_death(&s->slirp, &err);
	log_error("%s: the container has no network", err.text);
	end_after_command(s, EXIT_PORTSHUNT, KILL_AFTER_MS);
}

/* COMMAND's end, or that it could not be executed. Returns false at the end. */
static bool read_message(struct supervisor *s)
{
	struct netns_reply reply;
	size_t n;

	if (fd_recv(s->netns.fd, &reply, sizeof(reply), NULL, 0, &n) != sizeof(reply))
		return false;
	if (reply.error < 0)
		log_error("%s", reply.text);
	s->command_ended = true;
	end_now(s, s->failing ? s->status : reply.status);
	return true;
}

static void on_netns_message(struct loop_source *source, uint32_t events)
{
	/* an end of file is told by the process's end as well */
	if (!read_message(OF(source, netns_message)))
		loop_del(source);
}

static void on_netns_end(struct loop_source *source, uint32_t events)
{
	struct supervisor *s = OF(source, netns_end);
	char text[64];
	int status;

	loop_del(source);
	if (s->command_ended || read_message(s))
		return;
	process_wait(&s->netns.process, -1, &status);
	log_error("the netns child %s",
		  process_status_text(status, text, sizeof(text)));
	end_now(s, EXIT_PORTSHUNT);
}

static void on_target_end(struct loop_source *source, uint32_t events)
{
	struct supervisor *s = OF(source, target_end);

	log_info("process %d ended", s->config->pid);
	end_now(s, 0);
}

static void on_exit_fd(struct loop_source *source, uint32_t events)
{
	struct supervisor *s = OF(source, exit_fd);
	char unused[256];

	/* bytes say nothing, the end does */
	if ((events & EPOLLIN) && read(source->fd, unused, sizeof(unused)) > 0)
		return;
	loop_del(source);
	loop_del(&s->forwarder_end);
	supervisor_stop_forwarder(s, false);
	end_after_command(s, 0, EXIT_FD_KILL_AFTER_MS);
}

/*
 * The terminal's ^C and ^\ go to the whole foreground process group, so
 * COMMAND had its own (the kernel marks them SI_KERNEL); what kill(2) sends
 * is meant for us alone and passed on.
 */
static void on_signal(struct loop_source *source, uint32_t events)
{
	struct supervisor *s = OF(source, signals);
	struct signalfd_siginfo info;

	if (read(source->fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (!s->config->command)
		end_now(s, 0);
	else if (info.ssi_code != SI_KERNEL)
		signal_command(s, (int)info.ssi_signo);
}

static int watch_signals(struct supervisor *s)
{
	static const int run[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2 };
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(run) / sizeof(*run); i++)
		sigaddset(&set, run[i]);
	if (!s->config->command) {
		sigdelset(&set, SIGUSR1);
		sigdelset(&set, SIGUSR2);
	}
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	return loop_add(&s->loop, &s->signals, fd, EPOLLIN, on_signal);
}

static int watch(struct supervisor *s, struct loop_source *source, int fd, loop_fn *fn)
{
	return fd < 0 ? 0 : loop_add(&s->loop, source, fd, EPOLLIN, fn);
}

static int watch_target(struct supervisor *s, struct error *err)
{
	int fd, r;

	if (s->config->command || !s->config->pid)
		return 0;
	fd = (int)syscall(SYS_pidfd_open, s->config->pid, 0);
	if (fd < 0)
		return error_errno(err, -errno, "--pid %d", s->config->pid);
	r = watch(s, &s->target_end, fd, on_target_end);
	return r < 0 ? error_errno(err, r, "--pid %d", s->config->pid) : 0;
}

static int watch_all(struct supervisor *s, struct error *err)
{
	int r = loop_init(&s->loop);

	if (r >= 0)
		r = timer_add(&s->loop, &s->timer, on_timer);
	if (r >= 0)
		r = watch_signals(s);
	if (r >= 0)
		r = watch(s, &s->forwarder_end, s->forwarder.process.pidfd,
			  on_forwarder_end);
	if (r >= 0)
		r = watch(s, &s->netns_message, s->netns.fd, on_netns_message);
	if (r >= 0)
		r = watch(s, &s->netns_end, s->netns.process.pidfd, on_netns_end);
	if (r >= 0)
		r = watch(s, &s->slirp_end, s->slirp.pidfd, on_slirp_end);
	if (r < 0)
		return error_errno(err, r, "cannot watch the processes");
	r = watch(s, &s->exit_fd, s->config->exit_fd, on_exit_fd);
	if (r < 0)
		return error_errno(err, r, "cannot watch --exit-fd %d",
				   s->config->exit_fd);
	return watch_target(s, err);
}

int supervisor_watch(struct supervisor *s, struct error *err)
{
	int r = watch_all(s, err);

	if (r >= 0)
		r = loop_run(&s->loop);
	return r;
}
