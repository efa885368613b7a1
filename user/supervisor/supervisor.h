/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor: the process that the user started. It opens the listeners,
 * starts the forwarder, the netns child and slirp4netns, watches all of them
 * and sees to it that they end together.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "control/server.h"
#include "supervisor/clients.h"
#include "supervisor/config.h"
#include "supervisor/hand_over.h"
#include "supervisor/inherited.h"
#include "supervisor/netns.h"
#include "supervisor/published.h"
#include "supervisor/slirp4netns/slirp4netns.h"

/* Exit status when portshunt itself fails, as podman, docker and env(1). */
#define EXIT_PORTSHUNT 125

/* mkdtemp(3) fills in the rest */
#define TMPDIR_TEMPLATE "/tmp/portshunt-XXXXXX"

struct supervisor {
	const struct config *config;
	struct client forwarder, netns;
	char netns_name[NETNS_NAME_MAX]; /* the container's */
	uint64_t netns_cookie; /* attach: of the container's sockets */
	struct slirp4netns slirp;
	char tmpdir[sizeof(TMPDIR_TEMPLATE)]; /* made by helpers.c; "": there is none */
	uint64_t blocked, ignored; /* the caller's signals, for COMMAND */
	struct inherited inherited;
	uint16_t *host_ports; /* the first of each of config->specs, as it is open */

	struct published_list published;
	struct control_server control;
	struct hand_over hand_over;
	bool is_taking_over; /* take_over() is under way */

	struct loop loop;
	struct loop_source signals, exit_fd, timer;
	struct loop_source log; /* of forwarder and netns child */
	struct loop_source forwarder_end, netns_message, netns_end, slirp_end;
	struct loop_source target_end; /* attach --pid */
	struct loop_source slirp_ready;
	struct loop_source mounts; /* container.h */
	struct log_limit replaced_limit;
	bool is_replaced; /* --netns PATH is another namespace now, or none */
	sigset_t signal_set; /* of signals.fd */
	bool command_started;
	bool terminal_given; /* terminal.h */
	bool failing;	    /* COMMAND was asked to end, the status is set */
	bool command_ended; /* by itself: what it sent may still be on its way */
	int status;
};

/*
 * supervisor_watch_log - print what is written to @fd, now the supervisor's.
 * Returns 0 or -errno.
 */
int supervisor_watch_log(struct supervisor *s, int fd);

/*
 * supervisor_main - `run` or `attach`, to the end. Logs what fails.
 * Returns the exit status.
 */
int supervisor_main(const struct config *config);

/*
 * supervisor_stop_forwarder - it closes its connections with a FIN and ends;
 * with @drain what is on its way from the container is delivered first.
 */
void supervisor_stop_forwarder(struct supervisor *s, bool drain);

/*
 * events.c, in the order of use. All return 0, or -errno with @err set; or
 * -ECANCELED, with s->status set and @err as it was, when a signal, the end of
 * --exit-fd, of --pid or of a helper has ended the start.
 *
 * supervisor_watch_begin - from here on signals and --exit-fd are heeded
 * whenever one of the functions below runs.
 * supervisor_watch_helpers - notice the end of the forwarder and netns child.
 * supervisor_wait_slirp4netns - until it is ready.
 * supervisor_still_wanted - nothing has ended the start so far.
 * supervisor_watch - until it ends; s->status is the result.
 */
int supervisor_watch_begin(struct supervisor *s, struct error *err);
int supervisor_watch_helpers(struct supervisor *s, struct error *err);
int supervisor_wait_slirp4netns(struct supervisor *s, struct error *err);
int supervisor_still_wanted(struct supervisor *s);
int supervisor_watch(struct supervisor *s, struct error *err);
