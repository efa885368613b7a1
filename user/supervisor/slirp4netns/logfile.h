/* SPDX-License-Identifier: Apache-2.0 */
/* What slirp4netns prints: kept in a file without a name, quoted at its end. */
#pragma once

#include <stddef.h>

#include "base/error.h"

/*
 * logfile_open - make @tmpdir/slirp4netns-@id.log, 0600, and unlink it at
 * once; what an earlier crash left under that name goes too.
 * Returns the descriptor (read, append, CLOEXEC) or -errno.
 */
int logfile_open(const char *tmpdir, const char *id, struct error *err);

/*
 * logfile_quote - the text so far in Go's quotes, on one line. Of a long one
 * the first and the last lines: one of them says what went wrong.
 * Returns @buf.
 */
const char *logfile_quote(int fd, char *buf, size_t size);
