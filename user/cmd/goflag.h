/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command lines as Go's flag package reads them (https://pkg.go.dev/flag): -x V,
 * --x V, -x=V; the first word that is none of these ends them; a later -x wins.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"

struct goflag {
	const char *name;
	bool is_boolean;
	/* *ret belongs to argv; the error is the reason alone: "parse error" */
	int (*set)(void *to, const char *value, struct error *err);
	void *to;
};

/*
 * goflag_parse - @flags ends with a NULL name. Returns 0, 1 for -h and -help
 * (unless there is such a flag), or -EINVAL with @err in Go's words.
 */
int goflag_parse(char **argv, const struct goflag *flags, struct error *err);

/* For @set: an int, a bool, a string, a struct addr. */
int goflag_int(void *to, const char *value, struct error *err);
int goflag_bool(void *to, const char *value, struct error *err);
int goflag_string(void *to, const char *value, struct error *err);
int goflag_addr(void *to, const char *value, struct error *err);
