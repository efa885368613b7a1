/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The self-tests of a datapath: what this kernel and these privileges allow,
 * tried out on sockets of this process before any client's bytes. Each takes
 * about a millisecond, and no test outlives a second.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum probe_result {
	PROBE_OK,
	PROBE_DEGRADED,	  /* works, more slowly */
	PROBE_DIFFERS,	  /* works, and an application can tell */
	PROBE_FAILED,	  /* does not work */
	PROBE_IMPOSSIBLE, /* cannot be tried: privileges, kernel, build */
};

struct probe {
	const char *name;
	bool is_avoidable; /* auto can use the datapath so that no application meets this */
	enum probe_result result;
	char why[256];	  /* what was found; reads well after "since" */
	char advice[256]; /* what can be done about it */
};

#define PROBES_MAX 16

struct probes {
	size_t n;
	struct probe list[PROBES_MAX];
};

enum probe_weight {
	PROBE_ALONE,	 /* it says nothing of the others */
	PROBE_GATE,	 /* the ones that follow make no sense without it */
	PROBE_AVOIDABLE, /* struct probe, is_avoidable */
};

/* The tests of one datapath, in order; the last one has no name. */
struct probe_test {
	const char *name;
	void (*run)(void *context, struct probe *ret); /* finds @ret at PROBE_OK */
	enum probe_weight weight;
};

/*
 * probes_run - run @tests and append their results: of @all of them, or up to
 * the first that is neither PROBE_OK nor a difference that can be avoided.
 */
void probes_run(struct probes *probes, const struct probe_test *tests, void *context,
		bool all);

/*
 * probes_find - the first result that is @least or worse; NULL: none is.
 * probes_find_fault - the first that keeps `auto` off the datapath; NULL: none does.
 */
const struct probe *probes_find(const struct probes *probes, enum probe_result least);
const struct probe *probes_find_fault(const struct probes *probes);

/* probe_set - the result of a test; @why as printf(3). */
void probe_set(struct probe *probe, enum probe_result result, const char *advice,
	       const char *why, ...) __attribute__((format(printf, 4, 5)));

/* probe_errno - PROBE_FAILED because of errno @r, of either sign. */
void probe_errno(struct probe *probe, int r, const char *what);

const char *probe_result_name(enum probe_result result);

/* Two sockets, connected over loopback, both non-blocking. */
struct probe_pair {
	int connected, accepted; /* -1: none */
};

/*
 * probe_pair_open - with SO_RCVBUF of @rcvbuf bytes for the connecting one, 0:
 * the kernel's. Returns 0, or -errno with @probe set.
 */
int probe_pair_open(struct probe_pair *pair, int rcvbuf, struct probe *probe);
void probe_pair_close(struct probe_pair *pair);

/* probe_wait - for POLL* @events. Returns 0 or -errno: -ETIMEDOUT. */
int probe_wait(int fd, short events);

/*
 * probe_says - send a text; for a tenth of a second while there is no memory for it. Returns 0,
 * or -errno with @probe set.
 * probe_hears - until @fd has got @text. Returns 0, or -errno: -ETIMEDOUT,
 * -EBADMSG when something else came.
 */
int probe_says(int fd, const char *text, struct probe *probe);
int probe_hears(int fd, const char *text);

/* Tests for every datapath that uses BPF; they need no context. */
void probe_privileges(void *context, struct probe *ret);
void probe_kernel_types(void *context, struct probe *ret);
void probe_fionread(void *context, struct probe *ret);
