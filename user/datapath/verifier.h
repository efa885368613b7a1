/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why the kernel refuses a BPF program. bpf(2) returns little more than EINVAL
 * or EACCES; the verifier's log has the reason, when a log was asked for.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* The longest log that kernels accept: one that is cut is an error before Linux 6.4. */
#define VERIFIER_LOG_SIZE (16 << 20)

/* verifier_log_debug - log the last lines of @log at level debug. */
void verifier_log_debug(const char *log);

/*
 * verifier_reason - find the lines of @log that say what is wrong: those after
 * the last instruction that was verified.
 * Returns true with @ret set to them, joined by "; " and cut to @size, or false
 * when there are none: nothing got as far as the verifier, or was refused by it.
 */
bool verifier_reason(const char *log, char *ret, size_t size);

/*
 * verifier_error - set @err to why programs cannot be loaded, so that it reads
 * well after "since": by the reason in @log (NULL: there is none), or by the
 * text of errno -@r. Returns @r.
 */
int verifier_error(struct error *err, int r, const char *log);
