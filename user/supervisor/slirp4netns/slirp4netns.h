/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slirp4netns as a child process: started as podman starts it, ready or dead
 * known at once, ended without a trace.
 *
 *     slirp4netns_init → start → wait_ready (or ready_fd and pidfd in a loop,
 *     and slirp4netns_ready) → … pidfd readable: slirp4netns_death → stop
 *
 * It ends by itself when the last copy of exit_fd is closed, and is killed
 * when the thread that started it ends.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>

#include "base/error.h"
#include "supervisor/slirp4netns/options.h"

struct slirp4netns {
	pid_t pid; /* 0 when there is none, or it is reaped */
	int pidfd;
	int exit_fd;  /* write end */
	int ready_fd; /* read end, NONBLOCK; -1 once ready */
	int log_fd;
	int api_fd; /* O_PATH of the API socket once api.h has opened it */
	char path[PATH_MAX];
	/* "" when there is no API socket */
	char api_path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* The namespace that is to be given a network. */
struct slirp4netns_target {
	/*
	 * Joined with setns(2), as its root, before the program runs; it stays
	 * in the network namespace of the caller. -1: not joined.
	 */
	int userns_fd;
	/*
	 * Opened by slirp4netns after it has joined: /proc/PID/ns/net of a
	 * process inside, or a bind mount; not a descriptor of a process in
	 * the parent user namespace, which it may not look at.
	 */
	const char *netns_path;
	pid_t pid; /* of a process in it, when @netns_path is NULL */
	/* with port_handler=slirp4netns: an API socket is wanted */
	bool has_ports;
};

/* slirp4netns_init - nothing started; slirp4netns_stop() may be called. */
void slirp4netns_init(struct slirp4netns *s);

/*
 * slirp4netns_start - find (@binary, or NULL for the one in PATH), probe and
 * run it. @tmpdir and @id name the log, TMPDIR/slirp4netns-ID.log, and the API
 * socket, TMPDIR/ID.net. Returns 0; or -errno with podman's text, and @s is as
 * after slirp4netns_init().
 */
int slirp4netns_start(struct slirp4netns *s, const struct slirp4netns_options *o,
		      const char *binary, bool no_pivot_root, const char *tmpdir,
		      const char *id, const struct slirp4netns_target *t,
		      struct error *err);

/*
 * slirp4netns_ready - after ready_fd or pidfd became readable: 1 when the
 * network is there, 0 when neither says anything yet, -errno when slirp4netns
 * died (reaped, @err as by slirp4netns_death()) or never will be ready.
 * slirp4netns_wait_ready - the same, waiting: 0 or -errno.
 */
int slirp4netns_ready(struct slirp4netns *s, struct error *err);
int slirp4netns_wait_ready(struct slirp4netns *s, struct error *err);

/*
 * slirp4netns_death - after pidfd became readable: reap it and set
 * `PATH failed: "LOG"` or `PATH killed by signal`. Returns -ESRCH; -EAGAIN
 * with no text while it lives; -ECHILD when its status is lost.
 */
int slirp4netns_death(struct slirp4netns *s, struct error *err);

/*
 * slirp4netns_stop - close exit_fd, wait half a second, then SIGKILL; reap,
 * close every descriptor, remove the API socket. Any number of times.
 * Takes @s->pidfd out of a loop's hands: loop_del() it before.
 */
void slirp4netns_stop(struct slirp4netns *s);
