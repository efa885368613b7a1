/* SPDX-License-Identifier: Apache-2.0 */
/* What the command line asked for: one struct for every mode. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

#define PEER_UNLIMITED UINT64_MAX

/*
 * How a socket is waited for. IO_POLL asks before every single call, as
 * select-driven programs do; IO_EPOLL is edge-triggered and works until
 * EAGAIN, as Go, nginx and node do.
 */
enum io { IO_BLOCKING, IO_POLL, IO_EPOLL };

/* When a side begins to send. */
enum after { AFTER_NOW, AFTER_DATA, AFTER_EOF };

/* What a side does when everything is sent. */
enum finish { FINISH_SHUTDOWN, FINISH_HOLD, FINISH_CLOSE, FINISH_RST };

struct range {
	uint64_t min, max;
};

/* What one side of a connection does; see stream.h. */
struct plan {
	uint64_t send;
	uint64_t expect; /* PEER_UNLIMITED: any number is right */
	uint64_t read; /* FINISH_CLOSE, FINISH_RST: read this much first */
	unsigned int unread; /* … and wait until this much is there unread */
	uint64_t stop_after; /* read no more until told; PEER_UNLIMITED: never */
	enum after after;
	enum finish finish;
	bool echo;
	struct range write_size, read_size;
	unsigned int read_pause_ms; /* a slow reader */
	unsigned int blocked_ms; /* tell when the writer is stuck; 0: do not */
	bool stall; /* tell for how long nothing came */
};

struct options {
	bool is_server;
	const char *mode;
	struct addr addr; /* connect to, listen on; AF_UNSPEC: any */
	uint16_t port, port_end;
	int family; /* AF_UNSPEC: both for a server, the address's for a client */
	struct addr source; /* of a client's sockets; AF_UNSPEC: the kernel's choice */
	unsigned int sources; /* this many addresses, from `source` upwards */
	const char *netns, *socket;
	int ready_fd;
	double deadline; /* s */
	enum io io;
	bool control; /* commands and the end come on stdin */
	int nodelay; /* -1: as the mode likes it */
	unsigned int rcvbuf, sndbuf; /* bytes, 0: the kernel's */
	uint64_t seed;
	uint64_t bytes; /* of the modes that move "so much"; PEER_UNLIMITED: not given */
	unsigned int connections; /* server: serve so many; client: open so many */
	struct plan plan;
	/* oob */
	uint64_t gap, tail; /* ordinary bytes before and after each mark */
	unsigned int marks;
	bool oob_inline;
	/* hold */
	bool ping;
	/* bench */
	double seconds;
	bool down;
	unsigned int flows, request, response, writes;
	bool client_closes;
	/* udp */
	unsigned int step, rate;
};

/*
 * options_parse - fills @ret from the command line, or prints one line and
 * ends the program: with 2 on a mistake, with 0 after --help.
 */
void options_parse(int argc, char **argv, struct options *ret);
