/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection that carries patterned data by a plan (options.h) and keeps
 * what it saw: what was written and read, their checksums, how each way ended.
 *
 * Two halves: the receiving and the sending one. With threads each has its
 * own; otherwise one task does a step of either in turn.
 */
#pragma once

#include <pthread.h>

#include "drive.h"
#include "pattern.h"

/* How a way ended, besides the errno values */
#define END_NOT_YET 0
#define END_EOF (-1) /* receiving */
#define END_DONE (-1) /* sending: all of it was accepted */

struct stream {
	struct task task; /* both ways; with threads the receiving one */
	struct task sender, watcher; /* with threads */
	int fd;
	unsigned int index;
	bool is_server;
	const struct plan *plan;
	pthread_mutex_t lock; /* held to change what both halves look at: _Atomic */
	pthread_cond_t changed;

	uint64_t out_seed;
	_Atomic uint64_t sent;
	struct sum sent_sum;
	_Atomic int send_end;
	unsigned char *chunk; /* what is being written */
	size_t chunk_size, chunk_left;
	uint64_t write_random, read_random;
	_Atomic uint64_t stuck_since; /* now_ns(), 0: the last write took something */
	bool told_blocked;

	uint64_t in_seed; /* the first bytes that came */
	_Atomic uint64_t received;
	struct sum received_sum;
	_Atomic int recv_end;
	_Atomic bool is_resumed; /* plan->stop_after does not hold any more */
	int64_t wrong_at; /* position of the first wrong byte, or -1 */
	uint64_t came_at, longest_gap; /* ns: between two reads that got something */

	bool is_shut;
	_Atomic bool is_over;
};

/* stream_echoes - it sends back what comes. The client's part in an echo is an ordinary one. */
bool stream_echoes(const struct stream *s);

/* stream_new - takes @fd over; @index tells this stream from the others. */
struct stream *stream_new(int fd, unsigned int index, const struct options *o);

/* stream_add - let the driver run it. */
void stream_add(struct driver *d, struct stream *s);

/* stream_resume - a reader stopped by plan->stop_after goes on. */
void stream_resume(struct stream *s);

/*
 * stream_report - prints what was seen, each line after @prefix. Returns
 * whether it was all that the plan asked for, with every byte right.
 */
bool stream_report(const struct stream *s, const char *prefix);

/* stream_progress - where it stands, on stderr, for the watchdog. */
void stream_progress(const struct stream *s);
