/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "pattern.h"
#include "util.h"

void bench_header_fill(struct bench_header *h, const struct options *o,
		       enum bench_kind kind)
{
	*h = (struct bench_header){
		.magic = BENCH_MAGIC,
		.kind = (uint8_t)kind,
		.io = (uint8_t)o->io,
		.nodelay = o->nodelay >= 0 ? (uint8_t)o->nodelay : kind >= BENCH_RR,
		.request = o->request,
		.response = o->response,
		.write_size = (uint32_t)o->plan.write_size.max,
		.ms = (uint32_t)(o->seconds * 1000),
	};
}

double cpu_seconds(void)
{
	unsigned long long user, nice, system, idle, iowait, irq, softirq;
	_cleanup_fclose_ FILE *f = fopen("/proc/stat", "re");

	/* proc(5): the first line is the sum of all CPUs, in clock ticks */
	if (!f || fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system,
			 &idle, &iowait, &irq, &softirq) != 7)
		die_errno("cannot read /proc/stat");
	return (double)(user + nice + system + irq + softirq) / (double)sysconf(_SC_CLK_TCK);
}

/* 32 slots for each power of two; below 32 ns each has its own. */
static unsigned int slot_of(uint64_t ns)
{
	unsigned int top = 63 - (unsigned int)__builtin_clzll(ns | 1);

	if (top < 5)
		return (unsigned int)ns;
	return (top - 4) * 32 + (unsigned int)(ns >> (top - 5)) % 32;
}

static double slot_us(unsigned int slot)
{
	unsigned int row = slot / 32;

	if (!row)
		return slot / 1e3;
	return ((double)(slot % 32) + 32.5) * (double)(1ull << (row - 1)) / 1e3;
}

void hist_add(struct hist *h, uint64_t ns)
{
	h->slots[slot_of(ns)]++;
	h->count++;
}

void hist_merge(struct hist *h, const struct hist *other)
{
	unsigned int i;

	for (i = 0; i < HIST_SLOTS; i++)
		h->slots[i] += other->slots[i];
	h->count += other->count;
}

double hist_percentile(const struct hist *h, double p)
{
	double want = (double)h->count * p / 100;
	uint64_t seen = 0;
	unsigned int i;

	for (i = 0; i < HIST_SLOTS; i++) {
		seen += h->slots[i];
		if (seen && (double)seen >= want)
			return slot_us(i);
	}
	return 0;
}

static unsigned char *noise;

static void noise_make(void)
{
	noise = xalloc(BENCH_NOISE_MAX, 1);
	pattern_fill(1, 0, noise, BENCH_NOISE_MAX);
}

const unsigned char *bench_noise(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, noise_make);
	return noise;
}
