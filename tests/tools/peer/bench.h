/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the benchmark's client and server tell each other, and how figures
 * are made. One server process serves every load: a connection starts with
 * a header that says which.
 */
#pragma once

#include <stdint.h>

#include "options.h"

#define BENCH_MAGIC 0x31425350u /* "PSB1" */

enum bench_kind {
	BENCH_UP, /* the client writes; after its EOF the server answers with the count, u64 */
	BENCH_DOWN, /* the server writes for `ms`, then EOF */
	BENCH_RR, /* `request` bytes are answered with `response` bytes, until EOF */
	BENCH_CRR, /* once, and then the server closes */
};

/* Both ends run on one machine: host byte order. */
struct bench_header {
	uint32_t magic;
	uint8_t kind; /* enum bench_kind */
	uint8_t io; /* enum io: how the server's socket works */
	uint8_t nodelay;
	uint8_t unused;
	uint32_t request, response;
	uint32_t write_size;
	uint32_t ms;
};

void bench_header_fill(struct bench_header *h, const struct options *o,
		       enum bench_kind kind);

/* cpu_seconds - of all CPUs of the machine since boot: user, system, irq, softirq. */
double cpu_seconds(void);

/*
 * A histogram of durations, 1/32 of their size exact. Zeroed before use.
 */
#define HIST_SLOTS (64 * 32)

struct hist {
	uint64_t count;
	uint32_t slots[HIST_SLOTS];
};

void hist_add(struct hist *h, uint64_t ns);
void hist_merge(struct hist *h, const struct hist *other);

/* hist_percentile - in µs; @p is 0 to 100. 0 when nothing was added. */
double hist_percentile(const struct hist *h, double p);

/* bench_noise - @n bytes to send, the same for everybody. */
const unsigned char *bench_noise(void);
#define BENCH_NOISE_MAX (4u << 20)
