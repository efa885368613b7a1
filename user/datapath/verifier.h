/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why the kernel refuses a BPF program. bpf(2) returns little more than EINVAL
 * or EACCES; the verifier's log has the reason, when a log was asked for.
 */
#pragma once

#include "base/error.h"

/* The longest log that kernels accept: one that is cut is an error before Linux 6.4. */
#define VERIFIER_LOG_SIZE (16 << 20)

/* verifier_log_debug - log the last lines of @log at level debug. */
void verifier_log_debug(const char *log);

/*
 * verifier_reason - find the line of @log that says what is wrong.
 * Returns where it begins, with @ret_n set to its length, or NULL when the log
 * has none: nothing got as far as the verifier.
 */
const char *verifier_reason(const char *log, int *ret_n);

/*
 * verifier_error - set @err to why programs cannot be loaded, so that it reads
 * well after "since": by the reason in @log (NULL: there is none), or by the
 * text of errno -@r. Returns @r.
 */
int verifier_error(struct error *err, int r, const char *log);
