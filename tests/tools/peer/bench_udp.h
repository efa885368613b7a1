/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the udp load's client and server tell each other: every datagram starts
 * with this, and is padded to its size. One run at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "options.h"

#define BENCH_UDP_MAGIC 0x31554250u /* "PBU1" */

enum bench_udp_kind {
	BENCH_UDP_DATA, /* number `seq` of the run */
	BENCH_UDP_REPORT, /* the client asks as `seq`, the server answers with `tally` */
	BENCH_UDP_SOURCE, /* the server sends `size` bytes at a time for `ms`, once a run */
	BENCH_UDP_SENT, /* the server has sent `seq` of them */
};

/* What a receiver counted. */
struct bench_udp_tally {
	uint64_t received, bytes, disorder; /* not larger than the one before it */
	uint64_t wrong; /* not of the size that was sent */
	uint64_t asked; /* as which it answers: one may have been asked twice */
};

struct bench_udp_header {
	uint32_t magic;
	uint8_t kind;
	uint8_t unused[3];
	uint64_t run, seq;
	uint32_t size, ms, rate, unused2;
};

/* bench_udp_count - one datagram of DATA; *last is the number of the one before. */
void bench_udp_count(struct bench_udp_tally *t, const struct bench_udp_header *h, size_t len,
		     uint64_t *last);

/*
 * bench_udp_flood - send for @h->ms, @h->rate a second (0: as fast as can be).
 * @to may be NULL. Returns how many the kernel took.
 */
uint64_t bench_udp_flood(int fd, struct bench_udp_header *h, const void *to, unsigned int to_len);

/* bench_udp_serve - in a thread of its own, on port @port. */
void bench_udp_serve(const struct options *o, uint16_t port);
