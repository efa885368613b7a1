/* SPDX-License-Identifier: Apache-2.0 */
/*
 * twin: the same conversation, observed twice. Each case is a conversation of
 * two processes, the subject and its partner, over one TCP connection. Each
 * writes down what it sees: results, errors, sums, in an order that does not
 * depend on timing. Run once straight and once through portshunt, the two
 * records have to be equal, to the letter.
 *
 * A case runs with the subject as the server and as the client, and in modes:
 *  nonblocking  O_NONBLOCK from the start; both ends may be captured
 *  blocking     never O_NONBLOCK; neither may be
 *  turned       O_NONBLOCK until the case begins, then blocking
 *  evicted      the same, and each end has sent something since
 */
#pragma once

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum mode { NONBLOCKING, BLOCKING, TURNED, EVICTED, MODES };

enum {
	/* modes of a case */
	IN_NONBLOCKING = 1 << NONBLOCKING,
	IN_BLOCKING = 1 << BLOCKING,
	IN_TURNED = 1 << TURNED,
	IN_EVICTED = 1 << EVICTED,
	IN_ALL = IN_NONBLOCKING | IN_BLOCKING | IN_TURNED | IN_EVICTED,
	IN_WAITING = IN_ALL & ~IN_NONBLOCKING,

	/* what else there is to a case */
	SERVER_ONLY = 1 << 4, /* the subject is the server, never the client */
	CLIENT_ONLY = 1 << 5,
	ALL_FAMILIES = 1 << 6, /* IPv6 and IPv4-mapped as well */
	UNCONNECTED = 1 << 7, /* it connects, accepts and warms up by itself */
	NOT_CAPTURED = 1 << 8, /* by design: the subject keeps itself off the shunt */
};

struct end; /* one of the two processes */

struct kase {
	const char *name;
	unsigned int flags;
	void (*subject)(struct end *e);
	void (*partner)(struct end *e);
	void (*prepare)(struct end *e); /* the subject, before anything was sent; or NULL */
};

struct job {
	const struct kase *kase;
	enum mode mode;
	bool client; /* the subject is the client */
	char family; /* '4', '6', 'm'apped */
};

struct setup {
	const char *netns, *out;
	bool native; /* clients are in the namespace as well */
	bool shunt; /* non-blocking ends get captured, and have to be */
	unsigned int jobs;
	int patience_ms; /* what takes longer hangs; usually all takes 20 ms */
	uint16_t port, host_port; /* the first of so many */
};

struct shared {
	pid_t pid[2]; /* of the subject, of the partner */
};

struct end {
	const struct setup *setup;
	const struct job *job;
	enum mode mode;
	bool subject, client;
	int fd; /* the connection */
	int listener; /* of the server */
	int steps; /* to the other end */
	int out;
	struct shared *shared;
	uint16_t port;
	void (*wait)(struct end *e, int events); /* of poll(2) */
	int epoll; /* of such a one */
};

/* Each theme's cases end with one without a name. */
extern const struct kase sending_cases[], flushing_cases[], receiving_cases[], urgent_cases[],
	readiness_cases[], waiting_cases[], writing_cases[],
	ending_cases[], beginning_cases[], option_cases[], process_cases[], thread_cases[], tls_cases[];

/* referee_run - one job, in a process of its own: runs both ends, writes the record. */
void referee_run(const struct setup *setup, const struct job *job, unsigned int slot);

/* job_name - "case.mode.role.family" */
const char *job_name(const struct job *job);
