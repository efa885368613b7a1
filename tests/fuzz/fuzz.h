/* SPDX-License-Identifier: Apache-2.0 */
/* What a fuzz target and its driver, libFuzzer or replay.c, agree on. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* One input. Returns 0; a broken promise aborts. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Unlike assert(3) it says what was compared and stays with NDEBUG. */
#define CHECK(expr)                                                            \
	do {                                                                   \
		if (!(expr)) {                                                 \
			fprintf(stderr, "# %s:%d: not so: %s\n", __FILE__, __LINE__, #expr); \
			abort();                                               \
		}                                                              \
	} while (0)
