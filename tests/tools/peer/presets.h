/* SPDX-License-Identifier: Apache-2.0 */
/* The table of modes: what runs them, and the options they set beforehand. */
#pragma once

#include <stdbool.h>

#include "options.h"

/* presets_apply - the mode's own options. Returns false when there is no such mode. */
bool presets_apply(struct options *o);

/* presets_bytes - where --bytes goes in the plan of the mode, if it was given. */
void presets_bytes(struct options *o);

/* presets_run - runs the mode. Returns the exit status. */
int presets_run(const struct options *o);

void presets_help(void);
