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
#include "supervisor/terminal.h"

/* After a failure COMMAND may end by itself for so long. */
#define KILL_AFTER_MS 5000

/* --exit-fd wants everything gone within a second. */
#define EXIT_FD_KILL_AFTER_MS 500

#define OF(source, member)                                                     \
	((struct supervisor *)((char *)(source) -                              \
			       offsetof(struct supervisor, member)))

static void signal_command(struct supervisor *s, int number, bool group)
{
	struct netns_request request = {
		.type = NETNS_SIGNAL,
		.signal = { .number = number, .group = group },
	};

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
	if (!s->command_started || s->netns.process.pid == 0) {
		loop_stop(&s->loop);
		return;
	}
	signal_command(s, SIGTERM, false);
	signal_command(s, SIGCONT, false);
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
	int status = 0;

	loop_del(source);
	process_wait(&s->forwarder.process, -1, &status);
	if (s->hand_over.is_done && status == 0) {
		log_info("the last connection has ended");
		end_now(s, 0);
		return;
	}
	if (s->forwarder.is_lost)
		snprintf(text, sizeof(text), "sent a message that makes no sense, and was ended");
	else
		process_status_text(status, text, sizeof(text));
	log_error("the forwarder %s: ports are no longer published", text);
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

/* COMMAND's end, that it could not be executed, or a signal. Returns false at the end. */
static bool read_message(struct supervisor *s)
{
	struct netns_reply reply;
	struct error err = { "" };
	size_t n;
	ssize_t len;

	if (netns_late(&s->netns))
		return true;
	len = fd_recv(s->netns.fd, &reply, sizeof(reply), NULL, 0, &n);
	if (len <= 0 && len != -EMSGSIZE)
		return false;
	/* COMMAND's root could have written this in the init's name */
	if (len < 0 || netns_reply_check(&reply, (size_t)len) < 0 || !s->command_started) {
		client_distrust(&s->netns, "netns child", NULL);
		return false;
	}
	if (reply.error == 0 && reply.status < 0) {
		if (!terminal_typed(s, -reply.status))
			client_distrust(&s->netns, "netns child", NULL);
		return !s->netns.is_lost;
	}
	error_set(&err, 0, "%s", reply.text);
	if (reply.error < 0)
		log_error("%s", err.text);
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
	if (s->command_ended || (!s->netns.is_lost && read_message(s)))
		return;
	process_wait(&s->netns.process, -1, &status);
	if (s->netns.is_lost)
		snprintf(text, sizeof(text), "sent a message that makes no sense, and was ended");
	else
		process_status_text(status, text, sizeof(text));
	log_error("the netns child %s", text);
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
	ssize_t n = 0;

	/* bytes say nothing, the end does */
	if (events & EPOLLIN)
		n = read(source->fd, unused, sizeof(unused));
	if (n > 0 || (n < 0 && errno == EAGAIN))
		return;
	loop_del(source);
	loop_del(&s->forwarder_end);
	supervisor_stop_forwarder(s, false);
	end_after_command(s, 0, EXIT_FD_KILL_AFTER_MS);
}

/* What COMMAND would have done, had it been there: die of it or ignore it. */
static void end_start(struct supervisor *s, int number)
{
	if (!(s->ignored >> (number - 1) & 1))
		end_now(s, 128 + number);
}

/*
 * COMMAND is in our process group, as is its init, and the forwarder is not.
 * What goes to the whole group, the terminal's ^C, a shell's `kill %1` or
 * timeout(1), COMMAND has already. The kernel goes through the group from its
 * newest member to us, so the init has it pending by now; when the forwarder
 * has it too, somebody has signalled all of us one by one. (SI_KERNEL says
 * little: a hang-up comes to us alone when we lead the session.)
 */
static bool is_for_group(const struct supervisor *s, uint32_t number)
{
	uint64_t bit = UINT64_C(1) << (number - 1);

	return (process_pending(&s->netns.process) & bit) &&
	       !(process_pending(&s->forwarder.process) & bit);
}

static void on_signal(struct loop_source *source, uint32_t events)
{
	struct supervisor *s = OF(source, signals);
	struct signalfd_siginfo info;

	if (read(source->fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGCONT)
		terminal_continued(s);
	if (!s->config->command)
		end_now(s, 0);
	else if (!s->command_started)
		end_start(s, (int)info.ssi_signo);
	else
		signal_command(s, (int)info.ssi_signo, is_for_group(s, info.ssi_signo));
}

/* Under nohup(1), or started by a script with &: what is ignored stays so. */
static void leave_ignored(sigset_t *set, uint64_t ignored)
{
	for (int n = 1; n < SIGTERM; n++)
		if (ignored >> (n - 1) & 1)
			sigdelset(set, n);
}

static int watch_signals(struct supervisor *s)
{
	static const int run[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2 };
	sigset_t *set = &s->signal_set;
	int fd;

	sigemptyset(set);
	for (size_t i = 0; i < sizeof(run) / sizeof(*run); i++)
		sigaddset(set, run[i]);
	if (!s->config->command) {
		sigdelset(set, SIGUSR1);
		sigdelset(set, SIGUSR2);
		leave_ignored(set, s->ignored);
	}
	fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
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

int supervisor_watch_begin(struct supervisor *s, struct error *err)
{
	int r = loop_init(&s->loop);

	if (r >= 0)
		r = timer_add(&s->loop, &s->timer, on_timer);
	if (r >= 0)
		r = watch_signals(s);
	if (r < 0)
		return error_errno(err, r, "cannot watch signals");
	r = watch(s, &s->exit_fd, s->config->exit_fd, on_exit_fd);
	if (r < 0)
		return error_errno(err, r, "cannot watch --exit-fd %d",
				   s->config->exit_fd);
	return watch_target(s, err);
}

int supervisor_watch_helpers(struct supervisor *s, struct error *err)
{
	int r = watch(s, &s->forwarder_end, s->forwarder.process.pidfd,
		      on_forwarder_end);

	if (r >= 0)
		r = watch(s, &s->netns_end, s->netns.process.pidfd, on_netns_end);
	return r < 0 ? error_errno(err, r, "cannot watch the processes") : 0;
}

static void on_log(struct loop_source *source, uint32_t events)
{
	if (log_relay())
		return;
	/* the last process that could write to it has ended */
	log_relay_from(-1);
	loop_del(source);
	source->fd = fd_close(source->fd);
}

int supervisor_watch_log(struct supervisor *s, int fd)
{
	int r = watch(s, &s->log, fd, on_log);

	if (r < 0)
		fd_close(fd);
	else
		log_relay_from(fd);
	return r;
}

int supervisor_still_wanted(struct supervisor *s)
{
	int r = loop_turn(&s->loop, 0);

	return r >= 0 && s->loop.stop ? -ECANCELED : r;
}

static void on_slirp_ready(struct loop_source *source, uint32_t events)
{
	/* supervisor_wait_slirp4netns() asks what it was */
}

int supervisor_wait_slirp4netns(struct supervisor *s, struct error *err)
{
	int r = watch(s, &s->slirp_ready, s->slirp.ready_fd, on_slirp_ready);

	if (r >= 0)
		r = watch(s, &s->slirp_end, s->slirp.pidfd, on_slirp_ready);
	if (r < 0)
		return error_errno(err, r, "cannot watch slirp4netns");
	do {
		r = loop_turn(&s->loop, -1);
		if (r >= 0 && s->loop.stop)
			r = -ECANCELED;
		else if (r >= 0)
			r = slirp4netns_ready(&s->slirp, err);
	} while (r == 0);
	loop_del(&s->slirp_ready);
	loop_del(&s->slirp_end);
	return r < 0 ? r : 0;
}

int supervisor_watch(struct supervisor *s, struct error *err)
{
	int r = watch(s, &s->netns_message, s->netns.fd, on_netns_message);

	if (r >= 0)
		r = watch(s, &s->slirp_end, s->slirp.pidfd, on_slirp_end);
	if (r < 0)
		return error_errno(err, r, "cannot watch the processes");
	r = loop_run(&s->loop);
	return r < 0 ? error_errno(err, r, "event loop") : 0;
}
