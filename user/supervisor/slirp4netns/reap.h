/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a spawned process: waiting for it with a limit, and its status. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define REAP_TEXT_MAX 64

struct deadline {
	int64_t at; /* CLOCK_MONOTONIC, ms */
};

/* deadline_in - @ms from now. deadline_left - what is left, never below 0. */
struct deadline deadline_in(int ms);
int deadline_left(const struct deadline *d);

struct reaped {
	bool is_signal;
	bool is_core;
	int status; /* the exit status, or the signal */
};

/* reap_wait - true as soon as the process is dead, false when @ms are over. */
bool reap_wait(int pidfd, int ms);

/*
 * reap - kill what is left of the process and its group, and collect the
 * status. Returns 0, -ECHILD when somebody else collected it, or -ETIMEDOUT
 * when the kernel does not let go of it (it is given two seconds).
 */
int reap(pid_t pid, int pidfd, struct reaped *ret);

/* reap_text - as Go says it: "exit status 3", "signal: killed". Returns buf. */
const char *reap_text(const struct reaped *r, char buf[REAP_TEXT_MAX]);
