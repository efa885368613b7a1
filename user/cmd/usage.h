/* SPDX-License-Identifier: Apache-2.0 */
/* What `run --help` and `attach --help` print. */
#pragma once

#include <stdbool.h>

/* usage_print - print the options of attach, or of run, on stdout. */
void usage_print(bool attach);
