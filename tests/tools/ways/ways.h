/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ways: one connection, one way to send, and how long that takes.
 *
 * A cell is one connection that carries messages, each of which is answered
 * before the next one starts. `down`: the server, which is in the container,
 * sends the messages and the client's requests are small. `up`: the other way
 * round. All sockets are non-blocking.
 *
 * The bytes of a message are those of a file, from a position on that changes
 * from one message to the next; so what is written from memory, sent as a
 * file, and expected is one mapping.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The file repeats itself after this many bytes, a prime: the receiver compares with
 * little memory. */
#define PERIOD 1048573u

/* What is sent apart from the rest of a message, by ways that do so. */
#define HEADER 200u

/* A request, or an answer. */
#define ANSWER 64u

/* An end that waits this long gives up. */
#define PATIENCE_MS 15000

/* The longest message of a way that any size suits. */
#define ANY_SIZE SIZE_MAX

struct way;

struct cell {
	int port; /* where the client connects to; 0: to the server itself, in its
		     namespace */
	const struct way *way;
	bool is_up;
	size_t size;
	unsigned int count;
	bool is_edge; /* EPOLLET, and a short return waits for the next edge; else level
		       */
	bool is_nodelay;
	bool is_slow; /* the receiver: a small SO_RCVBUF, and much work for each byte */
};

/* What waiting for one event was like. The time is the one that passed while this process
 * ran. */
struct waits {
	unsigned int n, long_ones; /* long: 10 ms and more */
	uint64_t longest;	   /* ns */
};

/* One end's figures, in memory that the processes share. */
struct outcome {
	char error[120]; /* empty: none */
	uint64_t error_at;
	struct waits room, data;
	unsigned int messages; /* of the client: how many were answered */
	uint64_t ns;	       /* of the client: all of it */
	uint64_t *latencies;   /* of the client: of each message */
};

/* The file that all messages are cut from. */
struct source {
	int fd;
	const char *map;
	size_t size;
};

/* One process's end of the connection. */
struct end {
	const struct cell *cell;
	const struct source *source;
	struct outcome *outcome;
	int fd, epoll;
	size_t asked; /* of the last step: less than this is a short return */
	int pipe[2];  /* of splice(2) */
	size_t in_pipe;
	int short_file;	   /* it ends where the message ends */
	struct ring *ring; /* of io_uring */
	unsigned int early; /* sends before there was one */
};

struct way {
	const char *name;
	size_t max;		      /* larger messages take for ever */
	void (*open)(struct end *e);  /* once the connection is there; may be NULL */
	void (*begin)(struct end *e); /* before a message; may be NULL */
	/*
	 * One call that sends of the message's bytes @done up to @size, the first of
	 * which is at @at of the source. Sets e->asked. Returns bytes, or -1 with errno.
	 */
	ssize_t (*step)(struct end *e, size_t at, size_t done, size_t size);
	void (*finish)(struct end *e); /* after it; may be NULL */
	bool is_at_start;	       /* of the source: each message */
};

/* ---- end.c ---- */

uint64_t now_ns(void);

/* fail - records why, the first time, and ends the process. @e may be negative or 0. */
void fail(struct end *e, const char *what, int error) __attribute__((noreturn));

/* must - fail() if @r is negative, with errno. Returns it. */
int must(struct end *e, const char *what, int r);

void option(struct end *e, const char *what, int level, int name, int value);

/* end_open_server - listens, writes a byte to @ready, and accepts one connection. */
void end_open_server(struct end *e, const char *netns, int port, int ready);

/* end_open_client - connects once @ready is readable. */
void end_open_client(struct end *e, const char *netns, int port, int ready);

/* wait_room, wait_data - until epoll says so. Fail after PATIENCE_MS. */
void wait_room(struct end *e);
void wait_data(struct end *e);

/* drop_completions - takes what MSG_ZEROCOPY reports. */
void drop_completions(struct end *e);

/* ---- talk.c: the conversation; these end when the client has had enough ---- */

void talk_client(struct end *e);
void talk_server(struct end *e);

/* ---- cell.c ---- */

/* cell_run - runs it and prints its line. Returns whether it went without an error. */
bool cell_run(const struct cell *cell, const struct source *source, const char *netns,
	      int port);

/* ---- what several ways have ---- */

static inline size_t at_most(size_t len, size_t most)
{
	return len < most ? len : most;
}

static inline size_t header_of(size_t size)
{
	return at_most(HEADER, size / 2);
}

void cork(struct end *e);
void uncork(struct end *e);

/* ---- the ways; each list ends with an empty name ---- */

extern const struct way plain_ways[], file_ways[], uring_ways[];

/* way_named - NULL when there is none. */
const struct way *way_named(const char *name);
