/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdlib.h>

/* patience - how often as long a slow machine may take: PATIENCE, as in tests/e2e/lib.bash. */
static inline unsigned int patience(void)
{
	const char *text = getenv("PATIENCE");
	long n = text ? strtol(text, NULL, 10) : 1;

	return n < 1 ? 1 : n > 1000 ? 1000 : (unsigned int)n;
}
