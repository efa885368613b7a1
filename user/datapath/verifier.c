/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/verifier.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

/* What is shown of a log; the reason is at its end. */
#define SHOWN 2048

/* A reason that is longer would leave no room for what else a line says. */
#define REASON_MAX 160

void verifier_log_debug(const char *log)
{
	size_t n = strlen(log);
	const char *end;

	for (log += n > SHOWN ? n - SHOWN : 0; (end = strchr(log, '\n')); log = end + 1)
		log_debug("verifier: %.*s", (int)(end - log), log);
}

static bool begins(const char *line, const char *word)
{
	return strncmp(line, word, strlen(word)) == 0;
}

/* print_verification_stats() of kernel/bpf/verifier.c, which follows the reason */
static bool is_statistics(const char *line)
{
	return begins(line, "processed ") || begins(line, "verification time ") ||
	       begins(line, "stack depth ") || begins(line, "max_states ");
}

/*
 * What was verified: "12: (85) call ...", "; source", "R1=...", "func#0 @0",
 * "from 3 to 7: safe"; and the types that were loaded: "[5] STRUCT ...".
 */
static bool is_trace(const char *line)
{
	size_t digits = strspn(line, "0123456789");

	return (digits > 0 && line[digits] == ':') || line[0] == ';' || line[0] == '[' ||
	       (line[0] == 'R' && isdigit((unsigned char)line[1]) &&
		strspn(line + 1, "0123456789_rw") + 1 == strcspn(line, "=")) ||
	       begins(line, "func#") || begins(line, "from ");
}

bool verifier_reason(const char *log, char *ret, size_t size)
{
	size_t n = 0;
	const char *end;

	ret[0] = '\0';
	for (; *log; log = *end ? end + 1 : end) {
		end = log + strcspn(log, "\n");
		if (end == log || is_statistics(log))
			continue;
		if (is_trace(log))
			n = 0;
		else if (n < size)
			n += (size_t)snprintf(ret + n, size - n, "%s%.*s", n ? "; " : "",
					      (int)(end - log), log);
		ret[n < size ? n : size - 1] = '\0';
	}
	return ret[0];
}

int verifier_error(struct error *err, int r, const char *log)
{
	char reason[REASON_MAX];

	if (!log || !verifier_reason(log, reason, sizeof(reason)))
		return error_errno(err, r, "its programs cannot be loaded");
	return error_set(err, r, "its programs cannot be loaded: refused by the verifier: %s",
			 reason);
}
